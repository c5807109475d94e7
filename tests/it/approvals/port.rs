//! What the pipeline asks of the requests, in orders that no client can bring about at will. The calls come from a world of
//! fakes, are held there, and are put to real requests here.

use std::collections::BTreeSet;
use std::sync::Arc;

use gateway::approvals::{About, Bounds, DecideFault, Requests, Settings, Sight, World as Around};
use pdp::approval::{GrantRules, Granting, Refusing};
use pdp::principal::Principal;
use pep::Task;
use pep::ports::{Approvals as _, Hold, Verdict};
use tempfile::TempDir;

use super::*;
use crate::world::fakes::lock;
use crate::world::{World, bundle, request};

/// Long enough for whatever a test does.
const LONG_US: i64 = 3_600_000_000;
/// Bounds that no test reaches unless it means to.
const WIDE: Bounds = Bounds { all: 1000, principal: 100, task: 100 };

struct Desk {
    world: Arc<World>,
    requests: Requests,
    bounds: Bounds,
    folder: TempDir,
}

fn opened(world: &World, bounds: Bounds, folder: &TempDir) -> Requests {
    let rules = GrantRules::default();
    let settings = Settings { pending_us: LONG_US, granted_us: LONG_US, refused_us: LONG_US, bounds, rules };
    let around = Around {
        clock: Arc::clone(&world.clock) as _,
        entropy: Arc::clone(&world.gate.ports.entropy),
        ledger: Arc::clone(&world.ledger) as _,
        snapshots: Arc::clone(&world.snapshots) as _,
    };
    Requests::open(folder.path(), settings, around).unwrap()
}

impl Desk {
    fn new(bounds: Bounds) -> Self {
        let (world, folder) = (World::under(bundle::LAW), crate::gate::folder());
        Self { requests: opened(&world, bounds, &folder), world, bounds, folder }
    }

    /// The same requests, read anew.
    fn again(self) -> Self {
        let Self { world, requests, bounds, folder } = self;
        drop(requests);
        Self { requests: opened(&world, bounds, &folder), world, bounds, folder }
    }

    /// The law of the moment, with one more policy.
    fn law(&self, more: &str) {
        *lock(&self.world.snapshots.0) = bundle::snapshot(&format!("{}\n{more}", bundle::LAW));
    }

    /// A request to this server, as it is held for people.
    async fn held(&self, server: &str, method: &str, params: &str) -> Hold {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        Arc::clone(&self.world).carry(request(server, &text)).await;
        lock(&self.world.approvals.holds).pop().unwrap_or_else(|| panic!("nobody was asked of {text}"))
    }

    /// A payment, as it is held for people.
    async fn payment(&self) -> Hold {
        self.held("bank", "tools/call", r#"{"name":"pay","arguments":{"to":"joe","amount":101}}"#).await
    }

    /// What is said of a call whose client does not wait.
    async fn ask(&self, hold: &Hold) -> Verdict {
        self.requests.ask(hold, Duration::ZERO).await
    }

    /// The request that waits for people because of this call.
    async fn pending(&self, hold: &Hold) -> String {
        let verdict = self.ask(hold).await;
        let Verdict::Pending(pending) = verdict else { panic!("{verdict:?}") };
        pending.id
    }

    fn sight(&self, id: &str) -> Sight {
        self.requests.find(id).unwrap()
    }

    fn state(&self, id: &str) -> &'static str {
        self.sight(id).request.state().word()
    }

    async fn yes(&self, id: &str) -> Result<Sight, DecideFault> {
        let digest = self.sight(id).request.digest();
        let granting = Granting { digest, grants: None, uses: 1, note: String::new(), stepped_up: false };
        self.requests.approve(id, &jane(), &granting).await
    }

    async fn no(&self, id: &str) {
        let digest = self.sight(id).request.digest();
        self.requests.deny(id, &jane(), &Refusing { digest, reason: "no".to_owned() }).await.unwrap();
    }

    /// Why a request is over.
    fn why(&self, id: &str) -> String {
        let sight = self.sight(id);
        let pdp::approval::State::Closed(closed) = sight.request.state() else { panic!("{sight:?}") };
        closed.why.clone()
    }
}

fn jane() -> Principal {
    Principal {
        agent: "jane".to_owned(),
        teams: Vec::new(),
        user: String::new(),
        tenant: "default".to_owned(),
        method: "token".to_owned(),
    }
}

/// The same call once more.
fn numbered(hold: &Hold, number: u64) -> Hold {
    Hold { number, ..hold.clone() }
}

/// The same call in a session of its own, which has read what carries these labels.
fn elsewhere(hold: &Hold, task: &str, labels: &[&'static str]) -> Hold {
    let mut hold = hold.clone();
    hold.task = Arc::new(Task::new(task.to_owned(), "e".repeat(32)));
    hold.shown.labels = labels.iter().copied().collect();
    hold
}

/// The same call with arguments of so many bytes, of which each is another.
fn sized(hold: &Hold, bytes: usize, nth: usize) -> Hold {
    let mut hold = hold.clone();
    hold.identity.arguments = format!("{{\"n\":{nth},\"text\":\"{}\"}}", "x".repeat(bytes));
    hold
}

#[tokio::test]
async fn what_is_given_back_is_there_for_the_next_call_and_undoes_no_later_no() {
    let desk = Desk::new(WIDE);
    let hold = desk.payment().await;
    let id = desk.pending(&hold).await;
    desk.yes(&id).await.unwrap();
    assert!(matches!(desk.ask(&numbered(&hold, 101)).await, Verdict::Granted(_)));
    desk.requests.give_back(&id, 101);
    assert!(matches!(desk.ask(&numbered(&hold, 102)).await, Verdict::Granted(given) if given.id == id));
    // While the second uses it the third is put to people, and they refuse.
    let later = desk.pending(&numbered(&hold, 103)).await;
    assert_ne!(later, id);
    desk.no(&later).await;
    desk.requests.give_back(&id, 102);
    assert_eq!((desk.state(&id), desk.state(&later)), ("closed", "refused"));
    assert!(matches!(desk.ask(&numbered(&hold, 104)).await, Verdict::Refused(why) if why == "no"));
    assert!(desk.requests.knows(&hold));
    // A no that is not remembered any more bars nobody.
    desk.world.clock.pass(LONG_US / 1_000_000 + 1);
    assert!(!desk.requests.knows(&hold));
    assert_ne!(desk.pending(&numbered(&hold, 105)).await, later);
}

#[tokio::test]
async fn what_the_registry_says_otherwise_now_was_not_granted() {
    for restarted in [false, true] {
        let desk = Desk::new(WIDE);
        let hold = desk.payment().await;
        let id = desk.pending(&hold).await;
        desk.yes(&id).await.unwrap();
        let desk = if restarted { desk.again() } else { desk };
        desk.law("@id(\"more\") permit (principal == Gate::Agent::\"default/nobody\", action, resource);");
        let mut moved = numbered(&hold, 101);
        moved.shown.snapshot = desk.world.snapshots.0.lock().unwrap().digest();
        assert_ne!(moved.shown.snapshot, hold.shown.snapshot);
        // What was reviewed of the tool is not what people were shown.
        moved.tool = moved.server.tools.get("balance").map(Arc::clone);
        let next = desk.pending(&moved).await;
        assert!(next != id && desk.why(&id).contains("registry entry"), "{restarted}");
        // Of another law alone nothing is to be seen: the call is judged again with what was granted.
        desk.yes(&next).await.unwrap();
        let desk = if restarted { desk.again() } else { desk };
        desk.law("@id(\"other\") permit (principal == Gate::Agent::\"default/nobody\", action, resource);");
        moved.shown.snapshot = desk.world.snapshots.0.lock().unwrap().digest();
        assert!(matches!(desk.ask(&moved).await, Verdict::Granted(_)), "{restarted}");
    }
}

#[tokio::test]
async fn nobody_joins_a_request_by_the_law_of_before() {
    let desk = Desk::new(WIDE);
    let hold = desk.payment().await;
    let id = desk.pending(&hold).await;
    let seen = desk.sight(&id).request.digest();
    desk.law("@id(\"more\") permit (principal == Gate::Agent::\"default/nobody\", action, resource);");
    let late = elsewhere(&hold, "task-late", &["private"]);
    assert!(matches!(desk.ask(&late).await, Verdict::Overtaken(_)));
    let sight = desk.sight(&id);
    assert_eq!((sight.request.digest(), sight.asked), (seen, 1));
}

#[tokio::test]
async fn a_request_that_two_sessions_share_is_shown_as_it_stands_in_one_of_them() {
    let desk = Desk::new(Bounds { task: 1, ..WIDE });
    let first = elsewhere(&desk.payment().await, "task-one", &[]);
    let second = elsewhere(&numbered(&first, 77), "task-two", &["private"]);
    let id = desk.pending(&first).await;
    assert_eq!(desk.pending(&second).await, id);
    let sight = desk.sight(&id);
    let About { task, number, .. } = &*sight.about;
    assert_eq!((task.id.as_str(), *number), ("task-two", 77), "whose labels are shown, its task is");
    assert_eq!(sight.request.shown().labels, second.shown.labels);
    // It is the second session's now, and the first may ask for something else.
    assert!(matches!(desk.ask(&sized(&second, 9, 0)).await, Verdict::Full(_)));
    desk.pending(&sized(&first, 9, 1)).await;
    desk.no(&id).await;
    desk.pending(&sized(&second, 9, 0)).await;
}

#[tokio::test]
async fn nobody_fills_the_room_of_all_others() {
    let desk = Desk::new(WIDE);
    let hold = desk.payment().await;
    let Verdict::Full(why) = desk.ask(&sized(&hold, 1 << 20, 0)).await else { panic!("too long to be read") };
    assert!(why.contains("make it smaller"), "{why}");
    let mut asked = BTreeSet::new();
    let why = loop {
        let verdict = desk.ask(&sized(&hold, 1_000_000, asked.len())).await;
        if let Verdict::Full(why) = verdict {
            break why;
        }
        let Verdict::Pending(pending) = verdict else { panic!("{verdict:?}") };
        assert!(asked.insert(pending.id) && asked.len() < 64, "nobody stops them");
    };
    assert!(asked.len() == 8 && why.contains("default/ann"), "{}: {why}", asked.len());
    // Others are asked of all the same, and what is decided makes room.
    let mut other = sized(&hold, 1_000_000, 0);
    (other.principal, other.identity.agent) = (Arc::new(jane()), "jane".to_owned());
    desk.pending(&other).await;
    desk.no(asked.first().unwrap()).await;
    desk.pending(&sized(&hold, 1_000_000, 99)).await;
}

#[tokio::test]
async fn an_approval_of_a_method_is_for_all_that_the_message_says() {
    let desk = Desk::new(WIDE);
    desk.law(
        "@id(\"asks\") @approval(\"owner\") forbid (principal, action == Gate::Action::\"prompts/get\", resource);",
    );
    let held = |params: &'static str| desk.held("lab", "prompts/get", params);
    let one = held(r#"{"name":"greet","arguments":{"who":"joe"}}"#).await;
    assert_eq!(one.identity.arguments, r#"{"arguments":{"who":"joe"},"name":"greet"}"#);
    let same = held(r#"{"arguments":{"who":"joe"},"name":"greet","_meta":{"progressToken":7}}"#).await;
    assert_eq!(same.identity.digest(), one.identity.digest(), "what only carries it is no part of it");
    let id = desk.pending(&one).await;
    assert_eq!(desk.sight(&id).about.action.target, "greet");
    assert_eq!(desk.pending(&same).await, id);
    for other in [r#"{"name":"greet","arguments":{"who":"ann"}}"#, r#"{"name":"greet"}"#] {
        assert_ne!(desk.pending(&held(other).await).await, id, "{other}");
    }
    desk.yes(&id).await.unwrap();
    let other = held(r#"{"name":"greet","arguments":{"who":"eve"}}"#).await;
    assert!(matches!(desk.ask(&other).await, Verdict::Pending(_)));
    assert!(matches!(desk.ask(&numbered(&one, 101)).await, Verdict::Granted(_)));
}
