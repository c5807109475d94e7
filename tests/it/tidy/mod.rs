//! The house rules, as a test: what `proxy/` looks like, who may use whom, what is never written.
//!
//! What clippy or rustc enforces is not repeated. An exception carries its reason, and one that nothing needs any more
//! fails: the lists may only shrink.

mod source;
mod style;
mod layers;
mod state;
mod tracked;

use source::Source;

/// Where a rule does not hold, and why.
struct Exception {
    rule: &'static str,
    /// The file, or the file and what stands in it.
    place: &'static str,
    reason: &'static str,
}

const fn except(rule: &'static str, place: &'static str, reason: &'static str) -> Exception {
    Exception { rule, place, reason }
}

const DEADLINE: &str = "it measures how long something takes; no time of day";

const EXCEPTIONS: [Exception; 15] = [
    except("clock", "proxy/gateway/src/clock.rs", "the one reader of time"),
    except("clock", "proxy/gateway/src/ledger/queue.rs", DEADLINE),
    except("clock", "proxy/gateway/src/ledger/writer.rs", DEADLINE),
    except("clock", "proxy/gateway/src/scan.rs", DEADLINE),
    except("clock", "proxy/gateway/src/telemetry/export.rs", DEADLINE),
    except("clock", "proxy/gateway/src/telemetry/sink.rs", DEADLINE),
    except("clock", "proxy/gateway/src/telemetry/worker.rs", DEADLINE),
    except("clock", "proxy/gateway/src/upstream/conversation.rs", DEADLINE),
    except("clock", "proxy/gateway/src/upstream/stdio/mod.rs", DEADLINE),
    except(
        "clock",
        "proxy/pep/src/channel.rs",
        "how long a cancelled call may still be answered; tests hold tokio's clock",
    ),
    except("stage", "s2_classify run", "the gate's own listing goes through the whole path too"),
    except("stage", "s4_guardrail s2_classify::Subject", "what a call acts on is carried from stage to stage"),
    except("stage", "s5_approval s2_classify::Subject", "what a call acts on is carried from stage to stage"),
    except("stage", "s5_approval s3_policy", "an approved call is judged again, by the one function that asks"),
    except("stage", "s6_credential s2_classify::Subject", "what a call acts on is carried from stage to stage"),
];

/// Something that breaks a rule: where, what, and what to do.
struct Fault {
    rule: &'static str,
    /// What an exception would name.
    place: String,
    words: String,
}

fn fault(rule: &'static str, place: impl Into<String>, words: impl Into<String>) -> Fault {
    Fault { rule, place: place.into(), words: words.into() }
}

/// Takes out what is excepted, and adds the exceptions that nothing needs.
fn judged(faults: Vec<Fault>, rules: &[&str]) -> Vec<String> {
    let excepted = |fault: &Fault| EXCEPTIONS.iter().find(|e| e.rule == fault.rule && e.place == fault.place);
    let mut out: Vec<String> =
        faults.iter().filter(|f| excepted(f).is_none()).map(|f| format!("{} [{}]", f.words, f.rule)).collect();
    for exception in EXCEPTIONS.iter().filter(|e| rules.contains(&e.rule)) {
        assert!(!exception.reason.is_empty(), "an exception without a reason: {}", exception.place);
        let needed = faults.iter().any(|f| f.rule == exception.rule && f.place == exception.place);
        if !needed {
            let (rule, place) = (exception.rule, exception.place);
            out.push(format!(
                "tests/it/tidy/mod.rs: the exception `{place}` of [{rule}] is needed no more: take it out"
            ));
        }
    }
    out
}

fn hold(rules: &[&str], check: impl Fn(&[Source]) -> Vec<Fault>) {
    let faults = judged(check(source::tracked()), rules);
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn every_file_says_what_it_is() {
    hold(&["doc"], style::module_docs);
}

#[test]
fn files_and_functions_stay_short() {
    hold(&["length"], style::lengths);
}

#[test]
fn names_say_what_a_thing_is() {
    hold(&["name"], style::names);
}

#[test]
fn what_is_never_written() {
    hold(&["word"], style::never_written);
}

#[test]
fn one_place_reads_the_clock() {
    hold(&["clock"], style::clock);
}

#[test]
fn crates_use_what_they_may() {
    hold(&["crate"], layers::crates);
}

#[test]
fn what_is_banned_is_not_there() {
    hold(&["bans"], layers::bans);
}

#[test]
fn the_decision_and_the_path_know_no_world() {
    hold(&["world"], layers::no_world);
}

#[test]
fn a_stage_knows_the_one_before_it() {
    hold(&["stage"], layers::stages);
}

#[test]
fn a_state_is_made_in_one_file_and_spent() {
    hold(&["state"], state::states);
}

#[test]
fn what_holds_bodies_or_secrets_prints_none() {
    hold(&["debug"], state::debug);
}

#[test]
fn nothing_tracked_is_of_one_machine() {
    hold(&["tracked"], tracked::machines);
}

#[test]
fn documents_say_what_the_code_says() {
    hold(&["document"], tracked::documents);
}

/// The rules see something: each is shown what breaks it.
#[test]
fn each_rule_can_fail() {
    let file = |path: &str, text: &str| Source::new(path.to_owned(), text.to_owned());
    let long = format!("//! x\nfn f() {{\n{}}}\n", "    x();\n".repeat(80));
    let huge = format!("//! x\n{}", "// x\n".repeat(600) + "use x;");
    let many = [
        (style::module_docs as fn(&[Source]) -> Vec<Fault>, file("proxy/a.rs", "fn a() {}")),
        (style::lengths, file("proxy/a.rs", &long)),
        (style::lengths, file("proxy/a.rs", &huge)),
        (style::names, file("proxy/helpers.rs", "//! x")),
        (style::names, file("proxy/a.rs", "struct CallManager;")),
        (style::never_written, file("proxy/a.rs", "fn a() { x.unwrap() }")),
        (style::never_written, file("proxy/a.rs", "#[allow(dead_code)]\nfn a() {}")),
        (style::never_written, file("proxy/a.md", concat!("TO", "DO: more"))),
        (style::clock, file("proxy/gateway/src/a.rs", "fn a() { SystemTime::now() }")),
        (layers::crates, file("proxy/pep/Cargo.toml", "[package]\nname = \"pep\"\n[dependencies]\ntokio = {}")),
        (layers::bans, file("Cargo.lock", "")),
        (layers::no_world, file("proxy/pep/src/a.rs", "use std::fs;")),
        (layers::no_world, file("proxy/pep/src/stages/s3_policy.rs", "fn a(g: &Gate) { g.snapshots.current() }")),
        (layers::stages, file("proxy/pep/src/stages/s5_approval.rs", "use crate::stages::s7_action::Executed;")),
        (layers::stages, file("proxy/pep/src/call.rs", "use crate::stages::{s3_policy::judge};")),
        (state::states, file("proxy/pep/src/stages/s5_approval.rs", "pub struct Authorized { pub(super) x: u8 }")),
        (state::states, file("proxy/pep/src/stages/s5_approval.rs", "#[derive(Debug, Clone)]\npub struct Authorized;")),
        (state::states, file("proxy/pep/src/a.rs", "impl Default for IntentReceipt {}")),
        (state::debug, file("proxy/pep/src/stages/s7_action.rs", "#[derive(Debug)]\npub struct Secret(Arc<str>);")),
        (tracked::machines, file("a.txt", concat!("see /wo", "rk/main"))),
        (tracked::documents, file("README.md", "| `s1_intake.rs` |")),
    ];
    for (rule, source) in many {
        let path = source.path.clone();
        assert!(!rule(&[source]).is_empty(), "a rule passes what breaks it: {path}");
    }
}
