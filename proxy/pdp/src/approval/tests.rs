//! Who may give what, what follows from each step, and that no steps lead where none may.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::digest::Digest;
use crate::label::Readers;
use crate::principal::Principal;

fn who(agent: &str, user: &str) -> Principal {
    Principal {
        agent: agent.to_owned(),
        method: "token".to_owned(),
        teams: vec![format!("team-of-{agent}")],
        tenant: "default".to_owned(),
        user: user.to_owned(),
    }
}

fn shown(grants: &[&str]) -> Shown {
    Shown {
        labels: "untrusted".split(' ').collect(),
        readers: Readers::everyone(),
        origin: BTreeMap::new(),
        impact: None,
        grants: grants.iter().map(|grant| (*grant).to_owned()).collect(),
        rules: Vec::new(),
        snapshot: Digest::of_bytes(b"law"),
    }
}

fn request(grants: &[&str]) -> Request {
    let identity = Identity {
        tenant: "default".into(),
        agent: "claude".into(),
        user: "ann".into(),
        task: None,
        server: "mail".into(),
        reached: "builtin mail".into(),
        method: "tools/call".into(),
        action: "send".into(),
        pin: None,
        arguments: "{}".into(),
    };
    let asker = Asker {
        tenant: "default".into(),
        keys: ["default/claude".to_owned(), "default/above".to_owned()].into(),
        users: ["ann".to_owned()].into(),
        openers: ["default/host".to_owned()].into(),
        opening_users: ["hal".to_owned()].into(),
    };
    Request::new("ap_1".into(), identity, shown(grants), asker, When { at_us: 0, until_us: 100 })
}

fn rules(text: &[(&str, GrantRule)]) -> GrantRules {
    GrantRules::new(text.iter().map(|(name, rule)| ((*name).to_owned(), rule.clone())).collect())
}

fn yes(request: &Request) -> Granting {
    Granting { digest: request.digest(), grants: None, uses: 1, note: String::new(), stepped_up: false }
}

fn no(request: &Request) -> Refusing {
    Refusing { digest: request.digest(), reason: "no".into() }
}

const WHEN: When = When { at_us: 10, until_us: 50 };

#[test]
fn nobody_approves_their_own_request() {
    let listed =
        Approvers { principals: ["default/alice".to_owned()].into(), teams: ["team-of-bob".to_owned()].into() };
    let owner = rules(&[("owner", GrantRule { owner: true, ..GrantRule::STANDARD })]);
    let named = rules(&[("owner", GrantRule { approvers: Some(listed.clone()), ..GrantRule::STANDARD })]);
    let both = rules(&[("owner", GrantRule { approvers: Some(listed), owner: true, ..GrantRule::STANDARD })]);
    let none = GrantRules::default();
    let of_another = Principal { tenant: "other".into(), ..who("alice", "") };
    for (rules, who, expected) in [
        (&none, who("alice", "alice"), Ok(())),
        (&none, who("claude", ""), Err(Barred::Own)),
        (&none, who("above", ""), Err(Barred::Own)),
        (&none, who("phone", "ann"), Err(Barred::Own)),
        // Whoever opened its task holds the task's token, by whichever principal they come.
        (&none, who("host", ""), Err(Barred::Own)),
        (&none, who("tablet", "hal"), Err(Barred::Own)),
        (&none, of_another, Err(Barred::Tenant)),
        // The person may where that is said, and the agent itself never.
        (&owner, who("phone", "ann"), Ok(())),
        (&owner, who("claude", "ann"), Err(Barred::Own)),
        (&owner, who("host", ""), Ok(())),
        (&owner, who("tablet", "hal"), Ok(())),
        // Who opened a task is no person that its agent acts for, and gives no grant that is others' to give.
        (&both, who("host", ""), Err(Barred::Unlisted)),
        (&named, who("alice", ""), Ok(())),
        (&named, who("bob", ""), Ok(())),
        (&named, who("carol", ""), Err(Barred::Unlisted)),
        (&both, who("phone", "ann"), Ok(())),
        (&both, who("carol", ""), Err(Barred::Unlisted)),
    ] {
        let mut request = request(&["owner"]);
        assert_eq!(request.may_give("owner", &who, rules), expected, "{who:?}");
        let granting = yes(&request);
        let granted = request.grant(&who, &granting, rules, WHEN);
        assert_eq!(granted.is_ok(), expected.is_ok());
        assert_eq!(request.state().word() == "granted", expected.is_ok());
    }
}

#[test]
fn a_quorum_is_of_different_persons_and_each_grant_has_its_own() {
    let rules = rules(&[("security", GrantRule { quorum: 2, ..GrantRule::STANDARD })]);
    let mut request = request(&["owner", "security"]);
    let granting = yes(&request);
    let gave = request.grant(&who("alice", "al"), &granting, &rules, WHEN).unwrap();
    assert_eq!(gave.len(), 2);
    assert_eq!(request.state().word(), "pending");
    // The same person by another principal is no second one.
    let again = request.grant(&who("alice-phone", "al"), &granting, &rules, WHEN).unwrap_err();
    assert_eq!(again, StepFault::Barred { grant: "owner".into(), why: Barred::Given });
    let twice = Granting { uses: 3, ..granting };
    assert_eq!(request.grant(&who("bob", ""), &twice, &rules, WHEN).unwrap(), ["security".to_owned()].into());
    let State::Granted(granted) = request.state() else { panic!("{request:?}") };
    assert_eq!((granted.uses(), granted.by().len()), (1, 2), "the strictest counts");
}

#[test]
fn a_decision_is_about_what_was_seen() {
    let rules = GrantRules::default();
    let mut request = request(&["owner"]);
    let seen = yes(&request);
    assert!(request.change(shown(&["owner", "security"])));
    assert_eq!(request.grant(&who("bob", ""), &seen, &rules, WHEN).unwrap_err(), StepFault::Changed);
    let refusing = Refusing { digest: seen.digest, reason: String::new() };
    assert_eq!(request.refuse(&who("bob", ""), &refusing, &rules, WHEN).unwrap_err(), StepFault::Changed);
    let seen = yes(&request);
    assert_eq!(request.grant(&who("bob", ""), &seen, &rules, WHEN).unwrap().len(), 2);
}

#[test]
fn who_must_prove_themselves_once_more_does() {
    let rules = rules(&[("owner", GrantRule { step_up: true, ..GrantRule::STANDARD })]);
    let mut request = request(&["owner"]);
    let granting = yes(&request);
    let fault = request.grant(&who("bob", ""), &granting, &rules, WHEN).unwrap_err();
    assert_eq!((fault, request.state().word()), (StepFault::StepUp("owner".into()), "pending"));
    let granting = Granting { stepped_up: true, ..granting };
    assert!(request.grant(&who("bob", ""), &granting, &rules, WHEN).is_ok());
}

#[test]
fn who_has_no_say_cannot_refuse_either() {
    let listed = Approvers { principals: ["default/alice".to_owned()].into(), ..Approvers::default() };
    let rules = rules(&[("owner", GrantRule { approvers: Some(listed), ..GrantRule::STANDARD })]);
    let mut request = request(&["owner"]);
    let refusing = no(&request);
    assert!(request.refuse(&who("carol", ""), &refusing, &rules, WHEN).is_err());
    assert!(request.refuse(&who("alice", ""), &refusing, &rules, WHEN).is_ok());
    let granting = yes(&request);
    let after = request.grant(&who("alice", ""), &granting, &rules, WHEN).unwrap_err();
    assert_eq!(after, StepFault::Decided("refused"));
}

/// What may happen to a request.
#[derive(Debug, Clone)]
enum Step {
    Grant(usize, u32),
    Refuse(usize),
    Spend(u64),
    GiveBack(u64),
    Pass(i64),
    Change(bool),
    Close,
}

const PEOPLE: [(&str, &str); 6] =
    [("alice", "al"), ("alice-2", "al"), ("bob", ""), ("claude", ""), ("phone", "ann"), ("carol", "")];

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..PEOPLE.len(), 1..4_u32).prop_map(|(who, uses)| Step::Grant(who, uses)),
        1 => (0..PEOPLE.len()).prop_map(Step::Refuse),
        6 => (0..8_u64).prop_map(Step::Spend),
        3 => (0..8_u64).prop_map(Step::GiveBack),
        2 => (0..40_i64).prop_map(Step::Pass),
        1 => any::<bool>().prop_map(Step::Change),
        1 => Just(Step::Close),
    ];
    proptest::collection::vec(step, 0..40)
}

proptest! {
    #[test]
    fn over_any_steps_nothing_is_used_more_often_than_it_was_given_and_the_end_is_the_end(
        steps in steps(), quorum in 1..3_u32,
    ) {
        let rules = rules(&[("a", GrantRule { quorum, ..GrantRule::STANDARD })]);
        let mut request = request(&["a", "b"]);
        let mut now_us = 0;
        // Which calls hold a use, by our own account.
        let mut holds: BTreeSet<u64> = BTreeSet::new();
        let mut uses = u32::MAX;
        let mut givers: BTreeSet<String> = BTreeSet::new();
        for step in steps {
            let before = request.clone();
            let when = When { at_us: now_us, until_us: now_us + 60 };
            match step {
                Step::Grant(n, wanted) => {
                    let (agent, user) = PEOPLE[n];
                    let granting = Granting { uses: wanted, ..yes(&request) };
                    if request.grant(&who(agent, user), &granting, &rules, when).is_ok() {
                        prop_assert_eq!(before.state().word(), "pending");
                        prop_assert!(agent != "claude" && user != "ann", "nobody approves their own request");
                        uses = uses.min(wanted);
                        givers.insert(if user.is_empty() { agent.to_owned() } else { user.to_owned() });
                    }
                }
                Step::Refuse(n) => {
                    let refusing = no(&request);
                    let refused = request.refuse(&who(PEOPLE[n].0, PEOPLE[n].1), &refusing, &rules, when);
                    prop_assert!(refused.is_err() || before.state().word() == "pending");
                }
                Step::Spend(number) => {
                    if let Ok(granted) = request.spend(number, &shown(&["a", "b"]), now_us) {
                        prop_assert!(granted.until_us() > now_us && holds.insert(number));
                        prop_assert!(givers.len() >= usize::try_from(quorum).unwrap(), "{:?}", givers);
                        prop_assert!(holds.len() <= usize::try_from(uses).unwrap(), "{} of {}", holds.len(), uses);
                    }
                }
                Step::GiveBack(number) => {
                    if request.give_back(number, now_us) {
                        prop_assert!(holds.remove(&number), "a use came back that nobody had");
                    }
                }
                Step::Pass(time) => now_us += time,
                Step::Change(more) => {
                    if request.change(shown(if more { &["a", "b", "c"] } else { &["a", "b"] })) {
                        (uses, givers) = (u32::MAX, BTreeSet::new());
                    }
                }
                Step::Close => { request.close("over"); }
            }
            let (was, is) = (before.state().word(), request.state().word());
            let allowed = match was {
                "pending" => true,
                "granted" => is != "pending" && is != "refused",
                "spent" => matches!(is, "spent" | "granted" | "expired"),
                _ => was == is && before.state() == request.state(),
            };
            prop_assert!(allowed, "{was} became {is}");
        }
        let text = serde_json::to_string(&request).unwrap();
        prop_assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
    }
}

#[test]
fn a_yes_that_names_no_grant_gives_nothing() {
    let rules = GrantRules::default();
    let mut request = request(&["owner"]);
    let nothing = Granting { grants: Some([].into()), ..yes(&request) };
    assert_eq!(request.grant(&who("bob", ""), &nothing, &rules, WHEN).unwrap_err(), StepFault::Nothing);
    assert_eq!(request.state().word(), "pending");
}

#[test]
fn what_was_stored_without_its_arguments_is_made_whole_by_the_same_call_alone() {
    let whole = request(&["owner"]);
    let without = Arc::new(Identity { arguments: "{\"withheld\":1}".into(), ..(**whole.identity()).clone() });
    let mut stored = whole.stored_as(&without);
    assert_eq!((stored.call(), stored.digest()), (whole.call(), whole.digest()));
    assert!(!stored.restore(&without));
    assert_eq!(stored.identity().arguments, without.arguments);
    assert!(stored.restore(whole.identity()));
    assert_eq!(stored, whole);
}

#[test]
fn a_request_counts_while_it_waits_may_be_used_or_its_no_is_remembered() {
    let rules = GrantRules::default();
    let mut refused = request(&["owner"]);
    assert!(refused.counts(99) && !refused.counts(100));
    let refusing = no(&refused);
    refused.refuse(&who("bob", ""), &refusing, &rules, WHEN).unwrap();
    assert!(refused.counts(49) && !refused.counts(50));
    let mut granted = request(&["owner"]);
    let granting = yes(&granted);
    granted.grant(&who("bob", ""), &granting, &rules, WHEN).unwrap();
    assert!(granted.counts(49) && !granted.counts(50));
    granted.close("x");
    assert!(!granted.counts(20));
}
