//! Any law and any call: the gate's answer is the one that plain Cedar gives on the compiled text, and the one that the
//! authors' own text means.
//!
//! Two readings are held against the gate's. The *plain* one reads the printed schema and the printed policies again, and
//! the request and the entities as JSON, as the `cedar` command line does, and asks the whole set at once. The *written*
//! one takes each policy as its author wrote it, alone, and joins their answers by the rules of the three-valued decision.
//! What the gate does for speed (slices, parts, memory, contexts with what is looked at alone) changes neither.
#![expect(clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::BTreeSet;
use std::str::FromStr;

use cedar_policy::{Authorizer, Context, Entities, EntityUid, PolicySet, Request, Schema};
use proptest::prelude::*;
use proptest::sample::select;

use super::super::{Act, Facts, Judgement, Query, Question};
use crate::decision::{Decision, Reason};
use crate::digest::Digest;
use crate::fault::SourceFile;
use crate::json::Json;
use crate::method;
use crate::principal::Principal;
use crate::snapshot::{Snapshot, Sources};

/// Two tools of one server, and one of another.
const TOOLS: [(&str, &str, &str, &str); 3] = [
    (
        "bank",
        "send",
        "\"spend\", \"egress\"",
        r#"{"type":"object","required":["to"],"properties":{"to":{"type":"string"},"amount":{"type":"integer"},
        "rate":{"type":"number"},"path":{"type":"string"},"tags":{"type":"array","items":{"type":"string"}},
        "note":{},"id":{"type":["string","integer"]},"mode":{"enum":["fast","slow"]},
        "files":{"type":"array","items":{"type":"object","properties":{"path":{"type":"string"}}}}}}"#,
    ),
    ("bank", "list", "\"read\"", r#"{"type":"object","properties":{}}"#),
    ("web-site", "get.page", "\"read\", \"egress\"", r#"{"type":"object","properties":{"url":{"type":"string"}}}"#),
];

/// What a rule may ask of anything.
const OF_ALL: [&str; 10] = [
    "true",
    "context.gate.labels.contains(Gate::Label::\"untrusted\")",
    "context.gate.labels.containsAll([Gate::Label::\"private\", Gate::Label::\"untrusted\"])",
    "context.gate.labels.isEmpty()",
    "context.gate.tenant == \"default\"",
    "context.gate.calls < 3",
    "context.gate.calls + 9223372036854775800 > 9",
    "context.gate.now < datetime(\"2026-12-01T00:00:00Z\")",
    "principal.user == \"ana\"",
    "principal in Gate::Team::\"sales\"",
];

/// What a rule may ask of `send` alone.
const OF_SEND: [&str; 11] = [
    "context.args.to like \"*@office.example\"",
    "context.args_host.to == \"office.example\"",
    "context.args has amount && context.args.amount > 100",
    "context.args has amount && context.args.amount + 9223372036854775000 > 100",
    "context.args has rate && context.args.rate.lessThan(decimal(\"0.5\"))",
    "context.args_canonical has path && context.args_canonical.path like \"/data/*\"",
    "context.args has tags && context.args.tags.contains(\"x\")",
    "context.args_opaque",
    "context.args_opaque_names.contains(\"note\")",
    "context.args has id && context.args.id has long && context.args.id.long == 5",
    "context.args_canonical has files && [\"/data/a\"].containsAll(context.args_canonical.files.path)",
];

/// Which calls a rule speaks of, and whether of `send` alone.
const SCOPES: [(&str, bool); 9] = [
    ("principal, action, resource", false),
    ("principal in Gate::Team::\"sales\", action, resource", false),
    ("principal == Gate::Agent::\"claude\", action, resource == Gate::Server::\"bank\"", false),
    ("principal, action in Gate::Action::\"call\", resource in Gate::System::\"Bank\"", false),
    ("principal, action in [Gate::Action::\"egress\", Gate::Action::\"resources\"], resource", false),
    ("principal, action == Gate::Action::\"resources/read\", resource", false),
    ("principal, action in Gate::Action::\"spend\", resource", true),
    ("principal, action == bank::Action::\"send\", resource", true),
    ("principal is Gate::Agent in Gate::Team::\"sales\", action in [bank::Action::\"send\"], resource", true),
];

const GRANTS: [&str; 3] = ["owner", "security", "third"];

/// Calls: the tool and its arguments, or a method and what it acts on.
const CALLS: [(&str, &str, &str); 9] = [
    ("bank", "send", r#"{"to":"bo@office.example","amount":5,"path":"/data/../etc/x"}"#),
    ("bank", "send", r#"{"to":"Eve <eve@ELSEWHERE.example>","amount":900,"tags":["x","y"],"id":5}"#),
    ("bank", "send", r#"{"to":"x","amount":9223372036854775807,"note":{"__entity":{"type":"A","id":"b"}}}"#),
    (
        "bank",
        "send",
        r#"{"to":"x","rate":0.25,"path":"/data/a","id":"5","mode":"fast","files":[{"path":"/data/./a"}]}"#,
    ),
    ("bank", "send", r#"{"to":"","files":[{"path":"/data/a"},{"path":"/etc/b"}],"stranger":1}"#),
    ("bank", "list", "{}"),
    ("web-site", "get.page", r#"{"url":"https://Good.example/x"}"#),
    ("bank", "resources/read", "file:///data/x"),
    ("web-site", "vendor/thing", ""),
];

fn sources(law: &str) -> Sources {
    let definition =
        |(_, tool, _, schema): &(&str, &str, &str, &str)| format!(r#"{{"name":"{tool}","inputSchema":{schema}}}"#);
    let mut registry = vec![SourceFile { path: "vocabulary.toml".into(), text: "grants = [\"third\"]".into() }];
    for (server, system) in [("bank", "Bank"), ("web-site", "Web")] {
        let mut text = format!(
            "name = \"{server}\"\nsystem = \"{system}\"\nopen = [\"resources\", \"vendor/thing\"]\n\
             [transport]\nkind = \"builtin\"\nserver = \"office\"\n"
        );
        let tools: Vec<_> = TOOLS.iter().filter(|tool| tool.0 == server).collect();
        for tool in &tools {
            let pin = Digest::of_json(&definition(tool)).unwrap();
            text += &format!(
                "[tools.\"{}\"]\neffect = [{}]\npin = \"{pin}\"\nreviewed_by = \"r\"\nreviewed_at = \"2026-11-20\"\n",
                tool.1, tool.2
            );
        }
        let listed: Vec<String> = tools.into_iter().map(definition).collect();
        registry.push(SourceFile { path: format!("servers/{server}.toml"), text });
        registry
            .push(SourceFile { path: format!("servers/{server}.tools.json"), text: format!("[{}]", listed.join(",")) });
    }
    Sources { policies: vec![SourceFile { path: "law.cedar".into(), text: law.into() }], registry }
}

fn condition(of_send: bool) -> impl Strategy<Value = String> {
    let leaf = if of_send { [&OF_ALL[..], &OF_SEND[..]].concat() } else { OF_ALL.to_vec() };
    select(leaf).prop_map(|leaf| format!("({leaf})")).prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("!{a}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} || {b})")),
            (inner.clone(), inner.clone(), inner).prop_map(|(a, b, c)| format!("(if {a} then {b} else {c})")),
        ]
    })
}

/// One rule without its name.
fn rule() -> impl Strategy<Value = String> {
    select(SCOPES.to_vec()).prop_flat_map(|(scope, of_send)| {
        let word = prop_oneof![
            2 => Just("permit".to_owned()),
            1 => Just("forbid".to_owned()),
            3 => select(GRANTS.to_vec()).prop_map(|grant| format!("@approval(\"{grant}\") forbid")),
        ];
        (word, condition(of_send), any::<bool>()).prop_map(move |(word, condition, unless)| {
            let clause = if unless { "unless" } else { "when" };
            format!("{word} ({scope}) {clause} {{ {condition} }};")
        })
    })
}

/// A law, one rule after the other. Often everything is permitted, so that forbids matter.
fn law() -> impl Strategy<Value = String> {
    (proptest::collection::vec(rule(), 1..7), any::<bool>()).prop_map(|(mut rules, open)| {
        if open {
            rules.push("permit (principal, action, resource);".to_owned());
        }
        rules.iter().enumerate().map(|(n, rule)| format!("@id(\"r{n}\") {rule}\n")).collect()
    })
}

fn facts() -> impl Strategy<Value = (Principal, Facts)> {
    let labels = proptest::sample::subsequence(vec!["private", "untrusted"], 0..=2);
    (labels, select(vec!["claude", "other"]), any::<bool>(), select(vec!["ana", ""]), 0..9_u64, any::<bool>()).prop_map(
        |(labels, agent, sales, user, calls, late)| {
            let principal = Principal {
                agent: agent.into(),
                teams: if sales { vec!["sales".into()] } else { Vec::new() },
                user: user.into(),
                tenant: "default".into(),
                method: "token".into(),
            };
            let facts = Facts {
                labels: labels.into_iter().collect(),
                grants: BTreeSet::new(),
                task: crate::policy::TaskFacts::of("t"),
                calls,
                now_ms: if late { 1_800_000_000_000 } else { 1_795_000_000_000 },
                ..Facts::default()
            };
            (principal, facts)
        },
    )
}

/// The grants of a number's bits.
fn held(bits: usize) -> BTreeSet<String> {
    GRANTS.iter().enumerate().filter(|(n, _)| bits >> n & 1 == 1).map(|(_, grant)| (*grant).to_owned()).collect()
}

/// One call under one law.
struct Case<'a> {
    snapshot: &'a Snapshot,
    principal: &'a Principal,
    facts: &'a Facts,
    call: (&'a str, &'a str, &'a str),
}

impl Case<'_> {
    fn with<T>(&self, grants: &BTreeSet<String>, ask: impl FnOnce(Query<'_>) -> T) -> T {
        let (server, name, given) = self.call;
        let server = self.snapshot.server(server).unwrap();
        let facts = Facts { grants: grants.clone(), ..self.facts.clone() };
        let query = |act| Query { principal: self.principal, server, act, facts: &facts };
        match server.reviewed(name) {
            Some(tool) => ask(query(Act::Tool { tool, arguments: &Json::read(given, 32).unwrap() })),
            None => ask(query(Act::Method { name, known: method::find(name), target: given })),
        }
    }

    fn judged(&self, grants: &BTreeSet<String>) -> Judgement {
        self.with(grants, |query| self.snapshot.judge(query))
    }

    fn question(&self, grants: &BTreeSet<String>) -> Question {
        self.with(grants, |query| self.snapshot.policies().question(query).unwrap())
    }
}

/// What plain Cedar says: nothing where a policy errs; else the permits that allow, or the forbids that deny.
type Heard = Option<Result<BTreeSet<String>, BTreeSet<String>>>;

/// The printed schema, and the entities of one principal, as plain Cedar reads them.
struct Plain {
    schema: Schema,
    entities: Entities,
}

impl Plain {
    fn of(case: &Case<'_>) -> Self {
        let schema = Schema::from_cedarschema_str(case.snapshot.policies().schema_text()).unwrap().0;
        let entities = case.question(&BTreeSet::new()).entities;
        Self { entities: Entities::from_json_value(entities, Some(&schema)).unwrap(), schema }
    }

    fn request(&self, question: &Question) -> Request {
        let uid = |member: &str| EntityUid::from_str(question.request[member].as_str().unwrap()).unwrap();
        let action = uid("action");
        let context = question.request["context"].clone();
        let context = Context::from_json_value(context, Some((&self.schema, &action))).unwrap();
        Request::new(uid("principal"), action, uid("resource"), context, Some(&self.schema)).unwrap()
    }

    fn ask(&self, policies: &PolicySet, request: &Request) -> Heard {
        let response = Authorizer::new().is_authorized(request, policies, &self.entities);
        if response.diagnostics().errors().next().is_some() {
            return None;
        }
        let name = |id| policies.annotation(id, "id").unwrap().to_owned();
        let spoke = response.diagnostics().reason().map(name).collect();
        Some(match response.decision() {
            cedar_policy::Decision::Allow => Ok(spoke),
            cedar_policy::Decision::Deny => Err(spoke),
        })
    }
}

/// The three-valued answer, by the rules as the design states them, of whatever says what plain Cedar would.
fn three_valued(
    policies: &PolicySet,
    held: &BTreeSet<String>,
    ask: impl Fn(&BTreeSet<String>) -> Heard,
) -> (Answer, BTreeSet<String>) {
    let Some(first) = ask(held) else { return (Answer::Fault, BTreeSet::new()) };
    let forbids = match first {
        Ok(permits) => return (Answer::Allow, permits),
        Err(forbids) if forbids.is_empty() => return (Answer::NoPermit, forbids),
        Err(forbids) => forbids,
    };
    let of = |id: &String| policies.policies().find(|p| p.annotation("id") == Some(id)).unwrap();
    let asked: Option<BTreeSet<String>> =
        forbids.iter().map(|id| of(id).annotation("approval").map(str::to_owned)).collect();
    let Some(asked) = asked else { return (Answer::Forbidden, forbids) };
    match ask(&held.union(&asked).cloned().collect()) {
        Some(Ok(_)) => (Answer::Escalate(asked), forbids),
        Some(Err(_)) => (Answer::Forbidden, forbids),
        None => (Answer::Fault, forbids),
    }
}

/// A decision without the words of its fault.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Answer {
    Allow,
    Escalate(BTreeSet<String>),
    Forbidden,
    NoPermit,
    Fault,
}

fn answer(judgement: &Judgement) -> (Answer, BTreeSet<String>) {
    let answer = match judgement.decision.clone() {
        Decision::Allow(_) => Answer::Allow,
        Decision::Escalate(grants) => Answer::Escalate(grants),
        Decision::Deny(Reason::Forbidden) => Answer::Forbidden,
        Decision::Deny(Reason::NoPermit) => Answer::NoPermit,
        Decision::Deny(Reason::Fault(_)) => Answer::Fault,
        Decision::Deny(Reason::Unjudgeable(why)) => panic!("every call can be judged: {why}"),
    };
    (answer, judgement.rules.iter().map(|rule| rule.id.clone()).collect())
}

/// What each policy said alone, as its author wrote it, joined by hand: an approval lifts its own forbid.
fn written(policies: &PolicySet, alone: &[Heard], held: &BTreeSet<String>) -> Heard {
    let (mut permits, mut forbids) = (BTreeSet::new(), BTreeSet::new());
    for one in alone {
        match one.clone()? {
            Ok(spoke) => permits.extend(spoke),
            Err(spoke) => forbids.extend(spoke.into_iter().filter(|id| {
                let policy = policies.policies().find(|p| p.annotation("id") == Some(id)).unwrap();
                !policy.annotation("approval").is_some_and(|grant| held.contains(grant))
            })),
        }
    }
    Some(if forbids.is_empty() && !permits.is_empty() { Ok(permits) } else { Err(forbids) })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn the_gate_plain_cedar_and_the_text_agree(law in law(), who in facts()) {
        let snapshot = Snapshot::build(&sources(&law)).unwrap_or_else(|faults| panic!("{law}\n{faults:#?}"));
        let compiled = PolicySet::from_str(&snapshot.policies().compiled_text().unwrap()).unwrap();
        let source = PolicySet::from_str(&law).unwrap();
        let each: Vec<PolicySet> = law.lines().map(|line| PolicySet::from_str(line).unwrap()).collect();
        let case = |call| Case { snapshot: &snapshot, principal: &who.0, facts: &who.1, call };
        let plain = Plain::of(&case(CALLS[0]));
        for call in CALLS {
            let case = case(call);
            let answers: Vec<_> = (0..8).map(|bits| answer(&case.judged(&held(bits)))).collect();
            // The authors' text reads no grants.
            let bare = plain.request(&case.question(&BTreeSet::new()));
            let alone: Vec<Heard> = each.iter().map(|one| plain.ask(one, &bare)).collect();
            for (bits, (found, rules)) in answers.iter().enumerate() {
                let held = held(bits);
                let ask = |held: &BTreeSet<String>| plain.ask(&compiled, &plain.request(&case.question(held)));
                let by_plain = three_valued(&source, &held, ask);
                prop_assert_eq!((found, rules), (&by_plain.0, &by_plain.1), "plain: {:?} {:?}\n{}", call, held, law);
                let by_text = three_valued(&source, &held, |held| written(&source, &alone, held));
                prop_assert_eq!((found, rules), (&by_text.0, &by_text.1), "text: {:?} {:?}\n{}", call, held, law);
            }
            approvals_are_monotone_and_exact(&answers)?;
        }
    }
}

/// What more grants do, over every set of grants of one call.
fn approvals_are_monotone_and_exact(answers: &[(Answer, BTreeSet<String>)]) -> Result<(), TestCaseError> {
    for (bits, (found, _)) in answers.iter().enumerate() {
        for more in (0..answers.len()).filter(|more| more & bits == bits) {
            let with_more = &answers[more].0;
            match found {
                // What is allowed stays allowed; a fault and a final no are not a matter of grants.
                Answer::Allow | Answer::Fault | Answer::NoPermit => prop_assert_eq!(found, with_more),
                Answer::Forbidden => prop_assert!(!matches!(with_more, Answer::Allow | Answer::Escalate(_))),
                // Exactly what is asked for is missing: all of it allows, and any part leaves the rest.
                Answer::Escalate(asked) => {
                    let left: BTreeSet<String> = asked.difference(&held(more)).cloned().collect();
                    let want = if left.is_empty() { Answer::Allow } else { Answer::Escalate(left) };
                    prop_assert!(asked.is_disjoint(&held(bits)) && *with_more == want, "{:?}: {:?}", want, with_more);
                }
            }
        }
    }
    Ok(())
}

/// The generator reaches every answer: a property that only ever sees denials holds nothing.
#[test]
fn every_answer_comes_up() {
    let law = "@id(\"r0\") permit (principal, action in Gate::Action::\"egress\", resource);\n\
               @id(\"r1\") @approval(\"owner\") forbid (principal, action in Gate::Action::\"spend\", resource);\n\
               @id(\"r2\") forbid (principal, action == bank::Action::\"send\", resource) when { context.args.to == \"\" };\n\
               @id(\"r3\") forbid (principal, action == bank::Action::\"send\", resource) when \
               { context.args has amount && context.args.amount + 9223372036854775000 < 0 };\n";
    let snapshot = Snapshot::build(&sources(law)).unwrap();
    let principal = Principal {
        agent: "claude".into(),
        teams: Vec::new(),
        user: String::new(),
        tenant: "default".into(),
        method: "token".into(),
    };
    let facts = Facts { now_ms: 1_795_000_000_000, ..Facts::default() };
    let found: Vec<Answer> = CALLS
        .into_iter()
        .map(|call| {
            answer(&Case { snapshot: &snapshot, principal: &principal, facts: &facts, call }.judged(&held(0))).0
        })
        .collect();
    let asks = Answer::Escalate(held(1));
    let (no, fault) = (Answer::NoPermit, Answer::Fault);
    let want = [&asks, &fault, &fault, &asks, &Answer::Forbidden, &no, &Answer::Allow, &no, &no];
    assert_eq!(found.iter().collect::<Vec<_>>(), want);
}
