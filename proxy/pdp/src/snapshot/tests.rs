//! A snapshot built on an earlier one is the snapshot that would have been built from nothing: in digest, notes, faults
//! and every answer.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use proptest::prelude::*;

use super::{Snapshot, Sources};
use crate::digest::Digest;
use crate::fault::SourceFile;

/// How many tools each of the two servers has: more than one excerpt of the schema holds.
const TOOLS: usize = 40;

fn definition(tool: usize, argument: &str) -> String {
    format!(
        r#"{{"name":"t{tool}","inputSchema":{{"type":"object","required":["{argument}"],"properties":{{"{argument}":{{"type":"string"}},"n":{{"type":"integer"}}}}}}}}"#
    )
}

fn server(name: &str, argument: &str, effect: &str) -> Vec<SourceFile> {
    let definitions: Vec<String> = (0..TOOLS).map(|tool| definition(tool, argument)).collect();
    let mut text = format!("name = \"{name}\"\n[transport]\nkind = \"builtin\"\nserver = \"office\"\n");
    for (tool, definition) in definitions.iter().enumerate() {
        let pin = Digest::of_json(definition).unwrap();
        text.push_str(&format!(
            "[tools.t{tool}]\neffect = [\"{effect}\"]\npin = \"{pin}\"\nreviewed_by = \"ana\"\nreviewed_at = \"2026-11-20\"\n"
        ));
    }
    vec![
        file(&format!("servers/{name}.toml"), &text),
        file(&format!("servers/{name}.tools.json"), &format!("[{}]", definitions.join(",\n"))),
    ]
}

fn file(path: &str, text: &str) -> SourceFile {
    SourceFile { path: path.to_owned(), text: text.to_owned() }
}

fn sources(policies: &[(&str, &str)], argument: &str, vocabulary: &str) -> Sources {
    let mut registry = server("one", argument, "read");
    registry.extend(server("two", "other", "write"));
    registry.push(file("vocabulary.toml", vocabulary));
    Sources { policies: policies.iter().map(|(path, text)| file(path, text)).collect(), registry }
}

/// Everything of a build that anybody can see.
fn seen(built: Result<&Snapshot, &Vec<crate::fault::Fault>>) -> String {
    match built {
        Ok(snapshot) => {
            let notes: Vec<String> = snapshot.notes().iter().map(ToString::to_string).collect();
            format!("{} {notes:?}", snapshot.digest())
        }
        // What Cedar thinks was meant depends on the order of a hash map where two names are equally near.
        Err(faults) => {
            let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
            told.join("\n").lines().filter(|line| !line.contains("did you mean")).collect::<Vec<_>>().join("\n")
        }
    }
}

/// Builds every bundle on the last that was good, and from nothing; answers what was seen, bundle by bundle.
fn check(bundles: &[Sources]) -> Vec<String> {
    let mut before: Option<Snapshot> = None;
    let mut out = Vec::new();
    for (nth, sources) in bundles.iter().enumerate() {
        let (fresh, on_top) = (Snapshot::build(sources), Snapshot::rebuild(sources, before.as_ref()));
        assert_eq!(seen(fresh.as_ref()), seen(on_top.as_ref()), "bundle {nth}");
        out.push(seen(on_top.as_ref()));
        before = on_top.ok().or(before);
    }
    out
}

const PERMIT: &str = "@id(\"all\") permit (principal, action, resource);\n";

/// Enough policies of single tools that excerpts are used.
fn many(condition: impl Fn(usize) -> String) -> String {
    let one = |tool: usize| {
        let condition = condition(tool);
        format!(
            "@id(\"p{tool}\") @reason(\"r\") forbid (principal, action == one::Action::\"t{tool}\", resource) when {{ {condition} }};\n"
        )
    };
    let two = |tool: usize| {
        format!(
            "@id(\"q{tool}\") permit (principal, action in [two::Action::\"t{tool}\", two::Action::\"t0\"], resource);\n"
        )
    };
    let policies: Vec<String> = (0..TOOLS).map(one).chain((0..TOOLS).map(two)).collect();
    format!("{PERMIT}{}", policies.concat())
}

#[test]
fn edits_of_policies() {
    let plain = many(|_| "context.args.a == \"x\"".to_owned());
    let of = |text: &str| sources(&[("p.cedar", text)], "a", "");
    let edited = plain.replacen("\"x\"", "\"y\"", 1);
    let commented = format!("// a comment\n\n{plain}");
    let typo =
        many(|tool| if tool == 17 { "context.args.b == \"x\"".into() } else { "context.args.a == \"x\"".into() });
    let dead = many(|tool| if tool == 3 { "false".into() } else { "context.args.a == \"x\"".into() });
    let later = format!("// one line more\n{dead}");
    let twice = format!("{plain}{}", "@id(\"p3\") permit (principal, action, resource);\n");
    let broken = format!("{plain}permit (");
    let seen = check(&[&plain, &edited, &commented, &typo, &dead, &later, &twice, &broken, "", &plain].map(of));
    let [first, second, third, typo, dead, later, twice, broken, none, last] = seen.as_slice() else {
        panic!("ten bundles were given")
    };
    assert_ne!(first, second);
    assert_eq!(first, third);
    assert_eq!(first, last);
    assert!(typo.starts_with("policies/p.cedar:19:") || typo.starts_with("p.cedar:19:"), "{typo}");
    assert!(dead.contains("p.cedar:5:") && later.contains("p.cedar:6:"), "{dead}\n{later}");
    assert!(twice.contains("the name `p3` is taken"), "{twice}");
    assert!(broken.contains("p.cedar:82"), "{broken}");
    assert!(none.contains("no policy at all"), "{none}");
}

#[test]
fn policies_that_move_between_files() {
    let plain = many(|_| "context.args.a == \"x\"".to_owned());
    let lines: Vec<&str> = plain.lines().collect();
    let (front, back) = lines.split_at(30);
    let (front, back) = (front.join("\n"), back.join("\n"));
    let whole = sources(&[("p.cedar", &plain)], "a", "");
    let parts = sources(&[("a.cedar", &back), ("z.cedar", &front)], "a", "");
    let overlap = sources(&[("a.cedar", &back), ("z.cedar", &plain)], "a", "");
    let seen = check(&[whole.clone(), parts, overlap, whole]);
    assert_eq!(seen.first(), seen.get(1));
    assert!(seen.get(2).unwrap().contains("is taken by a policy in a.cedar"), "{seen:?}");
}

#[test]
fn edits_of_the_registry_are_judged_anew() {
    let policies = many(|_| "context.args.a == \"x\"".to_owned());
    let held = format!(
        "{policies}@id(\"held\") @approval(\"cfo\") forbid (principal, action in Gate::Action::\"write\", resource) when {{ context.gate.labels.contains(Gate::Label::\"blue\") }};\n"
    );
    let words = "labels = [\"blue\"]\ngrants = [\"cfo\"]\n";
    let of = |argument: &str, vocabulary: &str| sources(&[("p.cedar", &held)], argument, vocabulary);
    let seen = check(&[
        of("a", words),
        of("b", words),
        of("a", "labels = [\"blue\"]"),
        of("a", "grants = [\"cfo\"]"),
        of("a", words),
    ]);
    assert_eq!(seen.first(), seen.last());
    assert!(seen.get(1).unwrap().contains("attribute `args.a`"), "{seen:?}");
    assert!(seen.get(2).unwrap().contains("unknown grant `cfo`"), "{seen:?}");
    assert!(seen.get(3).unwrap().contains("blue"), "{seen:?}");
    let mut gone = of("a", words);
    gone.registry.retain(|file| !file.path.contains("/one."));
    let mut unreviewed = of("a", words);
    let first = unreviewed.registry.first_mut().unwrap();
    first.text = first.text.replacen("reviewed_by = \"ana\"\n", "", 1);
    let seen = check(&[of("a", words), gone, unreviewed, of("a", words)]);
    assert_eq!(seen.first(), seen.last());
}

#[test]
fn a_policy_may_name_what_its_excerpt_lacks() {
    let far = many(|tool| {
        let other = TOOLS - 1 - tool;
        format!(
            "!(action == one::Action::\"t{other}\") && !(action in Gate::Action::\"resources/read\") && context.args.a == \"x\""
        )
    });
    let nowhere =
        many(|tool| if tool == 9 { "action == one::Action::\"t99\"".into() } else { "context.args.a == \"x\"".into() });
    let seen = check(&[sources(&[("p.cedar", &far)], "a", ""), sources(&[("p.cedar", &nowhere)], "a", "")]);
    assert!(seen.get(1).unwrap().contains("t99"), "{seen:?}");
}

/// A comparison with a word that an argument never is counts by the schema's text, hence for withheld tools too: a review
/// leaves the text as it is, and must not turn a bundle that built into one that does not.
#[test]
fn a_review_finds_no_fault_that_was_not_there_before() {
    let definition = r#"{"name":"t","inputSchema":{"type":"object","properties":{"mode":{"enum":["on","off"]}}}}"#;
    let pin = Digest::of_json(definition).unwrap();
    let of = |word: &str, reviewed: bool| {
        let review = if reviewed { "reviewed_by = \"ana\"\nreviewed_at = \"2026-11-20\"\n" } else { "" };
        let entry = format!(
            "name = \"one\"\n[transport]\nkind = \"builtin\"\nserver = \"office\"\n[tools.t]\neffect = [\"read\"]\npin = \"{pin}\"\n{review}"
        );
        let rule = format!(
            "{PERMIT}@id(\"m\") @reason(\"r\") forbid (principal, action == one::Action::\"t\", resource) when {{ context.args has mode && context.args.mode == \"{word}\" }};\n"
        );
        let registry =
            vec![file("servers/one.toml", &entry), file("servers/one.tools.json", &format!("[{definition}]"))];
        Sources { policies: vec![file("p.cedar", &rule)], registry }
    };
    let seen = check(&[of("off", false), of("of", false), of("of", true), of("off", true)]);
    assert!(seen.iter().skip(1).take(2).all(|told| told.contains("which it never is")), "{seen:?}");
    assert!(seen.last().is_some_and(|told| told.starts_with("sha256:")), "{seen:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_history_ends_where_a_fresh_start_does(
        history in proptest::collection::vec((0..5_usize, 0..TOOLS, 0..TOOLS, 0..3_usize), 1..5)
    ) {
        let bundles: Vec<Sources> = history
            .into_iter()
            .map(|(kind, some, other, argument)| {
                let text = many(|tool| match (kind, tool) {
                    (0, tool) if tool == some => "context.args.zz == \"x\"".to_owned(),
                    (1, tool) if tool == some => "false".to_owned(),
                    (2, tool) if tool == other => "context.args has n && context.args.n > 7".to_owned(),
                    (_, tool) if tool == some => "action == one::Action::\"t1\"".to_owned(),
                    _ => "context.args.a == \"x\"".to_owned(),
                });
                sources(&[("p.cedar", &text)], ["a", "a", "b"].get(argument).copied().unwrap_or("a"), "")
            })
            .collect();
        check(&bundles);
    }
}
