//! The description of the control API: valid, whole, and of exactly what is served.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::gate::bundle::Bundle;
use crate::gate::client::Request;
use crate::gate::{ADA, Gate, OPERATOR};

/// The methods an operation can stand under.
const VERBS: [&str; 7] = ["get", "post", "put", "patch", "delete", "head", "options"];

async fn described(gate: &Gate) -> Value {
    let answer = Request::bare("GET", "/v1/openapi.json").token(OPERATOR).send(gate.control()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")), "{answer:?}");
    answer.message()
}

/// Each operation: its path, its method, and what is said of it.
pub(crate) fn operations(whole: &Value) -> Vec<(String, String, &Value)> {
    let paths = whole["paths"].as_object().unwrap().iter();
    let each =
        paths.flat_map(|(path, item)| item.as_object().unwrap().iter().map(move |(verb, said)| (path, verb, said)));
    each.map(|(path, verb, said)| (path.clone(), verb.clone(), said)).collect()
}

/// Every `$ref` below a value.
fn references<'v>(value: &'v Value, found: &mut Vec<&'v str>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|member| references(member, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_description_is_valid_and_names_nothing_that_is_not_there() {
    let gate = Gate::start(&Bundle::new()).await;
    let whole = described(&gate).await;
    assert!(whole["openapi"].as_str().unwrap().starts_with("3.1"), "{}", whole["openapi"]);
    assert!(whole["info"]["title"].is_string() && whole["info"]["version"].is_string());
    let mut found = Vec::new();
    references(&whole, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let there = reference.strip_prefix('#').and_then(|pointer| whole.pointer(pointer));
        assert!(there.is_some(), "{reference} leads nowhere");
    }
    for (name, schema) in whole["components"]["schemas"].as_object().unwrap() {
        // Draft 2020-12, as OpenAPI 3.1 says; references are looked at above.
        let valid = jsonschema::meta::is_valid(schema);
        assert!(valid, "{name}: {schema:#}");
    }
    let schemes = whole["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().map(String::as_str).collect::<BTreeSet<_>>(), ["bearer", "csrf", "session"].into());
    let mut names = BTreeSet::new();
    for (path, verb, said) in operations(&whole) {
        assert!(VERBS.contains(&verb.as_str()), "{verb} {path}");
        let name = said["operationId"].as_str().unwrap();
        assert!(names.insert(name.to_owned()), "two operations are called `{name}`");
        assert!(said["summary"].as_str().is_some_and(|text| !text.is_empty()), "{verb} {path} has no summary");
        assert_eq!(said["tags"].as_array().unwrap().len(), 1, "{verb} {path}");
        assert_eq!(said["responses"]["default"]["$ref"], "#/components/responses/Error", "{verb} {path}");
        let well = said["responses"].as_object().unwrap().iter().find(|(status, _)| status.starts_with('2'));
        let (status, well) = well.unwrap_or_else(|| panic!("{verb} {path} never goes well"));
        let body =
            well["content"].as_object().is_some_and(|kinds| kinds.values().all(|kind| kind["schema"].is_object()));
        assert!(status == "204" || body, "{verb} {path}: {status} has no typed body");
        let in_path: BTreeSet<&str> =
            path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
        let parameters = said["parameters"].as_array().cloned().unwrap_or_default();
        let told = parameters.iter().filter(|one| one["in"] == "path" && one["required"] == true);
        assert_eq!(told.map(|one| one["name"].as_str().unwrap()).collect::<BTreeSet<_>>(), in_path, "{verb} {path}");
        for named in said["security"].as_array().into_iter().flatten().flat_map(|one| one.as_object().unwrap().keys()) {
            assert!(schemes.contains_key(named), "{verb} {path}: {named}");
        }
    }
    // One of the decision point's own types is whole in it.
    assert!(whole["components"]["schemas"]["Entry"].to_string().contains("\"record\""));
}

/// Each operation that is described is served, no other method of its path is, and nobody comes to it without a credential.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_described_is_what_is_served() {
    let gate = Gate::start(&Bundle::new()).await;
    let whole = described(&gate).await;
    let operations = operations(&whole);
    let paths: BTreeSet<&String> = operations.iter().map(|(path, ..)| path).collect();
    for path in paths {
        let own: BTreeSet<&str> =
            operations.iter().filter(|(p, ..)| p == path).map(|(_, verb, _)| verb.as_str()).collect();
        let url: String =
            path.split('/').map(|part| if part.starts_with('{') { "0" } else { part }).collect::<Vec<_>>().join("/");
        for verb in ["get", "post", "put", "patch", "delete"] {
            let request = Request::bare(&verb.to_ascii_uppercase(), &url);
            let known = request.clone().token(ADA).send(gate.control()).await;
            assert_eq!(known.status == 405, !own.contains(verb), "{verb} {url}: {known:?}");
            let missed = known.status == 404 && known.body.contains("no_route");
            assert!(!missed, "{verb} {url}: {known:?}");
            if (verb, path.as_str()) != ("post", "/v1/session") {
                assert_eq!(request.without("authorization").send(gate.control()).await.status, 401, "{verb} {url}");
            }
        }
    }
    let nothing = Request::bare("GET", "/v1/nothing").token(OPERATOR).send(gate.control()).await;
    assert!(nothing.status == 404 && nothing.body.contains("no_route"), "{nothing:?}");
}
