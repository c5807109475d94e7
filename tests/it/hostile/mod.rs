//! Malformed and hostile input, from clients and from servers: each is answered with the right status and a code that
//! says why, leaves exactly one record with that code, and the gate goes on serving.
//!
//! The tables are data. A last test holds that together they meet every code a client or a server can bring about.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic: that is how it fails"
)]

mod catalogue;
mod clients;
mod messages;
mod servers;
mod sockets;
mod streams;

use std::collections::BTreeSet;

use pdp::refusal::Code;
use serde_json::json;

use crate::gate::Gate;
use crate::gate::bundle::Bundle;
use crate::gate::client::{Agent, Request, call, text_of};
use crate::gate::server::Upstream;
use crate::gate::{ADA, BOB};

/// One input and how it must be answered.
pub(super) struct Case {
    name: &'static str,
    request: Request,
    status: u16,
    code: Code,
}

pub(super) fn case(name: &'static str, request: Request, status: u16, code: Code) -> Case {
    Case { name, request, status, code }
}

/// A gate and the servers behind it.
pub(super) struct Ground {
    gate: Gate,
    web: Upstream,
}

/// Small bounds, so that what is too large for them is quickly written.
const LIMITS: &str = "limits = { failures_per_minute_max = 100000, body_bytes_max = 65536, message_bytes_max = 262144, \
                      child_grace_ms = 200, listing_age_s_max = 300 }";

impl Ground {
    pub(super) async fn new() -> Self {
        Self::with(LIMITS).await
    }

    pub(super) async fn with(limits: &str) -> Self {
        let web = Upstream::start().await;
        let closed = Upstream::start().await;
        let nowhere = closed.url();
        closed.stop().await;
        let url = web.url();
        let http = |url: &str| format!("kind = \"http\"\nurl = \"{url}\"\n");
        let credential = "[credential]\nenv = \"WICKETGATE_TEST_NO_SUCH_VARIABLE\"\n";
        let bundle = Bundle::new()
            .http("web", &url)
            .entry("quick", "timeout_ms = 250", &http(&url))
            .http("dead", &nowhere)
            .entry("poor", "", &format!("{}{credential}", http(&url)))
            .stdio("pipe", &[]);
        Self { gate: Gate::start_with(&bundle, limits).await, web }
    }

    /// How many records bear this code.
    fn count(&self, code: Code) -> usize {
        let bears = |refusal: &pdp::refusal::Refusal| refusal.code == code;
        self.gate.records().iter().filter(|record| record.refusal.as_ref().is_some_and(bears)).count()
    }

    /// Sends a case, and checks its answer, its record, and that the gate still serves.
    pub(super) async fn check(&self, case: Case) {
        let Case { name, request, status, code } = case;
        let before = self.count(code);
        let answer = request.send(self.gate.at()).await;
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        let (told, number) = answer.refusal().unwrap_or_else(|| panic!("{name}: no refusal in {answer:?}"));
        assert_eq!(told, code.name(), "{name}: {answer:?}");
        let record = self.gate.numbered(number).await;
        assert_eq!(record.refusal.as_ref().map(|r| r.code), Some(code), "{name}: {record:?}");
        assert_eq!(self.count(code), before + 1, "{name}: one record");
        self.serves(name).await;
    }

    /// Whether a good call is still answered.
    pub(super) async fn serves(&self, after: &str) {
        let good = Request::post("/web/mcp", call(1, "echo", json!({ "text": "still here" })));
        let answer = good.send(self.gate.at()).await;
        assert_eq!((answer.status, text_of(&answer.message())), (200, "still here"), "after {after}");
    }

    /// Ends the gate: nothing in it may have panicked.
    pub(super) async fn close(self) {
        let entries = self.gate.close().await;
        let records = crate::gate::records(entries);
        let panicked = records.iter().filter(|r| r.ending == pdp::record::Ending::Panicked).count();
        assert_eq!(panicked, 0);
    }
}

async fn check_all(cases: Vec<Case>) {
    let ground = Ground::new().await;
    for case in cases {
        ground.check(case).await;
    }
    ground.close().await;
}

#[tokio::test]
async fn requests_that_are_no_good_http() {
    check_all(clients::borders()).await;
}

#[tokio::test]
async fn bodies_that_are_no_message() {
    check_all(messages::unreadable()).await;
}

#[tokio::test]
async fn messages_that_ask_for_what_is_not_open() {
    check_all(messages::refused()).await;
}

#[tokio::test]
async fn headers_that_disagree_with_the_body() {
    check_all(clients::mirrored()).await;
}

#[tokio::test]
async fn sessions_of_others_and_of_nobody() {
    let ground = Ground::new().await;
    let of = async |token| Agent::legacy(ground.gate.at(), "web", token).await.session.unwrap();
    let (ada, bob) = (of(ADA).await, of(BOB).await);
    for case in clients::sessions(&ada, &bob) {
        ground.check(case).await;
    }
    ground.close().await;
}

#[tokio::test]
async fn the_tables_meet_every_code() {
    let servers: Vec<Code> = servers::whole().into_iter().map(|case| case.code).collect();
    let cases = [clients::borders(), clients::mirrored(), clients::sessions("", ""), messages::unreadable()];
    let cases: Vec<Case> = cases.into_iter().flatten().chain(messages::refused()).collect();
    assert!(cases.len() + servers.len() >= 100, "{} and {}", cases.len(), servers.len());
    let met: BTreeSet<Code> = cases.into_iter().map(|case| case.code).chain(servers).collect();
    // Met beside the tables, each in a test of its own: `sockets`, `streams`, `output`, `control` for the ledger, `hosts` for what
    // hosts and operators end, and `path` where nobody can be asked.
    let beside = [
        Code::TooManyFailures,
        Code::BodyUnreadable,
        Code::Busy,
        Code::Cancelled,
        Code::DefinitionUnknown,
        Code::BrokenFrame,
        Code::Quarantined,
        Code::LedgerUnavailable,
        Code::ApprovalUnavailable,
        Code::ApprovalsFull,
        Code::Halted,
        Code::TokenRefused,
        Code::TaskOver,
        Code::OutOfScope,
        Code::LimitReached,
        Code::Repeated,
        Code::PreviewFailed,
        Code::RolledBack,
        Code::RollbackFailed,
        Code::EntryWithheld,
    ];
    let missing: Vec<&str> =
        Code::ALL.iter().filter(|code| !met.contains(code) && !beside.contains(code)).map(|code| code.name()).collect();
    assert_eq!(missing, [""; 0]);
}
