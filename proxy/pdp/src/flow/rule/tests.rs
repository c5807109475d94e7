//! What rules say, of honest and of hostile calls and results; and that a result never carries more than was presumed.
#![expect(clippy::unwrap_used, reason = "a test may panic: that is how it fails")]

use proptest::prelude::*;

use super::*;
use crate::json::pointer::VALUES_MAX;
use crate::json::{Layout, Reading};
use crate::label::Readers;

fn labels(words: &str) -> LabelSet {
    words.split_whitespace().collect()
}

fn test(patterns: &[&str], name: Option<&str>, then: Then) -> Test {
    let patterns: BTreeSet<String> = patterns.iter().map(|p| (*p).to_owned()).collect();
    Test { form: Test::form_of(name, &patterns), patterns, then }
}

fn rule(place: &str, patterns: &[&str], then: Then) -> Rule {
    let (kind, at) = place.split_once(' ').unwrap();
    let at: Pointer = at.parse().unwrap();
    let test = test(patterns, at.last_name(), then);
    let looks_at = match kind {
        "argument" => LooksAt::Argument { at, absent: None },
        _ => LooksAt::Result { at },
    };
    Rule { looks_at, test }
}

fn adds(words: &str) -> Then {
    Then::Adds(Carried::labelled(labels(words)))
}

fn clears(words: &str) -> Then {
    Then::Clears(labels(words))
}

/// What results carry of a tool with these labels and rules.
fn carried(base: &str, rules: &Rules, arguments: &str, result: &str) -> (Carried, Carried) {
    let base = Carried::labelled(labels(base));
    let read = |text: &str| Layout::read(text, Reading::whole(64)).unwrap();
    let given = read(arguments);
    let said = rules.of_arguments(Some(given.root(arguments)));
    let presumed = rules.presumed(&base, &said);
    let settled = rules.of_result(read(result).root(result)).and(&said).of(&base);
    (presumed, settled)
}

fn check(rules: &Rules, arguments: &str, result: &str, want: &str) {
    let (presumed, settled) = carried("untrusted", rules, arguments, result);
    assert_eq!(format!("{} -> {}", presumed.labels, settled.labels), want, "{arguments} {result}");
}

#[test]
fn a_path_glob_adds_labels_by_the_canonical_form() {
    let rules: Rules = [rule("argument /path", &["/finance/*"], adds("private"))].into_iter().collect();
    for (arguments, want) in [
        (r#"{"path":"/notes/a"}"#, "untrusted -> untrusted"),
        (r#"{"path":"/finance/a"}"#, "private, untrusted -> private, untrusted"),
        (r#"{"path":"/notes/../finance/a"}"#, "private, untrusted -> private, untrusted"),
        (r#"{"path":"/notes/%2e%2e/finance/a"}"#, "private, untrusted -> private, untrusted"),
        (r#"{"path":7}"#, "private, untrusted -> private, untrusted"),
        (r#"{"path":["/notes/a","/finance/b"]}"#, "private, untrusted -> private, untrusted"),
        (r#"{"path":["/notes/a"]}"#, "untrusted -> untrusted"),
        (r#"{"path":[]}"#, "private, untrusted -> private, untrusted"),
        (r#"{"path":null}"#, "private, untrusted -> private, untrusted"),
        ("{}", "private, untrusted -> private, untrusted"),
    ] {
        check(&rules, arguments, "{}", want);
    }
}

#[test]
fn what_the_server_takes_for_an_absent_argument_can_be_said() {
    let mut one = rule("argument /mailbox", &["hr*"], adds("private"));
    one.looks_at = LooksAt::Argument { at: "/mailbox".parse().unwrap(), absent: Some("inbox".to_owned()) };
    let rules: Rules = [one].into_iter().collect();
    check(&rules, "{}", "{}", "untrusted -> untrusted");
    check(&rules, r#"{"mailbox":"hr-cases"}"#, "{}", "private, untrusted -> private, untrusted");
    assert_eq!(rules.of_arguments(None).of(&Carried::default()), Carried::default());
}

const FROM: &str = "result /structuredContent/messages/*/from";

/// Every sender inside our domain: not untrusted. Whatever a hostile result does, the stricter label stands.
#[test]
fn senders_inside_clear_what_was_presumed_and_nothing_hostile_does() {
    let rules: Rules = [rule(FROM, &["*@office.example"], clears("untrusted"))].into_iter().collect();
    let from = |list: &str| format!(r#"{{"structuredContent":{{"messages":[{list}]}}}}"#);
    for (list, want) in [
        (r#"{"from":"ann@office.example"}"#, "untrusted -> none"),
        (r#"{"from":"Ann <ann@OFFICE.example>"},{"from":"joe@office.example"}"#, "untrusted -> none"),
        (r#"{"from":"ann@office.example"},{"from":"eve@evil.example"}"#, "untrusted -> untrusted"),
        (r#"{"from":"ann@office.example"},{"subject":"no sender"}"#, "untrusted -> untrusted"),
        (r#"{"from":"ann@office.example"},{"from":null}"#, "untrusted -> untrusted"),
        (r#"{"from":"ann@office.example"},7"#, "untrusted -> untrusted"),
        (r#"{"from":{"ann@office.example":1}}"#, "untrusted -> untrusted"),
        (r#"{"from":["ann@office.example","eve@evil.example"]}"#, "untrusted -> untrusted"),
        (r#"{"from":"eve@evil.example, ann@office.example"}"#, "untrusted -> untrusted"),
        (r#"{"from":"eve@evil.example <ann@office.example>"}"#, "untrusted -> untrusted"),
        (r#"{"from":"\"x@office.example\"@evil.example"}"#, "untrusted -> untrusted"),
        (r#"{"from":"eve@office.example.evil.example"}"#, "untrusted -> untrusted"),
        (r#"{"from":"ann@office.example\u0000@evil.example"}"#, "untrusted -> untrusted"),
        (r#"{"from":"\ud800@office.example"}"#, "untrusted -> untrusted"),
        ("", "untrusted -> untrusted"),
    ] {
        check(&rules, "{}", &from(list), want);
    }
    for result in [
        "{}",
        r#"{"structuredContent":null}"#,
        r#"{"structuredContent":{"messages":{"from":"ann@office.example"}}}"#,
        r#"{"structuredContent":{"Messages":[{"from":"ann@office.example"}]}}"#,
        r#"{"content":[{"from":"ann@office.example"}]}"#,
    ] {
        check(&rules, "{}", result, "untrusted -> untrusted");
    }
    let many = vec![r#"{"from":"ann@office.example"}"#; VALUES_MAX + 1].join(",");
    check(&rules, "{}", &from(&many), "untrusted -> untrusted");
}

/// Many servers write their JSON into a text; a name that stands twice there makes it unreadable.
#[test]
fn a_field_within_a_text_is_found_unless_it_stands_twice() {
    let rules: Rules =
        [rule("result /content/*/text/from", &["*@office.example"], clears("untrusted"))].into_iter().collect();
    let content = |text: &str| format!(r#"{{"content":[{{"type":"text","text":{}}}]}}"#, crate::json::quoted(text));
    check(&rules, "{}", &content(r#"{"from":"ann@office.example"}"#), "untrusted -> none");
    let twice = r#"{"from":"eve@evil.example","from":"ann@office.example"}"#;
    check(&rules, "{}", &content(twice), "untrusted -> untrusted");
    check(&rules, "{}", &content("From: ann@office.example"), "untrusted -> untrusted");
}

#[test]
fn a_truth_value_is_one_only_where_the_patterns_are() {
    let rules: Rules = [rule("result /structuredContent/secret", &["true"], adds("private"))].into_iter().collect();
    for (value, want) in [
        ("true", "private, untrusted -> private, untrusted"),
        ("false", "private, untrusted -> untrusted"),
        (r#""false""#, "private, untrusted -> private, untrusted"),
        ("0", "private, untrusted -> private, untrusted"),
    ] {
        check(&rules, "{}", &format!(r#"{{"structuredContent":{{"secret":{value}}}}}"#), want);
    }
    let path: Rules = [rule("result /path", &["/finance/*"], adds("private"))].into_iter().collect();
    check(&path, "{}", r#"{"path":false}"#, "private, untrusted -> private, untrusted");
}

#[test]
fn a_rule_takes_back_its_sources_labels_and_not_what_another_adds() {
    let rules: Rules = [
        rule(FROM, &["*@office.example"], clears("untrusted")),
        rule("argument /mailbox", &["lists*"], adds("untrusted")),
    ]
    .into_iter()
    .collect();
    let inside = r#"{"structuredContent":{"messages":[{"from":"ann@office.example"}]}}"#;
    check(&rules, r#"{"mailbox":"inbox"}"#, inside, "untrusted -> none");
    check(&rules, r#"{"mailbox":"lists"}"#, inside, "untrusted -> untrusted");
}

#[test]
fn a_name_is_held_against_its_canonical_form() {
    let of = |patterns: &[&str], then| Rule { looks_at: LooksAt::Name, test: test(patterns, None, then) };
    let rules: Rules = [of(&["file:///finance/*"], adds("private")), of(&["file:///shared/*"], clears("untrusted"))]
        .into_iter()
        .collect();
    let base = Carried::labelled(labels("untrusted"));
    for (name, want) in [
        (Some("file:///notes/a"), "untrusted"),
        (Some("file:///shared/a"), "none"),
        (Some("file:///shared/../finance/a"), "private, untrusted"),
        (Some("file:///shared/%2e%2e/finance/a"), "private, untrusted"),
        (None, "private, untrusted"),
    ] {
        assert_eq!(rules.of_name(name).of(&base).labels.to_string(), want, "{name:?}");
    }
}

fn any_then() -> impl Strategy<Value = Then> {
    let labels = proptest::collection::vec("[a-d]", 0..3);
    let readers = proptest::option::of(proptest::collection::vec("[pq]", 0..3));
    (any::<bool>(), labels, readers).prop_map(|(adds, labels, readers)| {
        let labels: LabelSet = labels.iter().map(String::as_str).collect();
        let readers = readers.map_or_else(Readers::everyone, Readers::only);
        if adds { Then::Adds(Carried { labels, readers }) } else { Then::Clears(labels) }
    })
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let place =
        proptest::sample::select(vec!["argument /a", "argument /b/*", "result /a", "result /l/*/n", "result /t/a"]);
    let pattern = proptest::sample::select(vec!["*", "x", "true", "/x/*"]);
    let one = (place, pattern, any_then()).prop_map(|(place, pattern, then)| rule(place, &[pattern], then));
    proptest::collection::vec(one, 0..5).prop_map(|rules| rules.into_iter().collect())
}

fn any_json() -> impl Strategy<Value = String> {
    proptest::sample::select(vec![
        r#"{"a":"x"}"#,
        r#"{"a":["x","/x/y"],"b":["x"],"l":[{"n":"x"},{"n":true}]}"#,
        r#"{"a":true,"l":[{"n":"x"},{}],"t":"{\"a\":\"x\"}"}"#,
        r#"{"a":7,"b":{},"l":{},"t":"{"}"#,
        "{}",
    ])
    .prop_map(str::to_owned)
}

proptest! {
    /// What is presumed while a call is under way is the most it can bring; what its tool may bring at all is more still.
    #[test]
    fn a_result_carries_no_more_than_was_presumed(
        rules in any_rules(), arguments in any_json(), result in any_json(), base in "[a-d ]{0,5}",
    ) {
        let (presumed, settled) = carried(&base, &rules, &arguments, &result);
        prop_assert!(settled.flows_to(&presumed), "{settled:?} {presumed:?}");
        prop_assert!(presumed.flows_to(&rules.most().of(&Carried::labelled(labels(&base)))));
    }
}

#[test]
fn a_pattern_that_nothing_can_match_is_told() {
    for (form, pattern, can) in [
        (Form::Address, "*@partner.example", true),
        (Form::Address, "Ann.*@partner.example", true),
        (Form::Address, "#General*", true),
        (Form::Address, "*@Partner.example", false),
        (Form::Address, "Bob@Partner.example", false),
        (Form::Host, "*.partner.example", true),
        (Form::Host, "*.Partner.example", false),
        (Form::Host, "*.b\u{fc}cher.example", false),
        (Form::Url, "https://x.test/*/Reports", true),
        (Form::Url, "https://*.X.test/*", false),
        (Form::Url, "https://x.test", false),
        (Form::Path, "/Finance/*", true),
        (Form::Path, "/finance/", false),
        (Form::Any, "notes://Inbox/*", false),
        (Form::Any, "true", true),
        (Form::Any, "HR *", true),
    ] {
        assert_eq!(Test::can_match(pattern, form).is_ok(), can, "{form:?} {pattern}");
    }
}
