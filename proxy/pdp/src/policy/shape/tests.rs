//! JSON Schemas as Cedar types, one line each; what has no type, and why; a call's arguments as values.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use serde_json::{Value, json};

use super::super::given::ArgumentFault;
use super::super::needs::Needs;
use super::*;
use crate::json::Json;

/// The type of the argument `a` with this schema, and what of it is not seen.
fn check(schema: Value, want: &str) {
    let whole = json!({ "type": "object", "properties": { "a": schema } });
    of_whole(&whole, want);
}

fn of_whole(whole: &Value, want: &str) {
    let shape = Shape::of_schema(whole);
    let unseen: Vec<String> = shape.unseen().iter().map(|part| format!(" !{} {}", part.path, part.why)).collect();
    let found = format!("{}{}", shape.cedar_type(None), unseen.concat());
    assert_eq!(found.replace('"', ""), want, "{whole}");
}

#[test]
fn types_come_from_the_reviewed_schema() {
    check(json!({ "type": "string" }), "{ a?: String }");
    check(json!({ "type": "integer" }), "{ a?: Long }");
    check(json!({ "type": "number" }), "{ a?: decimal }");
    check(json!({ "type": "boolean" }), "{ a?: Bool }");
    check(json!({ "type": "array", "items": { "type": "string" } }), "{ a?: Set<String> }");
    check(
        json!({ "type": "array", "items": { "type": "array", "items": { "type": "integer" } } }),
        "{ a?: Set<Set<Long>> }",
    );
    check(
        json!({ "type": "object", "required": ["x"], "properties": { "x": { "type": "integer" }, "y": { "type": "string" } } }),
        "{ a?: { x: Long, y?: String } }",
    );
    check(
        json!({ "type": "array", "items": { "type": "object", "properties": { "x": { "type": "string" } }, "required": ["x"] } }),
        "{ a?: Set<{ x: String }> }",
    );
    check(json!({ "properties": { "x": { "type": "string" } } }), "{ a?: { x?: String } }");
    check(json!({ "items": { "type": "string" } }), "{ a?: Set<String> }");
}

#[test]
fn what_must_be_there_has_no_question_mark_unless_it_may_be_null() {
    let whole = json!({ "type": "object", "required": ["a", "b", "c", "d", "e", "f"], "properties": {
        "a": { "type": "string" }, "b": { "type": ["string", "null"] }, "c": { "enum": ["x", null] }, "d": {},
        "e": { "anyOf": [{ "type": "integer" }, { "type": "null" }] }, "f": { "const": "x" },
    } });
    of_whole(&whole, "{ a: String, b?: String, c?: String, e?: Long, f: String } !d any type is allowed");
}

#[test]
fn listed_values_have_the_type_of_their_kind() {
    check(json!({ "enum": ["x", "y"] }), "{ a?: String }");
    check(json!({ "enum": [1, 2] }), "{ a?: Long }");
    check(json!({ "enum": [1, 2.5] }), "{ a?: decimal }");
    check(json!({ "enum": [true] }), "{ a?: Bool }");
    check(json!({ "const": 5 }), "{ a?: Long }");
    check(json!({ "enum": ["auto", 1, 2] }), "{ a?: { long?: Long, string?: String } }");
    check(json!({ "type": "string", "enum": ["x", 1] }), "{ a?: String }");
    check(json!({ "enum": [] }), "{  } !a no value is allowed");
}

#[test]
fn several_types_stand_by_name() {
    check(json!({ "type": ["string", "integer"] }), "{ a?: { long?: Long, string?: String } }");
    check(json!({ "type": ["integer", "number"] }), "{ a?: decimal }");
    check(
        json!({ "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }, { "type": "null" }] }),
        "{ a?: { set?: Set<String>, string?: String } }",
    );
    check(
        json!({ "oneOf": [{ "type": "boolean" }, { "type": "array" }] }),
        "{ a?: { bool?: Bool } } !a.set any type is allowed",
    );
    check(json!({ "type": "array", "items": { "type": ["string", "integer"] } }), "{  } !a its forms differ");
    // Several objects are one, of the members of all.
    check(
        json!({ "oneOf": [
            { "type": "object", "properties": { "kind": { "const": "x" }, "x": { "type": "string" } }, "required": ["kind", "x"] },
            { "type": "object", "properties": { "kind": { "const": "y" }, "y": { "type": "integer" } }, "required": ["kind", "y"] },
        ] }),
        "{ a?: { kind: String, x?: String, y?: Long } }",
    );
    check(
        json!({ "anyOf": [
            { "type": "object", "properties": { "x": { "type": "string" } } },
            { "type": "object", "properties": { "x": { "type": "integer" } } },
        ] }),
        "{ a?: { x?: { long?: Long, string?: String } } }",
    );
    check(json!({ "anyOf": [{ "type": "string" }, {}] }), "{  } !a any type is allowed");
}

#[test]
fn what_all_must_hold_is_merged() {
    check(
        json!({ "allOf": [
            { "type": "object", "properties": { "x": { "type": "string" } }, "required": ["x"] },
            { "properties": { "y": { "type": "integer" } }, "required": ["y"] },
        ] }),
        "{ a?: { x: String, y: Long } }",
    );
    // Branches that only require what is declared above them.
    check(
        json!({ "type": "object", "properties": { "x": { "type": "string" }, "y": { "type": "string" } },
            "anyOf": [{ "required": ["x"] }, { "required": ["y"] }] }),
        "{ a?: { x?: String, y?: String } }",
    );
    check(json!({ "allOf": [{ "type": "number" }, { "type": "integer" }] }), "{ a?: Long }");
    check(json!({ "allOf": [{ "type": "string" }, { "type": "integer" }] }), "{  } !a no value is allowed");
}

#[test]
fn references_are_followed_and_end() {
    let whole = |target: &str| {
        json!({ "type": "object",
            "properties": { "a": { "$ref": target } },
            "$defs": {
                "p": { "type": "object", "properties": { "x": { "type": "integer" } } },
                "a/b~c%": { "type": "string" },
                "tree": { "type": "object", "properties": {
                    "name": { "type": "string" }, "child": { "$ref": "#/$defs/tree" },
                    "children": { "type": "array", "items": { "$ref": "#/$defs/tree" } } } },
                "loop": { "$ref": "#/$defs/pool" },
                "pool": { "$ref": "#/$defs/loop" },
            },
            "definitions": { "q": { "type": "boolean" } } })
    };
    for (target, want) in [
        ("#/$defs/p", "{ a?: { x?: Long } }"),
        ("#/definitions/q", "{ a?: Bool }"),
        ("#/$defs/a~1b~0c%25", "{ a?: String }"),
        ("#/%24defs/p", "{ a?: { x?: Long } }"),
        ("#/$defs/tree", "{ a?: { name?: String } } !a.child it refers to itself !a.children it refers to itself"),
        ("#", "{  } !a it refers to itself"),
        ("#/$defs/loop", "{  } !a it refers to itself"),
        ("#/$defs/none", "{  } !a its reference leads nowhere"),
        ("https://elsewhere.example/schema", "{  } !a its reference leads nowhere"),
    ] {
        of_whole(&whole(target), want);
    }
    check(json!({ "$ref": "#/properties/a" }), "{  } !a it refers to itself");
}

/// Each level refers to the next one twice: a text of a few lines that stands for a million members.
#[test]
fn a_schema_that_explodes_is_cut_off() {
    let mut defs = serde_json::Map::new();
    for n in 0..20 {
        let next = json!({ "$ref": format!("#/$defs/d{}", n + 1) });
        defs.insert(format!("d{n}"), json!({ "type": "object", "properties": { "x": next, "y": next } }));
    }
    defs.insert("d20".to_owned(), json!({ "type": "string" }));
    let whole = json!({ "type": "object", "properties": { "a": { "$ref": "#/$defs/d0" } }, "$defs": defs });
    let shape = Shape::of_schema(&whole);
    assert!(shape.cedar_type(None).len() < 200_000);
    assert!(shape.unseen().iter().all(|part| part.why == Why::TooLarge) && !shape.unseen().is_empty());
}

#[test]
fn names_of_the_callers_choice_are_keys_and_values() {
    check(json!({ "type": "object" }), "{ a?: { keys: Set<String> } } !a.* any type is allowed");
    check(
        json!({ "type": "object", "additionalProperties": { "type": "string" } }),
        "{ a?: { keys: Set<String>, values: Set<String> } }",
    );
    check(json!({ "type": "object", "properties": {}, "additionalProperties": false }), "{ a?: {  } }");
    check(
        json!({ "type": "object", "patternProperties": { "^x": { "type": "string" } } }),
        "{ a?: { keys: Set<String> } } !a.* any type is allowed",
    );
    // Beside names that are declared, others stay unseen.
    check(
        json!({ "type": "object", "properties": { "x": { "type": "string" } }, "additionalProperties": { "type": "string" } }),
        "{ a?: { x?: String } }",
    );
}

#[test]
fn fixed_places_are_numbered() {
    check(
        json!({ "type": "array", "prefixItems": [{ "type": "number" }, { "type": "string" }], "minItems": 1 }),
        "{ a?: { 0: decimal, 1?: String } }",
    );
    check(
        json!({ "type": "array", "items": [{ "type": "integer" }, {}] }),
        "{ a?: { 0?: Long } } !a.1 any type is allowed",
    );
}

#[test]
fn what_has_no_type_is_named_once_with_its_reason() {
    check(json!(true), "{  } !a any type is allowed");
    check(json!({}), "{  } !a any type is allowed");
    check(json!(false), "{  } !a no value is allowed");
    check(json!({ "type": "array" }), "{  } !a any type is allowed");
    check(json!({ "not": { "type": "string" } }), "{  } !a any type is allowed");
    check(
        json!({ "type": "array", "items": { "type": "object", "properties": { "x": {}, "b c": {} } } }),
        "{ a?: Set<{  }> } !a[].b c any type is allowed !a[].x any type is allowed",
    );
    let names = json!({ "type": "object", "properties": { "a.b": {}, "\u{202e}": {} } });
    let paths: Vec<String> = Shape::of_schema(&names).unseen().into_iter().map(|part| part.path).collect();
    assert_eq!(paths, ["\"a.b\"", "\"\\u{202e}\""]);
}

#[test]
fn a_top_level_of_several_objects_is_one() {
    let whole = json!({ "oneOf": [
        { "type": "object", "properties": { "path": { "type": "string" } }, "required": ["path"] },
        { "type": "object", "properties": { "url": { "type": "string" } }, "required": ["url"] },
    ] });
    of_whole(&whole, "{ path?: String, url?: String }");
}

#[test]
fn views_show_texts_and_a_list_of_records_column_by_column() {
    let shape = Shape::of_schema(&json!({ "type": "object", "required": ["to"], "properties": {
        "to": { "type": "array", "items": { "type": "string" } },
        "mode": { "enum": ["x"] },
        "n": { "type": "integer" },
        "files": { "type": "array", "items": { "type": "object", "properties": {
            "path": { "type": "string" }, "size": { "type": "integer" }, "from": { "type": "object", "properties": { "url": { "type": "string" } } } } } },
        "where": { "type": "object", "required": ["host"], "properties": { "host": { "type": "string" }, "port": { "type": "integer" } } },
        "headers": { "type": "object", "additionalProperties": { "type": "string" } },
        "id": { "type": ["string", "integer"] },
    } }));
    let of = |view| shape.view_type(view, None).replace('"', "");
    assert_eq!(
        of(View::Canonical),
        "{ files?: { from: { url: Set<String> }, path: Set<String> }, headers?: { values: Set<String> }, \
         id?: { string?: String }, mode?: String, to: Set<String>, where?: { host: String } }"
    );
    assert_eq!(of(View::Host), "{ files?: { from: { url: Set<String> } }, to: Set<String>, where?: { host: String } }");
}

/// The values that a call's arguments become: the arguments, their canonical forms, their hosts.
fn values(shape: &Shape, text: &str) -> Result<[String; 3], ArgumentFault> {
    let args = Json::read(text, 32).unwrap();
    shape.check(&args)?;
    let found = shape.arguments(&args, &Needs::all())?;
    let shown = |value: cedar_policy::RestrictedExpression| {
        let context = cedar_policy::Context::from_pairs([("v".to_owned(), value)]).unwrap();
        context.to_json_value().unwrap()["v"].to_string().replace('"', "")
    };
    Ok([shown(found.args), shown(found.canonical), shown(found.host.unwrap())])
}

#[test]
fn values_are_what_was_given_and_nothing_else() {
    let shape = Shape::of_schema(&json!({ "type": "object", "properties": {
        "to": { "type": "array", "items": { "type": "string" } },
        "id": { "type": ["string", "integer"] },
        "pair": { "prefixItems": [{ "type": "integer" }, { "type": "string" }] },
        "files": { "type": "array", "items": { "type": "object", "properties": { "path": { "type": "string" } } } },
        "headers": { "type": "object", "additionalProperties": { "type": "string" } },
        "url": { "type": "string" },
    } }));
    for (text, args, canonical, host) in [
        ("{}", "{}", "{}", "{}"),
        (r#"{"to":null}"#, "{}", "{}", "{}"),
        (r#"{"to":[]}"#, "{to:[]}", "{to:[]}", "{to:[]}"),
        (r#"{"to":["A <a@X.example>"]}"#, "{to:[A <a@X.example>]}", "{to:[a@x.example]}", "{to:[x.example]}"),
        (r#"{"id":5}"#, "{id:{long:5}}", "{id:{}}", "{}"),
        (r#"{"id":"/a/../b"}"#, "{id:{string:/a/../b}}", "{id:{string:/b}}", "{}"),
        (r#"{"pair":[1,"x"]}"#, "{pair:{0:1,1:x}}", "{pair:{1:x}}", "{}"),
        (
            r#"{"files":[{"path":"a/./b"},{"path":"c"},{}]}"#,
            "{files:[{},{path:a/./b},{path:c}]}",
            "{files:{path:[a/b,c]}}",
            "{}",
        ),
        (r#"{"files":[]}"#, "{files:[]}", "{files:{path:[]}}", "{}"),
        (r#"{"headers":{"X":"y"}}"#, "{headers:{keys:[X],values:[y]}}", "{headers:{values:[y]}}", "{}"),
        (r#"{"url":"https://H.example"}"#, "{url:https://H.example}", "{url:https://h.example/}", "{url:h.example}"),
    ] {
        let found = values(&shape, text).unwrap();
        assert_eq!(found, [args, canonical, host], "{text}");
    }
}

#[test]
fn what_cedar_cannot_hold_is_refused_with_its_place() {
    let shape = Shape::of_schema(&json!({ "type": "object", "properties": {
        "n": { "type": "integer" }, "Name": { "type": "string" }, "d": { "type": "number" },
        "in": { "type": "object", "properties": { "n": { "type": "integer" }, "path": { "type": "string" } } },
        "list": { "type": "array", "items": { "type": "object", "properties": { "n": { "type": "integer" } } } },
        "id": { "type": ["string", "integer"] },
    } }));
    for (text, words) in [
        (r#"{"n":1,"extra":2}"#, ""),
        (r#"{"n":1e40}"#, "the number `1e40` in `n`"),
        (r#"{"n":9223372036854775808}"#, "the number `9223372036854775808` in `n`"),
        (r#"{"d":0.12345}"#, "the number `0.12345` in `d`"),
        (r#"{"in":{"n":1.5}}"#, "the number `1.5` in `in.n`"),
        (r#"{"list":[{"n":1},{"n":1.5}]}"#, "the number `1.5` in `list.n`"),
        (r#"{"id":1.5}"#, "the number `1.5` in `id`"),
        (r#"{"id":true}"#, "`id` is not of the type"),
        (r#"{"name":"x"}"#, "`name` differs from `Name` only in case"),
        (r#"{"in":{"N":1}}"#, "`N` differs from `n` only in case"),
        ("{\"li\u{17f}t\":[]}", "`li\u{17f}t` differs from `list` only in case"),
        (r#"{"n":"1"}"#, "`n` is not of the type"),
        (r#"{"in":{"path":"a\\b"}}"#, "`in.path` can be read in more than one way"),
    ] {
        match values(&shape, text) {
            Ok(_) => assert_eq!(words, "", "{text}"),
            Err(fault) => assert!(!words.is_empty() && fault.to_string().contains(words), "{text}: {fault}"),
        }
    }
}

#[test]
fn what_is_not_seen_is_told_by_name() {
    let shape = Shape::of_schema(&json!({ "type": "object", "properties": {
        "any": {}, "n": { "type": "integer" }, "in": { "type": "object", "properties": { "any": {}, "n": { "type": "integer" } } },
        "map": { "type": "object" }, "pair": { "prefixItems": [{ "type": "integer" }] },
    } }));
    for (text, names) in [
        (r#"{"n":1,"in":{"n":1},"map":{},"pair":[1]}"#, &[][..]),
        (r#"{"any":1}"#, &["any"]),
        (r#"{"in":{"any":1},"n":1}"#, &["in"]),
        (r#"{"in":{"other":1}}"#, &["in"]),
        (r#"{"map":{"x":1},"stranger":1,"pair":[1,2]}"#, &["map", "stranger", "pair"]),
    ] {
        let args = Json::read(text, 32).unwrap();
        assert_eq!(shape.hidden(&args).as_deref(), Ok(names), "{text}");
        assert_eq!(shape.hides(&args), Ok(!names.is_empty()), "{text}");
    }
}

/// A word list that one branch alone names says nothing of calls that pass by another; where it still counts, nothing
/// else stands in its place, since a listed word has no canonical form.
#[test]
fn what_is_not_among_the_listed_words_is_no_word_of_theirs() {
    let of = |closed: bool| {
        let url = json!({ "properties": { "url": { "type": "string" } }, "required": ["url"],
            "additionalProperties": !closed });
        Shape::of_schema(&json!({ "type": "object", "anyOf": [
            { "properties": { "path": { "enum": ["/data/a"] } }, "required": ["path"] }, url,
        ] }))
    };
    let call = r#"{"url":"https://h.example/","path":"/data/../etc/passwd"}"#;
    let [_, canonical, _] = values(&of(false), call).unwrap();
    assert_eq!(canonical, "{path:/etc/passwd,url:https://h.example/}");
    let refused = values(&of(true), call).unwrap_err();
    assert!(refused.to_string().contains("`path` is not of the type"), "{refused}");
    let [_, canonical, _] = values(&of(true), r#"{"path":"/data/a"}"#).unwrap();
    assert_eq!(canonical, "{path:/data/a}");
}
