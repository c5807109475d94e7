//! Completeness: every refusal, ending, method, kind of frame and obligation is met by some script of `path/`.
//!
//! What nobody can meet yet stands on a list with its reason. The list may only shrink: an entry that a script does meet
//! fails here too.

use std::collections::BTreeSet;
use std::fmt::Debug;

use pdp::decision::Obligation;
use pdp::method::METHODS;
use pdp::record::{Direction, Ending, FrameKind};
use pdp::refusal::Code;

use crate::path;
use crate::world::{self, trail::Seen};

/// What no script meets, and why.
const EXEMPT: [(&str, &str); 1] = [("EntryWithheld", "tests/it/flow.rs meets it, in a world that has memories")];

fn seen() -> Seen {
    let mut seen = Seen::default();
    for (_, script) in path::all() {
        for record in world::run(script).ledger.records() {
            seen.note(&record);
        }
    }
    seen
}

/// Compares what there is with what was met.
fn complete<T: Ord + Debug>(what: &str, every: impl IntoIterator<Item = T>, met: &BTreeSet<T>) -> Vec<String> {
    let mut faults = Vec::new();
    for one in every {
        let name = format!("{one:?}");
        let exempt = EXEMPT.iter().any(|(exempt, _)| *exempt == name);
        match (met.contains(&one), exempt) {
            (false, false) => faults.push(format!("no script in tests/it/path meets the {what} {name}: write one")),
            (true, true) => {
                faults.push(format!("the {what} {name} is met: take it off EXEMPT in tests/it/coverage.rs"))
            }
            (true, false) | (false, true) => {}
        }
    }
    faults
}

/// Every obligation. The match makes a new one fail to compile until it stands here.
fn obligations() -> Vec<Obligation> {
    let declassify = Obligation::named("declassify:private").unwrap().imposed_by("published");
    match Obligation::Quote {
        Obligation::Quote | Obligation::Declassify { .. } => vec![Obligation::Quote, declassify],
    }
}

/// Every kind of frame that exists in its direction: streams are opened and sessions ended by clients alone.
fn ways() -> Vec<String> {
    let kinds = |direction: Direction| match direction {
        Direction::ToServer => vec![
            FrameKind::Request,
            FrameKind::Notification,
            FrameKind::Response,
            FrameKind::Stream,
            FrameKind::EndSession,
            FrameKind::Unreadable,
        ],
        Direction::ToClient => {
            vec![FrameKind::Request, FrameKind::Notification, FrameKind::Response, FrameKind::Unreadable]
        }
    };
    let both = [Direction::ToServer, Direction::ToClient];
    both.into_iter().flat_map(|way| kinds(way).into_iter().map(move |kind| format!("{way:?} {kind:?}"))).collect()
}

#[test]
fn everything_is_met_by_a_script() {
    let seen = seen();
    let mut faults = complete("refusal", Code::ALL, &seen.codes);
    faults.extend(complete("ending", Ending::ALL, &seen.endings));
    faults.extend(complete("obligation", obligations(), &seen.obligations));
    faults.extend(complete("way", ways(), &seen.ways));
    faults.extend(complete("method", METHODS.iter().map(|m| m.name.to_owned()), &seen.methods));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Nothing is exempt that does not exist any more.
#[test]
fn every_exemption_names_something() {
    let names: BTreeSet<String> = (Code::ALL.iter().map(|c| format!("{c:?}")))
        .chain(Ending::ALL.iter().map(|e| format!("{e:?}")))
        .chain(obligations().iter().map(|o| format!("{o:?}")))
        .chain(METHODS.iter().map(|m| format!("{:?}", m.name)))
        .collect();
    for (exempt, reason) in EXEMPT {
        assert!(names.contains(exempt) && !reason.is_empty(), "`{exempt}` in EXEMPT names nothing, or gives no reason");
    }
}
