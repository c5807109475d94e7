//! The one table of the control plane's routes: what it routes is what `/v1/openapi.json` tells, because both are made of
//! it. Nothing can be routed here without being described.
//!
//! What each route does stands with its module. The console's files are no part of the API.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};
use utoipa::openapi::{OpenApi, Ref};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::Control;
use super::session::{COOKIE, CSRF};

/// Routes, each with its description.
pub(crate) struct Routes(OpenApiRouter<Arc<Control>>);

impl Routes {
    /// None yet.
    pub(crate) fn new() -> Self {
        Self(OpenApiRouter::default())
    }

    /// With one path and its methods.
    pub(crate) fn with(self, routes: UtoipaMethodRouter<Arc<Control>>) -> Self {
        Self(self.0.routes(routes))
    }

    /// With those of another module.
    pub(crate) fn merge(self, other: Self) -> Self {
        Self(self.0.merge(other.0))
    }

    /// All of these take a body of at most so many bytes.
    pub(crate) fn body_max(self, bytes: usize) -> Self {
        Self(self.0.layer(DefaultBodyLimit::max(bytes)))
    }

    /// What serves them.
    pub(crate) fn router(self) -> Router<Arc<Control>> {
        self.0.split_for_parts().0
    }

    fn described(self) -> OpenApi {
        self.0.split_for_parts().1
    }
}

/// Types of the decision point that stand in bodies: described by the schema that reads and writes them everywhere else.
const OF_PDP: [fn(&mut SchemaGenerator); 4] = [
    define::<pdp::task::Limits>,
    define::<pdp::record::Saying>,
    define::<pdp::record::Entry>,
    define::<pdp::task::Scope>,
];

fn define<T: JsonSchema>(generator: &mut SchemaGenerator) {
    // What is answered is a reference to the definition that is now in the generator.
    let _reference = generator.subschema_for::<T>();
}

/// The schema of a type of the decision point, which `OF_PDP` lists.
pub(super) fn pdp<T: JsonSchema>() -> Ref {
    Ref::from_schema_name(T::schema_name())
}

/// The route of the description itself.
pub(super) fn routes() -> Routes {
    Routes::new().with(routes!(openapi))
}

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document(super::routes()).to_string());

/// This description.
///
/// OpenAPI 3.1, of exactly the routes that this gate serves. Needs a credential, and no role.
#[utoipa::path(get, path = "/v1/openapi.json", tag = "gate", responses((status = 200, body = Object, description = "An OpenAPI 3.1 document.")))]
async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], DOCUMENT.as_str()).into_response()
}

/// How whoever calls shows who they are, and that it is they who call.
fn schemes() -> Value {
    json!({
        "bearer": { "type": "http", "scheme": "bearer", "description": "An API token whose principal has a role." },
        "session": {
            "type": "apiKey", "in": "cookie", "name": COOKIE,
            "description": "A browser's session, from `POST /v1/session`. It comes alone: with a bearer token it is refused.",
        },
        "csrf": {
            "type": "apiKey", "in": "header", "name": CSRF,
            "description": "The session's `csrf`, which its sign-in told. What changes something must come from a page of the console's origin too.",
        },
    })
}

/// The whole description.
pub(crate) fn document(routes: Routes) -> Value {
    let described = serde_json::to_value(routes.described());
    let mut whole = described.unwrap_or_else(|e| json!({ "paths": {}, "x-fault": e.to_string() }));
    put(
        &mut whole,
        &["info"],
        json!({
            "title": "Wicketgate control API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "For operators, approvers and hosts: what the gate does, and what people decide. Everything needs a \
                            credential. What belongs to another tenant is answered as if it were not there.",
            "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
        }),
    );
    put(&mut whole, &["security"], json!([{ "bearer": [] }, { "session": [], "csrf": [] }]));
    put(&mut whole, &["components", "securitySchemes"], schemes());
    put(
        &mut whole,
        &["components", "responses", "Error"],
        json!({
            "description": "What was wrong and what to do. Every status that is not listed answers so.",
            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Fault" } } },
        }),
    );
    put(
        &mut whole,
        &["components", "schemas", "Fault"],
        json!({
            "type": "object", "required": ["error"], "additionalProperties": true,
            "properties": { "error": {
                "type": "object", "required": ["code", "message"],
                "properties": {
                    "code": { "type": "string", "description": "One word, for programs." },
                    "message": { "type": "string", "description": "What, where, and what to do, for people." },
                },
            } },
        }),
    );
    for (name, schema) in of_pdp() {
        put(&mut whole, &["components", "schemas", &name], schema);
    }
    for (path, item) in whole.get_mut("paths").into_iter().flat_map(members) {
        for (verb, operation) in members(item) {
            complete(path, verb, operation);
        }
    }
    whole
}

/// Puts a value at a place of a description, where that is one of objects.
fn put(whole: &mut Value, place: &[&str], value: Value) {
    let Some((first, rest)) = place.split_first() else {
        *whole = value;
        return;
    };
    if whole.is_null() {
        *whole = json!({});
    }
    if let Some(members) = whole.as_object_mut() {
        put(members.entry(*first).or_insert(Value::Null), rest, value);
    }
}

/// The definitions of the decision point's types, with those they are made of.
fn of_pdp() -> BTreeMap<String, Value> {
    let mut settings = SchemaSettings::draft2020_12();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    OF_PDP.iter().for_each(|define| define(&mut generator));
    generator.take_definitions(true).into_iter().collect()
}

/// What every operation has and none needs to say.
fn complete(path: &str, verb: &str, operation: &mut Value) {
    let word = |at: &str| operation.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}_{}", word("/tags/0"), word("/operationId"));
    put(operation, &["operationId"], name.into());
    put(operation, &["responses", "default"], json!({ "$ref": "#/components/responses/Error" }));
    if (path, verb) == ("/v1/session", "post") {
        // The credential stands in its body.
        put(operation, &["security"], json!([]));
    }
}

fn members(value: &mut Value) -> impl Iterator<Item = (&str, &mut Value)> {
    value.as_object_mut().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}
