//! The types of a call's context, read off the generated Cedar schema, and what is true of every real call.
//!
//! A proof is about every context the schema allows. The gate builds fewer: a tool is always asked of its own server, the
//! arguments fit their reviewed schema before policy sees them. Those facts are assumed in a proof; nothing else is.

use std::collections::BTreeMap;

use cedar_policy::SchemaFragment;
use pdp::method::{self, METHODS};
use pdp::registry::{Registry, Server, Tool};
use serde_json::Value;

use crate::desk::law::Entity;
use crate::desk::law::expression::quoted;

/// A type, as far as facts and examples need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Long,
    Decimal,
    Record(BTreeMap<String, Member>),
    Other,
}

/// One member of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) required: bool,
    pub(super) kind: Kind,
}

/// How deep types are followed.
const DEPTH_MAX: usize = 12;

/// The schema as data.
pub(super) struct Kinds(Value);

impl Kinds {
    /// Reads a schema's text. One that cannot be read has no types: then fewer facts are assumed.
    pub(super) fn read(schema: &str) -> Self {
        let fragment = SchemaFragment::from_cedarschema_str(schema).ok();
        Self(fragment.and_then(|(fragment, _)| fragment.to_json_value().ok()).unwrap_or_default())
    }

    /// The schema in Cedar's JSON form.
    pub(super) fn json(&self) -> &Value {
        &self.0
    }

    /// The members of `context.<part>` of an action: `args` or `args_canonical`.
    pub(super) fn members(&self, action: &Entity, part: &str) -> BTreeMap<String, Member> {
        let space = action.kind.rsplit_once("::").map_or("", |(space, _)| space);
        let applies =
            self.0.get(space).and_then(|s| s.get("actions")?.get(&action.id)?.get("appliesTo")?.get("context"));
        let Some(context) = applies else { return BTreeMap::new() };
        let Kind::Record(mut members) = self.kind(context, space, DEPTH_MAX) else { return BTreeMap::new() };
        match members.remove(part).map(|member| member.kind) {
            Some(Kind::Record(inner)) => inner,
            Some(Kind::Text | Kind::Long | Kind::Decimal | Kind::Other) | None => BTreeMap::new(),
        }
    }

    fn kind(&self, written: &Value, space: &str, depth: usize) -> Kind {
        let Some(depth) = depth.checked_sub(1) else { return Kind::Other };
        let text = |name: &str| written.get(name).and_then(Value::as_str);
        if text("type") == Some("Record") {
            let members = written.get("attributes").and_then(Value::as_object).into_iter().flatten();
            let member = |member: &Value| Member {
                required: member.get("required").and_then(Value::as_bool).unwrap_or(true),
                kind: self.kind(member, space, depth),
            };
            return Kind::Record(members.map(|(name, inner)| (name.clone(), member(inner))).collect());
        }
        let name = text("name").or_else(|| text("type")).unwrap_or_default();
        match name.strip_prefix("__cedar::").unwrap_or(name) {
            "String" => Kind::Text,
            "Long" => Kind::Long,
            "decimal" => Kind::Decimal,
            other => {
                let (of, own) = other.rsplit_once("::").unwrap_or((space, other));
                let common = self.0.get(of).and_then(|s| s.get("commonTypes")?.get(own));
                common.map_or(Kind::Other, |common| self.kind(common, of, depth))
            }
        }
    }
}

/// What is true of every call of this action that comes to a judgement, as a Cedar expression. Nothing where the registry
/// lets no such call come so far.
pub(super) fn always(action: &Entity, registry: &Registry, kinds: &Kinds) -> Option<String> {
    let tool = tool_of(action, registry);
    let places: Vec<String> = match &tool {
        Some((server, _)) => vec![place(server, registry)],
        None => registry.servers.values().filter(|s| opens(s, &action.id)).map(|s| place(s, registry)).collect(),
    };
    if places.is_empty() {
        return None;
    }
    let mut facts = vec![
        format!("({})", places.join(" || ")),
        "principal.tenant == context.gate.tenant".to_owned(),
        "context.gate.calls >= 0".to_owned(),
    ];
    if let Some((_, tool)) = tool {
        let definition: Value = serde_json::from_str(&tool.definition).unwrap_or_default();
        let properties = definition.get("inputSchema").and_then(|schema| schema.get("properties"));
        for (name, member) in kinds.members(action, "args") {
            let schema = properties.and_then(|all| all.get(&name));
            let known = schema.map(|schema| bounds(&name, &member.kind, schema)).unwrap_or_default();
            facts.extend(known.into_iter().map(|fact| present(&name, member.required, &fact)));
        }
    }
    Some(facts.join(" && "))
}

/// What makes an example look like a call somebody could make: canonical arguments as they were given, a time of today.
/// Preferred for examples, never assumed in a proof.
pub(super) fn likely(action: &Entity, kinds: &Kinds) -> String {
    let mut facts = vec![
        "principal.tenant == \"default\"".to_owned(),
        "context.gate.calls < 1000".to_owned(),
        "context.gate.now >= datetime(\"2026-01-01\")".to_owned(),
        "context.gate.now < datetime(\"2100-01-01\")".to_owned(),
    ];
    let canonical = kinds.members(action, "args_canonical");
    for (name, member) in kinds.members(action, "args") {
        if member.kind != Kind::Text || canonical.get(&name).is_none_or(|other| other.kind != Kind::Text) {
            continue;
        }
        let name = quoted(&name);
        // A path in its canonical form has no slash at its end.
        let same =
            format!("context.args[{name}] == context.args_canonical[{name}] && !(context.args[{name}] like \"*/\")");
        if member.required {
            facts.push(same);
        } else {
            facts.push(format!("(context.args has {name}) == (context.args_canonical has {name})"));
            facts.push(format!(
                "(if context.args has {name} && context.args_canonical has {name} then {same} else true)"
            ));
        }
    }
    facts.join(" && ")
}

/// The tool whose action this is.
pub(super) fn tool_of<'r>(action: &Entity, registry: &'r Registry) -> Option<(&'r Server, &'r Tool)> {
    let space = action.kind.strip_suffix("::Action")?;
    let server = registry.servers.values().find(|server| server.namespace == space)?;
    Some((server, server.reviewed(&action.id)?))
}

/// Whether a server's entry opens a method of this action.
pub(super) fn opens(server: &Server, action: &str) -> bool {
    if action == method::OTHER_ACTION {
        return server.open.iter().any(|name| other_method(name));
    }
    METHODS.iter().any(|m| m.action == action && server.opens(m.name, Some(m)))
}

/// Whether a word of an `open` list names a method the gate does not know.
pub(in crate::desk) fn other_method(name: &str) -> bool {
    method::find(name).is_none() && !method::Feature::OPENABLE.iter().any(|feature| feature.name() == name)
}

fn place(server: &Server, registry: &Registry) -> String {
    let mut facts = vec![
        format!("resource == Gate::Server::{}", quoted(&server.name)),
        format!("resource in Gate::System::{}", quoted(&server.system)),
    ];
    let others = registry.servers.values().map(|other| &other.system).filter(|system| **system != server.system);
    let others: std::collections::BTreeSet<&String> = others.collect();
    facts.extend(others.into_iter().map(|system| format!("!(resource in Gate::System::{})", quoted(system))));
    format!("({})", facts.join(" && "))
}

fn present(name: &str, required: bool, fact: &str) -> String {
    if required {
        return fact.to_owned();
    }
    format!("(if context.args has {} then {fact} else true)", quoted(name))
}

/// What an argument's own keywords say of its value. Each keyword of JSON Schema must hold by itself, so each is a fact.
fn bounds(name: &str, kind: &Kind, schema: &Value) -> Vec<String> {
    // Beside a reference, drafts before 2019-09 ignore every other keyword.
    if schema.get("$ref").is_some() {
        return Vec::new();
    }
    let at = format!("context.args[{}]", quoted(name));
    let number = |keyword: &str| schema.get(keyword).filter(|v| v.is_number()).map(ToString::to_string);
    let mut out = Vec::new();
    match kind {
        Kind::Text => {
            let choices = schema.get("enum").and_then(Value::as_array);
            let texts: Option<Vec<String>> =
                choices.and_then(|all| all.iter().map(|v| v.as_str().map(quoted)).collect());
            out.extend(texts.map(|texts| format!("[{}].contains({at})", texts.join(", "))));
            if schema.get("minLength").and_then(Value::as_u64).is_some_and(|least| least > 0) {
                out.push(format!("{at} != \"\""));
            }
        }
        Kind::Long => {
            for (keyword, sign) in
                [("minimum", ">="), ("maximum", "<="), ("exclusiveMinimum", ">"), ("exclusiveMaximum", "<")]
            {
                let bound = number(keyword).filter(|digits| digits.parse::<i64>().is_ok());
                out.extend(bound.map(|bound| format!("{at} {sign} {bound}")));
            }
        }
        Kind::Decimal => {
            for (keyword, function) in [
                ("minimum", "greaterThanOrEqual"),
                ("maximum", "lessThanOrEqual"),
                ("exclusiveMinimum", "greaterThan"),
                ("exclusiveMaximum", "lessThan"),
            ] {
                let bound = number(keyword).and_then(|digits| four_places(&digits));
                out.extend(bound.map(|bound| format!("{at}.{function}(decimal({bound:?}))")));
            }
        }
        Kind::Record(_) | Kind::Other => {}
    }
    out
}

/// A number as Cedar's `decimal` takes it, where it has such a form.
fn four_places(digits: &str) -> Option<String> {
    let (whole, places) = digits.split_once('.').unwrap_or((digits, "0"));
    let fits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let plain =
        fits(whole.strip_prefix('-').unwrap_or(whole)) && fits(places) && places.len() <= 4 && whole.len() <= 14;
    plain.then(|| format!("{whole}.{places}"))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use pdp::snapshot::Snapshot;

    use super::*;

    #[test]
    fn facts_of_the_shipped_office_are_those_of_its_registry() {
        let snapshot = Snapshot::build(&crate::reload::read(None).unwrap()).unwrap();
        let kinds = Kinds::read(snapshot.policies().schema_text());
        let action = Entity { kind: "office::Action".to_owned(), id: "payments_send".to_owned() };
        let facts = always(&action, snapshot.registry(), &kinds).unwrap();
        for fact in [
            "resource == Gate::Server::\"office\" && resource in Gate::System::\"Office\"",
            "context.args[\"amount\"].greaterThan(decimal(\"0.0\"))",
            "context.args[\"amount\"].lessThanOrEqual(decimal(\"100000.0\"))",
            "context.args[\"recipient\"] != \"\"",
        ] {
            assert!(facts.contains(fact), "{fact}: {facts}");
        }
        assert!(
            likely(&action, &kinds).contains("context.args[\"recipient\"] == context.args_canonical[\"recipient\"]")
        );
        assert_eq!(always(&Entity::action("sampling/createMessage"), snapshot.registry(), &kinds), None);
    }

    #[test]
    fn beside_a_reference_nothing_is_assumed() {
        let bounded = serde_json::json!({ "type": "integer", "maximum": 5 });
        assert_eq!(bounds("n", &Kind::Long, &bounded), ["context.args[\"n\"] <= 5"]);
        let referring = serde_json::json!({ "$ref": "#/$defs/n", "maximum": 5 });
        assert_eq!(bounds("n", &Kind::Long, &referring), [""; 0]);
    }

    #[test]
    fn numbers_are_given_to_cedar_exactly_or_not_at_all() {
        assert_eq!(four_places("0").as_deref(), Some("0.0"));
        assert_eq!(four_places("-1.25").as_deref(), Some("-1.25"));
        assert_eq!([four_places("1e9"), four_places("0.00001"), four_places("1.")], [None, None, None]);
    }
}
