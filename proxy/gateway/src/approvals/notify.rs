//! Which steps of a request people are told of, and what: facts the gate verified, and no argument.

use std::sync::Arc;

use pdp::policy::Rule;

use super::book::{Book, Entry};
use super::{About, Requests};
use crate::notices::{Notice, Notices, Outcome, Told};

impl Requests {
    /// From now on people are told of requests over these channels.
    pub fn tells(&self, notices: Arc<Notices>) {
        // The first word counts: the channels of a running gate do not change.
        let _first = self.notices.set(notices);
    }

    /// Tells people of a step. `outcome` is what came of the request, where it was decided.
    pub(super) fn notify(&self, book: &Book, id: &str, event: Told, outcome: Option<Outcome>, by: Option<&str>) {
        if let (Some(notices), Some(entry)) = (self.notices.get(), book.get(id)) {
            let expires_us = entry.request.created_us().saturating_add(self.settings.pending_us);
            notices.tell(&Notice { expires_us, ..notice(entry, event, outcome, by) });
        }
    }
}

fn notice(entry: &Entry, event: Told, outcome: Option<Outcome>, by: Option<&str>) -> Notice {
    let About { task, server, action, principal, .. } = &*entry.about;
    let shown = entry.request.shown();
    let reason = |rule: &Rule| if rule.reason.is_empty() { rule.id.clone() } else { rule.reason.clone() };
    Notice {
        id: entry.request.id().to_owned(),
        event,
        outcome,
        tenant: principal.tenant.clone(),
        agent: principal.key(),
        user: principal.user.clone(),
        server: server.name.clone(),
        action: action.name.clone(),
        grants: shown.grants.iter().cloned().collect(),
        reasons: shown.rules.iter().map(reason).collect(),
        expires_us: 0,
        decided_by: by.map(str::to_owned),
        task: Some(task.id.clone()),
        trace: Some(task.trace.clone()),
        test: false,
    }
}
