//! The schemas in `schemas/` are those of the types, every TOML file of the repository fits its schema, and what a loader
//! refuses as a typo, the schema refuses too.

use std::path::{Path, PathBuf};

use jsonschema::Validator;
use proptest::prelude::*;
use serde_json::Value;
use tests::properties::record::made;

use crate::gate::bundle::Bundle;
use crate::gate::client::Agent;
use crate::gate::{ADA, Gate};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn schema(name: &str) -> Validator {
    let text = std::fs::read_to_string(root().join("schemas").join(name)).unwrap();
    jsonschema::draft202012::new(&serde_json::from_str(&text).unwrap()).unwrap()
}

/// What is wrong with a TOML text by a schema.
fn faults(schema: &Validator, text: &str) -> Vec<String> {
    let value: toml::Value = toml::from_str(text).unwrap();
    let value = serde_json::to_value(value).unwrap();
    schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

#[test]
fn the_schemas_are_those_of_the_types() {
    for (name, text) in gateway::schemas::all() {
        let kept = std::fs::read_to_string(root().join("schemas").join(&name)).unwrap_or_default();
        let of = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        assert!(of(&kept) == of(&text), "schemas/{name} is not what the types say: run `wicketgate schemas`");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert!(value["$schema"].as_str().unwrap().contains("2020-12"), "{name}");
        assert!(jsonschema::meta::is_valid(&value), "{name} is no JSON Schema");
        undescribed(&value, &name);
    }
}

/// Every member of every object says what it is.
fn undescribed(value: &Value, place: &str) {
    if let Some(properties) = value["properties"].as_object() {
        for (name, member) in properties {
            // The tag of a variant is said by the variant; a choice says what each of its values is.
            let told = ["description", "const", "$ref"].iter().any(|key| member.get(key).is_some());
            // A variant that holds one value is an object with one member, and is described as a whole.
            let told = told || (properties.len() == 1 && value.get("description").is_some());
            assert!(told, "{place}.{name} has no description: {member}");
        }
    }
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, inner)| undescribed(inner, &format!("{place}/{name}")))
        }
        Value::Array(items) => items.iter().for_each(|inner| undescribed(inner, place)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The TOML files of the repository that have a schema, each with the one its first line names.
fn files() -> Vec<(PathBuf, String)> {
    let mut out = Vec::new();
    for folder in ["registry", "examples"] {
        for entry in walkdir::WalkDir::new(root().join(folder)) {
            let path = entry.unwrap().into_path();
            if path.extension().is_none_or(|ending| ending != "toml") || path.iter().any(|part| part == "state") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let named = text.lines().next().and_then(|line| line.strip_prefix("#:schema ")).map(str::to_owned);
            let named = named.unwrap_or_else(|| panic!("{}: its first line names no schema", path.display()));
            let schema = path.parent().unwrap().join(named).canonicalize().unwrap();
            assert!(schema.starts_with(root().canonicalize().unwrap()), "{}", path.display());
            out.push((path, schema.file_name().unwrap().to_str().unwrap().to_owned()));
        }
    }
    out
}

#[test]
fn every_file_of_the_repository_fits_its_schema() {
    let files = files();
    assert!(files.len() >= 2, "{files:?}");
    for (path, name) in files {
        let told = faults(&schema(&name), &std::fs::read_to_string(&path).unwrap());
        assert!(told.is_empty(), "{}:\n{}", path.display(), told.join("\n"));
    }
}

#[test]
fn what_the_loader_refuses_as_a_typo_the_schema_refuses() {
    let office = std::fs::read_to_string(root().join("registry/servers/office.toml")).unwrap();
    let tools = std::fs::read_to_string(root().join("registry/servers/office.tools.json")).unwrap();
    let source = |path: &str, text: &str| pdp::fault::SourceFile { path: path.to_owned(), text: text.to_owned() };
    let loads = |text: &str| {
        pdp::registry::load(&[source("servers/office.toml", text), source("servers/office.tools.json", &tools)]).is_ok()
    };
    let server = schema("server.schema.json");
    assert!(loads(&office) && faults(&server, &office).is_empty());
    for (right, wrong) in [
        ("owner = ", "ovner = "),
        ("deliver = \"plain\"", "deliver = \"plane\""),
        ("kind = \"builtin\"", "kind = \"built-in\""),
        ("server = \"office\"", "servr = \"office\""),
        ("effect = [\"read\"]", "effect = [\"reads\"]"),
        ("reviewed_by = ", "reviewed_from = "),
        ("pin = \"sha256:", "pin = \"sha512:"),
        ("name = \"office\"", "name = \"Office\""),
    ] {
        let text = office.replacen(right, wrong, 1);
        assert_ne!(text, office, "{right} stands nowhere");
        assert!(!loads(&text), "the loader takes `{wrong}`");
        assert!(!faults(&server, &text).is_empty(), "the schema takes `{wrong}`");
    }
    let configured = |text: &str| {
        let file = source("wicketgate.toml", text);
        gateway::config::Config::meant(&file, Path::new("/"), &gateway::config::Overrides::default()).is_ok()
    };
    let configuration = schema("wicketgate.schema.json");
    let digest = "0".repeat(64);
    let good = format!(
        "listen = \"127.0.0.1:1\"\n[tasks]\nidle_minutes = 5\n[limits]\ncalls_max = 7\n[[principals]]\nagent = \"a\"\n\
         roles = [\"admin\"]\ntoken_sha256 = \"{digest}\"\n"
    );
    assert!(configured(&good) && faults(&configuration, &good).is_empty(), "{:?}", faults(&configuration, &good));
    for (right, wrong) in [
        ("listen", "lisen"),
        ("idle_minutes", "idle_min"),
        ("calls_max = 7", "calls_max = \"7\""),
        ("calls_max", "call_max"),
        ("roles = [\"admin\"]", "roles = [\"king\"]"),
        ("token_sha256 = \"0", "token_sha256 = \"x"),
        ("agent = \"a\"\n", ""),
    ] {
        let text = good.replacen(right, wrong, 1);
        assert!(!configured(&text), "the loader takes `{wrong}`");
        assert!(!faults(&configuration, &text).is_empty(), "the schema takes `{wrong}`");
    }
}

#[test]
fn the_defaults_that_the_schema_names_are_those_that_hold() {
    let text = std::fs::read_to_string(root().join("schemas/wicketgate.schema.json")).unwrap();
    let schema: Value = serde_json::from_str(&text).unwrap();
    let limits = gateway::config::Limits::default();
    let named = &schema["$defs"]["Limits"]["properties"];
    assert_eq!(named["body_bytes_max"]["default"], limits.body_bytes_max);
    assert_eq!(named["shutdown_s"]["default"], limits.shutdown_s);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn every_entry_fits_the_schema_of_entries(seed in "(?s).{0,200}") {
        // As far as an entry can be made of the words, it is written as the ledger writes it.
        let Ok(entry) = pdp::record::Entry::read(&made(&seed).to_string()) else { return Ok(()) };
        let text = entry.canonical().unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        let schema = schema("entry.schema.json");
        let told: Vec<String> = schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        prop_assert!(told.is_empty(), "{}\n{text}", told.join("\n"));
    }
}

#[tokio::test]
async fn what_a_gate_writes_fits_the_schema_of_entries() {
    let gate = Gate::start(&Bundle::new().stdio("tools", &[])).await;
    let agent = Agent::legacy(gate.at(), "tools", ADA).await;
    agent.call("echo", serde_json::json!({ "text": "x" })).await;
    agent.call("wipe", serde_json::json!({ "path": "/" })).await;
    let entries = gate.close().await;
    assert!(entries.len() > 5, "{entries:?}");
    let schema = schema("entry.schema.json");
    for entry in entries {
        let value: Value = serde_json::from_str(&entry.canonical().unwrap()).unwrap();
        let told: Vec<String> = schema.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(told.is_empty(), "{}\n{value}", told.join("\n"));
    }
}
