//! Any schema and any arguments that fit it: the types that policies see and the values that they get agree, or the call is
//! denied for its arguments. A fault of ours would deny too, and say nothing that anybody could act on.
#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

use super::odd::{OPEN, build, decided};
use crate::decision::{Decision, Reason};

/// A law that looks at everything.
const LOOKS: &str = "@id(\"looks\") permit (principal, action == s::Action::\"t\", resource) when { \
    [context.args].containsAll([context.args]) && [context.args_canonical].containsAll([context.args_canonical]) && \
    [context.args_host].containsAll([context.args_host]) && !(context.args_opaque && context.args_opaque_names.isEmpty()) };";

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => select(vec!["string", "integer", "number", "boolean", "null"]).prop_map(|kind| json!({ "type": kind })),
        1 => Just(json!({ "type": ["string", "null"] })),
        1 => Just(json!({ "type": ["integer", "string", "array"] })),
        1 => Just(json!({ "enum": ["x", 1, null] })),
        1 => Just(json!({ "const": "x" })),
        1 => Just(json!({ "type": "string", "format": "email" })),
        1 => select(vec!["#/$defs/d", "#", "#/$defs/none", "#/$defs/self"]).prop_map(|to| json!({ "$ref": to })),
        1 => select(vec![json!({}), json!(true), json!(false), json!({ "type": "object" }), json!({ "type": "array" })]),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let several = proptest::collection::vec(inner.clone(), 1..3);
        prop_oneof![
            3 => object(inner.clone()),
            1 => inner.clone().prop_map(|items| json!({ "type": "array", "items": items })),
            1 => several.clone().prop_map(|items| json!({ "type": "array", "prefixItems": items, "minItems": 1 })),
            1 => inner.clone().prop_map(|rest| json!({ "type": "object", "additionalProperties": rest })),
            2 => (select(vec!["anyOf", "oneOf", "allOf"]), several.clone()).prop_map(|(key, all)| json!({ key: all })),
            1 => (object(inner), several).prop_map(|(mut whole, all)| {
                whole["anyOf"] = json!(all);
                whole
            }),
        ]
    })
}

fn object(inner: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let names = || select(vec!["to", "url", "path", "x y", "host"]);
    let members = proptest::collection::btree_map(names(), inner, 0..4);
    (members, proptest::collection::btree_set(names(), 0..2), any::<bool>()).prop_map(|(members, required, closed)| {
        let mut whole = json!({ "type": "object", "properties": members, "required": required });
        if closed {
            whole["additionalProperties"] = json!(false);
        }
        whole
    })
}

/// The bytes that choices are made by.
struct Chance<'a>(std::slice::Iter<'a, u8>);

impl Chance<'_> {
    fn below(&mut self, n: usize) -> usize {
        self.0.next().map_or(0, |byte| usize::from(*byte) % n)
    }

    /// A value that this schema may well take.
    fn value(&mut self, schema: &Value, root: &Value, left: usize) -> Value {
        let Some(left) = left.checked_sub(1) else { return Value::Null };
        let all = ["anyOf", "oneOf", "enum"].iter().find_map(|key| schema.get(key).and_then(Value::as_array));
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let found = root.pointer(target.trim_start_matches('#')).cloned().unwrap_or_default();
            return self.value(&found, root, left);
        }
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        if let Some(parts) = schema.get("allOf").and_then(Value::as_array) {
            let each: Vec<Value> = parts.iter().map(|part| self.value(part, root, left)).collect();
            let objects: Vec<&Map<String, Value>> = each.iter().filter_map(Value::as_object).collect();
            let merged = objects.iter().flat_map(|one| (*one).clone()).collect();
            return if objects.is_empty() { each[0].clone() } else { Value::Object(merged) };
        }
        let own = self.typed(schema, root, left);
        match all {
            None => own,
            Some(all) => {
                let at = self.below(all.len());
                let one = if schema.get("enum").is_some() { all[at].clone() } else { self.value(&all[at], root, left) };
                match (own, one) {
                    (Value::Object(own), Value::Object(mut one)) => {
                        own.into_iter().for_each(|(name, value)| {
                            one.insert(name, value);
                        });
                        Value::Object(one)
                    }
                    (_, one) => one,
                }
            }
        }
    }

    fn typed(&mut self, schema: &Value, root: &Value, left: usize) -> Value {
        let kinds = match schema.get("type") {
            Some(Value::String(one)) => vec![one.as_str()],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => vec!["string", "integer", "null", "object", "array"],
        };
        let texts = ["x", "/a/../b", "https://h.example/x", "a@b.example", "", "a\\..\\b"];
        match kinds[self.below(kinds.len())] {
            "string" => json!(texts[self.below(texts.len())]),
            "integer" => json!([0, 7, i64::MAX][self.below(3)]),
            "number" => [json!(1), json!(0.5), json!(0.123_456)][self.below(3)].clone(),
            "boolean" => json!(self.below(2) == 1),
            "array" => {
                let places = schema.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
                let item = schema.get("items").cloned().unwrap_or(json!(true));
                let more = self.below(3);
                let all = places.iter().chain(std::iter::repeat_n(&item, more));
                Value::Array(all.map(|one| self.value(one, root, left)).collect())
            }
            "object" => {
                let mut out = Map::new();
                for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    if self.below(4) > 0 {
                        out.insert(name.clone(), self.value(member, root, left));
                    }
                }
                if self.below(3) == 0 {
                    let rest = schema.get("additionalProperties").cloned().unwrap_or(json!(true));
                    out.insert("extra".to_owned(), self.value(&rest, root, left));
                }
                Value::Object(out)
            }
            _ => Value::Null,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn types_and_values_agree(inner in object(schema()), chance in proptest::collection::vec(any::<u8>(), 600)) {
        let mut whole = inner;
        whole["$defs"] = json!({ "d": { "type": "object", "properties": { "url": { "type": "string" } }, "required": ["url"] },
            "self": { "$ref": "#/$defs/self" } });
        let tools = [("t", &*whole.to_string())];
        // A schema that its validator cannot use, such as one with a reference to nowhere, withholds its tool.
        let open = build("s", &tools, OPEN).unwrap();
        if open.server("s").unwrap().reviewed("t").is_none() {
            return Ok(());
        }
        let snapshot = build("s", &tools, LOOKS).map_err(|faults| TestCaseError::fail(format!("{whole}\n{faults:#?}")))?;
        let validator = snapshot.server("s").unwrap().reviewed("t").and_then(|tool| tool.validator.as_ref()).unwrap();
        let mut chance = Chance(chance.iter());
        for _ in 0..12 {
            let value = chance.value(&whole, &whole, 9);
            if !value.is_object() || !validator.is_valid(&value) {
                continue;
            }
            let decision = decided(&snapshot, "s", "t", &value.to_string());
            let is_told = matches!(&decision, Decision::Allow(_) | Decision::Deny(Reason::Unjudgeable(_)));
            prop_assert!(is_told, "{}\n{}\n{:?}", whole, value, decision);
        }
    }
}
