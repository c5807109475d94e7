//! A request as people see it. What comes from a client or a server stands under `claimed`, and nowhere else.

use std::collections::BTreeMap;
use std::path::Path;

use pdp::approval::{Barred, GrantRules, State};
use pdp::digest::{DEPTH_MAX, Digest};
use pdp::json::{self, Json};
use pdp::label::LabelSet;
use pdp::policy::Impact;
use pdp::record::{Direction, FrameKind, Record};
use pdp::refusal::Code;
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::approvals::Sight;
use crate::auth::Visitor;
use crate::clock::rfc3339;
use crate::config::Role;
use crate::ledger::{Past, Reader, StoreFault};

/// How many calls that went before are shown.
const BEFORE: usize = 10;
/// How many entries of a task are looked at for them, and how many of those are read, at a time; and how many times. Notices
/// and events are among them, so a task may have said a lot since its last calls.
const LOOKED: usize = 2000;
const READ: usize = 50;
const LOOKS_MAX: usize = 50;

/// A request in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApprovalLine {
    /// Names the request and opens nothing.
    id: String,
    /// `pending`, `granted`, `refused`, `spent`, `expired` or `closed`.
    #[schema(value_type = String)]
    state: &'static str,
    /// RFC 3339.
    created: String,
    /// Until when its state holds by itself, RFC 3339; nothing where it is over.
    expires: Option<String>,
    /// How many calls wait for it.
    waiting: u32,
    /// How many calls have asked for it.
    asked: u32,
    caller: CallerTold,
    task: ApprovalTask,
    server: ApprovalServer,
    action: ActionTold,
    /// The labels that its task had gathered.
    labels: Vec<String>,
    rules: Vec<RuleTold>,
    grants: Vec<GrantTold>,
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
struct CallerTold {
    /// `tenant/agent`, as it proved who it is.
    agent: String,
    tenant: String,
    /// The person it acts for; empty where nobody.
    user: String,
    teams: Vec<String>,
    /// How it proved who it is.
    method: String,
    /// What its client calls itself, which nobody has verified.
    claimed: ClientClaim,
}

#[derive(Debug, Serialize, ToSchema)]
struct ClientClaim {
    client: String,
    version: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct ApprovalTask {
    id: String,
    trace: String,
    profile: String,
    explicit: bool,
    /// What the user asked for, as the host gave it.
    goal: Option<String>,
    labels: Vec<String>,
}

#[derive(Debug, Serialize, ToSchema)]
struct ApprovalServer {
    name: String,
    system: String,
    owner: String,
    transport: String,
    /// The labels its results carry; empty where none.
    trust: String,
}

#[derive(Debug, Serialize, ToSchema)]
struct ActionTold {
    name: String,
    /// `tool` or `method`.
    #[schema(value_type = String)]
    kind: &'static str,
    effects: Vec<String>,
    #[schema(value_type = Option<String>)]
    pin: Option<Digest>,
    reviewed_by: Option<String>,
    reviewed_at: Option<String>,
    /// What its server says of it: title, description, annotations.
    #[schema(value_type = Object)]
    claimed: Value,
}

#[derive(Debug, Serialize, ToSchema)]
struct RuleTold {
    id: String,
    reason: String,
}

/// A grant that is asked for.
#[derive(Debug, Serialize, ToSchema)]
struct GrantTold {
    name: String,
    /// How many different persons must give it.
    quorum: u32,
    /// The keys of those who have.
    given_by: Vec<String>,
    /// Whether the visitor may give it now.
    you_may: bool,
    /// Why not.
    why_not: Option<String>,
    /// Whether a passkey is asked for.
    step_up: bool,
}

/// A request, whole.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ApprovalTold {
    #[serde(flatten)]
    line: ApprovalLine,
    /// What a decision binds; it is sent back with it.
    #[schema(value_type = String)]
    digest: Digest,
    arguments: ArgumentsTold,
    /// What a preview of the call found.
    #[schema(value_type = Option<Object>)]
    impact: Option<Value>,
    /// Who may read what the task has gathered; nothing where everyone may.
    readers: Option<Vec<String>>,
    /// The last calls of its task, the latest last. Nothing (`null`) where that cannot be told: the ledger cannot be read,
    /// or so much else was recorded of the task that none of its calls was reached.
    before: Option<Vec<BeforeTold>>,
    decisions: Vec<DecisionTold>,
    why_closed: Option<String>,
    /// The snapshot it was judged by.
    #[schema(value_type = String)]
    snapshot: Digest,
    /// The number of the call that asked first.
    record: u64,
}

/// The exact arguments.
#[derive(Debug, Serialize, ToSchema)]
struct ArgumentsTold {
    /// All of them as canonical JSON.
    text: String,
    /// Whether that is all of them: after a restart the values that must not be stored are gone until the call comes again.
    /// What is not whole can be refused and not approved.
    whole: bool,
    fields: Vec<FieldTold>,
}

#[derive(Debug, Serialize, ToSchema)]
struct FieldTold {
    name: String,
    /// As JSON text.
    value: String,
    /// The labels of what its value was found in; `user` where the user gave it; empty where it was found nowhere.
    origin: Vec<String>,
    /// Whether it says where the effect goes.
    sink: bool,
    /// Whether its value is not to be stored.
    sensitive: bool,
}

/// A call that went before.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct BeforeTold {
    number: u64,
    at: String,
    server: String,
    action: String,
    /// `allow`, `escalate` or `deny`; nothing where it was refused before policy was asked.
    decision: Option<String>,
    ending: String,
    labels: Vec<String>,
}

/// What somebody decided.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionTold {
    at: String,
    by: String,
    /// `granted` or `refused`.
    #[schema(value_type = String)]
    what: &'static str,
    grants: Vec<String>,
    uses: u32,
    reason: String,
}

fn words(labels: &LabelSet) -> Vec<String> {
    labels.iter().map(|label| label.as_str().to_owned()).collect()
}

/// A request in a list, as this visitor sees it.
pub(super) fn line(sight: &Sight, visitor: &Visitor, rules: &GrantRules) -> ApprovalLine {
    let Sight { request, about, waiting, asked, .. } = sight;
    let shown = request.shown();
    let caller = &about.principal;
    // Names have spaces, versions none.
    let (client, version) = about.client.rsplit_once(' ').unwrap_or((&about.client, ""));
    let labels = words(&shown.labels);
    ApprovalLine {
        id: request.id().to_owned(),
        state: request.state().word(),
        created: rfc3339(request.created_us()),
        expires: request.until_us().map(rfc3339),
        waiting: *waiting,
        asked: *asked,
        caller: CallerTold {
            agent: caller.key(),
            tenant: caller.tenant.clone(),
            user: caller.user.clone(),
            teams: caller.teams.clone(),
            method: caller.method.clone(),
            claimed: ClientClaim { client: client.to_owned(), version: version.to_owned() },
        },
        task: ApprovalTask {
            id: about.task.id.clone(),
            trace: about.task.trace.clone(),
            profile: about.task.profile.clone(),
            explicit: about.task.explicit,
            goal: about.task.goal.clone(),
            labels: labels.clone(),
        },
        server: ApprovalServer {
            name: about.server.name.clone(),
            system: about.server.system.clone(),
            owner: about.server.owner.clone(),
            transport: about.server.transport.clone(),
            trust: about.server.trust.clone(),
        },
        action: ActionTold {
            name: about.action.name.clone(),
            kind: if about.action.is_method { "method" } else { "tool" },
            effects: about.action.effects.iter().map(|effect| effect.name().to_owned()).collect(),
            pin: about.action.pin,
            reviewed_by: about.action.reviewed_by.clone(),
            reviewed_at: about.action.reviewed_at.clone(),
            claimed: about.action.claimed.clone(),
        },
        labels,
        rules: shown.rules.iter().map(|rule| RuleTold { id: rule.id.clone(), reason: rule.reason.clone() }).collect(),
        grants: shown.grants.iter().map(|grant| told_grant(grant, sight, visitor, rules)).collect(),
    }
}

fn told_grant(grant: &str, sight: &Sight, visitor: &Visitor, rules: &GrantRules) -> GrantTold {
    let request = &sight.request;
    let given_by = match request.state() {
        State::Pending(pending) => pending.givers(grant).map(str::to_owned).collect(),
        State::Granted(_) | State::Spent(_) | State::Refused(_) | State::Expired(_) | State::Closed(_) => {
            let gave = request.decisions().iter().filter(|one| one.grants.contains(grant));
            gave.map(|one| one.by.clone()).collect()
        }
    };
    let why_not = if visitor.role < Some(Role::Approver) {
        Some("it needs the role `approver`".to_owned())
    } else if !sight.whole && matches!(request.state(), State::Pending(_)) {
        Some(
            "its sensitive arguments were not kept over a restart: it can be approved once the call comes again"
                .to_owned(),
        )
    } else {
        request.may_give(grant, &visitor.principal, rules).err().map(|why| match why {
            Barred::NotAsked => "nobody needs to give it any more".to_owned(),
            why @ (Barred::Own | Barred::Tenant | Barred::Unlisted | Barred::Given) => why.to_string(),
        })
    };
    let rule = rules.of(grant);
    GrantTold {
        name: grant.to_owned(),
        quorum: rule.quorum,
        given_by,
        you_may: why_not.is_none(),
        why_not,
        step_up: rule.step_up,
    }
}

/// A request, whole, as this visitor sees it.
pub(super) fn whole(
    sight: &Sight,
    visitor: &Visitor,
    rules: &GrantRules,
    before: Option<Vec<BeforeTold>>,
) -> ApprovalTold {
    let request = &sight.request;
    let shown = request.shown();
    let decisions = request.decisions().iter().map(|one| DecisionTold {
        at: rfc3339(one.at_us),
        by: one.by.clone(),
        what: if one.grants.is_empty() { "refused" } else { "granted" },
        grants: one.grants.iter().cloned().collect(),
        uses: one.uses,
        reason: one.reason.clone(),
    });
    let why_closed = match request.state() {
        State::Closed(closed) => Some(closed.why.clone()),
        State::Expired(expired) => Some(format!("its time was up while it was {}", expired.was)),
        State::Pending(_) | State::Granted(_) | State::Spent(_) | State::Refused(_) => None,
    };
    ApprovalTold {
        line: line(sight, visitor, rules),
        digest: request.digest(),
        arguments: arguments(sight),
        impact: shown.impact.as_ref().map(impact),
        readers: shown.readers.names().map(|names| names.iter().cloned().collect()),
        before,
        decisions: decisions.collect(),
        why_closed,
        snapshot: shown.snapshot,
        record: sight.about.number,
    }
}

fn arguments(sight: &Sight) -> ArgumentsTold {
    let (identity, action) = (sight.request.identity(), &sight.about.action);
    let text = identity.arguments.clone();
    let origin = &sight.request.shown().origin;
    let mut fields = Vec::new();
    if let Ok(Json::Object(members)) = Json::read(&text, DEPTH_MAX) {
        for (name, value) in &members {
            let name = name.to_string();
            fields.push(FieldTold {
                value: json::canonical(value),
                origin: origin.get(&name).map(words).unwrap_or_default(),
                sink: action.sinks.as_ref().is_some_and(|sinks| sinks.contains(&name)),
                sensitive: action.sensitive.contains(&name),
                name,
            });
        }
    }
    ArgumentsTold { text, whole: sight.whole, fields }
}

fn impact(found: &BTreeMap<String, Impact>) -> Value {
    let value = |impact: &Impact| match impact {
        Impact::Bool(yes) => json!(yes),
        Impact::Decimal(text) | Impact::String(text) => json!(text),
        Impact::Long(number) => json!(number),
    };
    Value::Object(found.iter().map(|(name, impact)| (name.clone(), value(impact))).collect())
}

/// The last calls of a request's task, out of the ledger. Blocks. Nothing where that cannot be told.
pub(super) fn before(ledger: &Path, sight: &Sight) -> Option<Vec<BeforeTold>> {
    match last_calls(ledger, sight) {
        Ok(before) => before,
        Err(fault) => {
            tracing::error!("what went before a request cannot be read: {fault}");
            None
        }
    }
}

fn last_calls(ledger: &Path, sight: &Sight) -> Result<Option<Vec<BeforeTold>>, StoreFault> {
    let reader = Reader::open(ledger)?;
    let task = Some(sight.about.task.id.clone());
    let mut past = Past { task, names_target: true, limit: READ, looked_max: LOOKED, ..Past::default() };
    let (mut before, mut unreadable) = (Vec::new(), 0_usize);
    for _ in 0..LOOKS_MAX {
        let page = reader.past(&past)?;
        unreadable = unreadable.saturating_add(page.unreadable);
        before
            .extend(page.records.iter().filter(|record| is_other_call(record, sight)).map(|record| told_call(record)));
        past.before = page.next;
        if before.len() >= BEFORE || past.before.is_none() {
            break;
        }
    }
    // Where nothing was found, and there may be something, nobody is told that there is nothing.
    if before.is_empty() && (unreadable > 0 || past.before.is_some()) {
        return Ok(None);
    }
    before.truncate(BEFORE);
    before.reverse();
    Ok(Some(before))
}

/// Whether it is a call, and not one that asked for this very request and was told to come again.
fn is_other_call(record: &Record, sight: &Sight) -> bool {
    let is_call =
        record.kind == FrameKind::Request && record.direction == Direction::ToServer && record.target.is_some();
    let identity = sight.request.identity();
    let is_same = || {
        record.server == identity.server
            && record.target.as_deref() == Some(identity.action.as_str())
            && record.arguments_digest == Some(Digest::of_bytes(identity.arguments.as_bytes()))
    };
    let is_pending = || record.refusal.as_ref().is_some_and(|refusal| refusal.code == Code::ApprovalPending);
    is_call && !(is_pending() && is_same())
}

fn told_call(record: &Record) -> BeforeTold {
    BeforeTold {
        number: record.number,
        at: rfc3339(record.started_us),
        server: record.server.clone(),
        action: record.target.clone().unwrap_or_default(),
        decision: record.decision.as_ref().map(|note| note.decision.word().to_owned()),
        ending: record.ending.word().to_owned(),
        labels: words(&record.labels),
    }
}
