//! The definitions are those that were reviewed, on every run and in words an agent can use.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use pdp::digest::Digest;
use serde_json::Value;

use super::GateTools;

#[test]
fn the_definitions_are_those_of_the_registry() {
    let entry: toml::Table = include_str!("../../../../../registry/servers/gate.toml").parse().unwrap();
    let pinned = entry.get("tools").and_then(toml::Value::as_table).unwrap();
    let tools = GateTools::routes().list_all();
    assert_eq!(tools.len(), pinned.len());
    for tool in tools {
        let text = serde_json::to_string(&tool).unwrap();
        let pin = pinned.get(&*tool.name).and_then(|entry| entry.get("pin")).and_then(toml::Value::as_str);
        let found = Digest::of_json(&text).unwrap().to_string();
        assert_eq!(pin, Some(found.as_str()), "`{}` has changed: run `wicketgate registry scan gate`", tool.name);
        let definition: Value = serde_json::from_str(&text).unwrap();
        let closed = definition.pointer("/inputSchema/additionalProperties") == Some(&Value::Bool(false));
        assert!(closed && tool.description.is_some_and(|words| words.len() > 20) && tool.title.is_some(), "{text}");
    }
}
