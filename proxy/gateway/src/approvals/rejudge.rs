//! After each swap of the law every request that lives is judged again, by what was recorded of its decision: what nobody
//! needs to decide any more is closed, and the calls that wait for it are judged as things are now.
//!
//! It runs beside traffic. A request that is made meanwhile is made under the new law, or not at all.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use pdp::approval::{Identity, Shown, State};
use pdp::decision::Decision;
use pdp::digest::Digest;
use pdp::registry::{Server, Tool};
use pdp::snapshot::Snapshot;

use super::Requests;
use super::about::About;
use super::book::Entry;
use crate::desk::case::{Asked, Case};
use crate::desk::recorded::{Outcome, Recorded};

/// One request as it is judged.
struct Put {
    id: String,
    digest: Digest,
    identity: Arc<Identity>,
    shown: Arc<Shown>,
    about: Arc<About>,
    entries: Option<(Arc<Server>, Option<Arc<Tool>>)>,
    whole: bool,
    /// The grants that were given, where they were.
    granted: Option<BTreeSet<String>>,
}

impl Put {
    fn of(entry: &Entry) -> Self {
        let request = &entry.request;
        let granted = if let State::Granted(granted) = request.state() { Some(granted.grants().clone()) } else { None };
        Self {
            id: request.id().to_owned(),
            digest: request.digest(),
            identity: Arc::clone(request.identity()),
            shown: Arc::clone(request.shown()),
            about: Arc::clone(&entry.about),
            entries: entry.entries.clone(),
            whole: entry.whole,
            granted,
        }
    }
}

impl Requests {
    /// Judges every request that lives by the law of this moment. Takes its time, and blocks.
    pub fn judge_again(&self) {
        let law = self.world.snapshots.current();
        let now_ms = self.now_us() / 1000;
        // Nobody joins a request but under the law of the moment, so what comes to one from here on came under this one.
        let live: Vec<Put> = self.locked().all().filter(|entry| entry.request.is_live()).map(Put::of).collect();
        let mut same = Same::default();
        for put in live {
            let Some(why) = why_over(&put, &law, &mut same, now_ms) else { continue };
            let mut book = self.locked();
            if book.get(&put.id).is_some_and(|entry| entry.request.digest() == put.digest) {
                self.close(&mut book, &put.id, &why);
            }
        }
    }
}

/// What was found of entries of the registry: whether they are the same now. Many requests are for one tool.
#[derive(Default)]
struct Same(HashMap<(usize, usize), bool>);

impl Same {
    fn is(&mut self, was: &(Arc<Server>, Option<Arc<Tool>>), server: &Server, tool: Option<&Arc<Tool>>) -> bool {
        let (before, tool_before) = was;
        let at = tool_before.as_ref().map_or(0, |tool| Arc::as_ptr(tool).addr());
        *self.0.entry((Arc::as_ptr(before).addr(), at)).or_insert_with(|| {
            let same_tool = match (tool_before, tool) {
                (Some(before), Some(now)) => before.is_same_as(now),
                (None, _) => true,
                (Some(_), None) => false,
            };
            same_tool && before.is_same_as(server)
        })
    }
}

/// Why there is nothing to decide of a request any more under this law, if so.
fn why_over(put: &Put, law: &Snapshot, same: &mut Same, now_ms: i64) -> Option<String> {
    if put.shown.snapshot == law.digest() {
        return None;
    }
    let (about, identity) = (&put.about, &put.identity);
    let changed = || Some(format!("the registry entry of `{}` has changed", identity.server));
    let Some(server) = law.server(&identity.server) else { return changed() };
    let tool = server.tools.get(&identity.action).filter(|_| !about.action.is_method);
    if !about.action.is_method && tool.map(|tool| tool.pin) != identity.pin {
        return changed();
    }
    let moved = match &put.entries {
        Some(entries) => !same.is(entries, server, tool),
        None => server.transport.identity() != identity.reached,
    };
    if moved {
        return changed();
    }
    let recorded = recorded(put, now_ms);
    if !put.whole {
        return Some(
            "the policies or the registry have changed, and its arguments are not kept to judge it by".to_owned(),
        );
    }
    // What was looked for and found nowhere is said, too.
    if put.shown.origin.is_none() && recorded.lacks_origin_of(put.shown.snapshot, law) {
        return Some("the policies look now at where its values came from".to_owned());
    }
    let judgement = match recorded.judge(law) {
        Outcome::Judged(judgement) => judgement,
        Outcome::Refused(fault) => return Some(format!("it would be refused now: {fault}")),
    };
    match judgement.decision {
        Decision::Allow(_) => Some("the law allows it now, without an approval".to_owned()),
        Decision::Deny(_) => {
            let rules: Vec<&str> = judgement.rules.iter().map(|rule| rule.id.as_str()).collect();
            let rules = if rules.is_empty() { "nothing permits it".to_owned() } else { rules.join(", ") };
            Some(format!("the law denies it now ({rules})"))
        }
        Decision::Escalate(needed) => {
            let enough = match &put.granted {
                Some(granted) => needed.is_subset(granted),
                None => needed == put.shown.grants,
            };
            let list = needed.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
            (!enough).then(|| format!("the law asks for other grants now: {list}"))
        }
    }
}

/// The call as it was recorded, without what was granted.
fn recorded(put: &Put, now_ms: i64) -> Recorded {
    let Put { about, identity, shown, .. } = put;
    let mut facts = about.decision.facts(&about.task.id);
    facts.now_ms = now_ms;
    facts.grants.clear();
    facts.impact.clone_from(&shown.impact);
    for (argument, labels) in shown.origin.iter().flatten() {
        facts.origin.entry(argument.clone()).or_insert_with(|| labels.clone());
    }
    let asked = if about.action.is_method {
        Asked::Method { name: identity.action.clone(), target: about.action.target.clone() }
    } else {
        Asked::Tool { name: identity.action.clone(), arguments: identity.arguments.clone() }
    };
    let case = Case { principal: about.principal.clone(), server: identity.server.clone(), asked, facts };
    let along = about.decision.along.iter().map(|along| Case {
        asked: Asked::Method { name: along.method.clone(), target: along.target.clone() },
        ..case.clone()
    });
    let was = pdp::policy::Judgement { decision: about.decision.decision.clone(), rules: shown.rules.clone() };
    Recorded { along: along.collect(), case, was }
}
