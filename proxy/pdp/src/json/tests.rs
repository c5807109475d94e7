//! What the reader promises, and that it agrees with `serde_json` on what JSON is.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
use proptest::prelude::*;

use super::*;

#[test]
fn duplicates_are_found_at_every_depth_and_in_large_objects() {
    assert_eq!(check(r#"{"a":[{"b":1,"\u0062":2}]}"#, 9), Err(JsonFault::DuplicateKey("b".into())));
    let many: Vec<String> = (0..40).map(|n| format!("\"k{n}\":{n}")).collect();
    assert_eq!(check(&format!("{{{}}}", many.join(",")), 9), Ok(()));
    assert_eq!(check(&format!("{{{},\"k7\":0}}", many.join(",")), 9), Err(JsonFault::DuplicateKey("k7".into())));
    assert!(members(r#"{"a":1,"a":2}"#).is_err());
}

#[test]
fn depth_is_bounded_and_syntax_is_reported() {
    assert_eq!(check("[[[1]]]", 2), Err(JsonFault::TooDeep(2)));
    assert_eq!(check("[[1]]", 2), Ok(()));
    assert_eq!(check(&"[".repeat(10_000), 500), Err(JsonFault::TooDeep(500)));
    assert!(matches!(check("{\"a\":}", 9), Err(JsonFault::Syntax(_))));
    assert!(matches!(check("{} x", 9), Err(JsonFault::Syntax(_))));
}

#[test]
fn editing_one_member_leaves_every_other_byte() {
    let text = "{ \"a\" : 1.0 , \"_meta\":{ \"x\": 12345678901234567890 } }";
    assert_eq!(with_member(text, "_meta", "{}").unwrap(), "{ \"a\" : 1.0 , \"_meta\":{} }");
    assert_eq!(with_member("{}", "b", "2").unwrap(), "{\"b\":2}");
    assert_eq!(with_member("{\"a\":0.70 }", "b", "2").unwrap(), "{\"a\":0.70 ,\"b\":2}");
}

#[test]
fn canonical_form_sorts_and_keeps_great_integers_apart() {
    let one = |t: &str| canonical(&Json::read(t, 64).unwrap());
    assert_eq!(one(r#"{"b":1.0,"a":[ true,null,"\u00e9\n"]}"#), "{\"a\":[true,null,\"é\\n\"],\"b\":1}");
    assert_ne!(one("9007199254740993"), one("9007199254740992"));
    assert_eq!(one("1e2"), "100");
    assert_eq!(one("\"\u{20ac}\""), "\"\u{20ac}\"");
}

/// What `serde_json` says of a text, which must be what ours says, but for numbers beyond a double and half pairs.
fn serde_accepts(text: &str) -> bool {
    serde_json::from_str::<&serde_json::value::RawValue>(text).is_ok()
}

#[test]
fn the_grammar_is_rfc_8259_at_its_edges() {
    for good in [
        "0",
        "-0",
        "1.0",
        "1e9",
        "1E+9",
        "-0.5e-3",
        "12345678901234567890",
        "1e999",
        " true ",
        "\t[\r\n]",
        "\"\"",
        "\"\\u0000\"",
        "\"\\ud83d\"",
        "{\"a\":null}",
        "[[],{}]",
        "\"\u{7f}\"",
        "\"\u{2028}\"",
    ] {
        assert_eq!(check(good, 9), Ok(()), "{good}");
        assert!(serde_accepts(good), "{good}");
    }
    for bad in [
        "",
        " ",
        "-",
        "01",
        "1.",
        ".5",
        "1e",
        "1e+",
        "+1",
        "tru",
        "truee",
        "nul",
        "[1,]",
        "[,1]",
        "{\"a\":1,}",
        "{a:1}",
        "{\"a\" 1}",
        "[1 2]",
        "\"\n\"",
        "\"\\x\"",
        "\"\\u12g4\"",
        "\"",
        "[",
        "{",
        "{\"a\"",
        "{\"a\":",
        "1 2",
        "]",
        "'a'",
        "NaN",
        "\u{feff}1",
        "\u{a0}1",
        "/**/1",
        "[1]]",
        "{\"a\":1}}",
        "--1",
        "0x1",
    ] {
        assert!(matches!(check(bad, 9), Err(JsonFault::Syntax(_))), "{bad}");
        assert!(!serde_accepts(bad), "{bad}");
    }
    // Half a surrogate pair in a name would make two readers see two names.
    assert!(check("{\"\\ud83d\":1}", 9).is_err());
}

#[test]
fn a_layout_finds_what_stands_where() {
    let text = r#" {"a" : [1, {"b":"\u0063"} , []], "n\u0061me":-1.50 ,"_meta":{}} "#;
    let layout = Layout::read(text, Reading::whole(9)).unwrap();
    let root = layout.root(text);
    assert_eq!(root.text(), text.trim());
    assert_eq!(root.get("name").unwrap().text(), "-1.50");
    let items: Vec<&str> = root.get("a").unwrap().items().map(Part::text).collect();
    assert_eq!(items, ["1", r#"{"b":"\u0063"}"#, "[]"]);
    let inner = root.get("a").unwrap().items().nth(1).unwrap().get("b").unwrap();
    assert_eq!(inner.string().as_deref(), Some("c"));
    assert!(root.get("_meta").unwrap().is_empty() && !root.is_empty());
    assert!(root.get("c").is_none() && root.get("a").unwrap().get("b").is_none());
    let shallow = Layout::read(text, Reading { kept: 1, ..Reading::whole(9) }).unwrap();
    let names: Vec<String> = shallow.root(text).members().map(|(n, v)| format!("{n}={}", v.text())).collect();
    assert_eq!(names, [r#"a=[1, {"b":"\u0063"} , []]"#, "name=-1.50", "_meta={}"]);
}

#[test]
fn a_watched_name_is_met_at_any_depth_in_any_case_and_spelling() {
    let met = |text: &str| {
        Layout::read(text, Reading { watched: "gate/", kept: 0, ..Reading::whole(9) }).unwrap().met_watched()
    };
    assert!(met(r#"{"a":[{"GATE/x":1}]}"#) && met(r#"{"g\u0061te\/x":1}"#));
    assert!(!met(r#"{"a":"gate/x","xgate/":1,"gat":1}"#));
}

#[test]
fn a_half_pair_is_told_apart_and_replaced_where_that_is_asked() {
    assert!(string(r#""\ud83d""#).is_err() && Json::read(r#""\ud83d""#, 9).is_err());
    assert!(string_lossy(r#""a\ud83db""#).unwrap().contains('\u{fffd}'));
    assert_eq!(string_lossy(r#""a\nb""#).as_deref(), Some("a\nb"));
    assert_eq!(string_lossy("7"), None);
}

/// Places a scanner tells of, as text, to compare two ways of feeding it.
#[derive(Default)]
struct Heard(String);

impl scan::Sink for Heard {
    fn begin(&mut self, at: usize, kind: Kind, depth: usize) {
        self.0.push_str(&format!("{kind:?}@{at}/{depth} "));
    }
    fn end(&mut self, at: usize, depth: usize) {
        self.0.push_str(&format!("end@{at}/{depth} "));
    }
    fn name(&mut self, at: Range<usize>, name: &[u8], depth: usize) {
        self.0.push_str(&format!("{}@{at:?}/{depth} ", String::from_utf8_lossy(name)));
    }
}

fn heard(pieces: &[&[u8]]) -> Result<String, JsonFault> {
    let (mut scanner, mut sink) = (scan::Scanner::new(16), Heard::default());
    pieces.iter().try_for_each(|piece| scanner.feed(piece, &mut sink))?;
    scanner.finish(&mut sink).map(|()| sink.0)
}

/// Any JSON, with long strings, escapes and odd names among it.
fn any_json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        any::<bool>().prop_map(|b| b.to_string()),
        any::<f64>().prop_filter("finite", |n| n.is_finite()).prop_map(|n| serde_json::json!(n).to_string()),
        any::<i64>().prop_map(|n| n.to_string()),
        ".{0,70}".prop_map(|t| quoted(&t)),
        "[\\x00-\\x1f\"\\\\/a-z]{0,40}".prop_map(|t| quoted(&t)),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(|v| format!("[{}]", v.join(" ,"))),
            proptest::collection::btree_map(".{0,6}", inner, 0..6).prop_map(|m| {
                let members: Vec<String> = m.iter().map(|(k, v)| format!("{} :{v}", quoted(k))).collect();
                format!("{{{} }}", members.join(",\n"))
            }),
        ]
    })
}

/// Equal but for the spelling of numbers.
fn same(one: &serde_json::Value, other: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (one, other) {
        (Number(a), Number(b)) => a.as_f64() == b.as_f64(),
        (Array(a), Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Object(a), Object(b)) => a.len() == b.len() && a.iter().all(|(k, v)| b.get(k).is_some_and(|o| same(v, o))),
        (a, b) => a == b,
    }
}

proptest! {
    #[test]
    fn a_text_may_come_in_any_pieces(text in any_json(), cuts in proptest::collection::vec(0usize..400, 0..8)) {
        let whole = heard(&[text.as_bytes()]);
        prop_assert!(whole.is_ok(), "{:?} of {}", whole, text);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c % (text.len() + 1)).collect();
        cuts.extend([0, text.len()]);
        cuts.sort_unstable();
        let pieces: Vec<&[u8]> = cuts.windows(2).map(|w| &text.as_bytes()[w[0]..w[1]]).collect();
        prop_assert_eq!(heard(&pieces), whole);
    }

    #[test]
    fn what_is_json_is_what_serde_says_it_is(text in any_json(), at in 0usize..400, byte in "[\\[\\]{},:\"\\\\0-9eE.+\\- tfn]") {
        let mut chars: Vec<char> = text.chars().collect();
        let place = at % (chars.len() + 1);
        chars.insert(place, byte.chars().next().unwrap());
        let spoilt: String = chars.into_iter().collect();
        let ours = match check(&spoilt, 64) {
            Ok(()) | Err(JsonFault::DuplicateKey(_)) => true,
            Err(JsonFault::Syntax(words)) if words.contains("half a surrogate") => true,
            Err(_) => false,
        };
        prop_assert_eq!(ours, serde_accepts(&spoilt), "{}", spoilt);
    }

    #[test]
    fn a_tree_is_the_text_it_was_read_from(text in any_json()) {
        let tree = Json::read(&text, 64);
        prop_assert!(tree.is_ok());
        let again: serde_json::Value = serde_json::from_str(&canonical(&tree.unwrap())).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        prop_assert!(same(&again, &value), "{} / {}", again, value);
    }
}

#[test]
fn names_are_alike_to_readers_that_mind_no_case() {
    for (one, other, want) in [
        ("path", "PATH", true),
        ("tokens", "to\u{212a}en\u{17f}", true),
        ("\u{e9}t\u{e9}", "\u{c9}T\u{c9}", true),
        ("path", "paths", false),
        ("path", "p\u{e0}th", false),
    ] {
        assert_eq!(super::alike(one, other), want, "{one} {other}");
    }
}
