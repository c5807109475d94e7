//! Canonical bytes of entries (RFC 8785), written in one pass: members stand in order, and nothing is read back.
//!
//! `serde_json` writes strings and integers as RFC 8785 asks; members come in the order in which structures declare
//! them, so here they are declared in the order of their names. The property test compares every entry's text with what
//! the general canonicaliser makes of it, and with the entry read back, so that no member is forgotten.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{
    ApprovalNote, Attempt, DecisionNote, Direction, EffectNote, Ending, Entry, ErrandNote, Event, FlowNote, FrameKind,
    Intent, Note, PlanNote, Record, ResultNote, Said, Saying, StageTime, Standing, Tag, Voice,
};
use crate::digest::Digest;
use crate::effect::Effect;
use crate::json::{self, Json};
use crate::label::LabelSet;
use crate::principal::Principal;
use crate::refusal::Refusal;

/// A JSON value as canonical text.
#[derive(Debug, Clone)]
pub struct CanonicalJson(Box<RawValue>);

impl CanonicalJson {
    /// The canonical text of a value.
    #[must_use]
    pub fn of(value: &Json<'_>) -> Self {
        let text = RawValue::from_string(json::canonical(value));
        // The canonical form is JSON, so this cannot fail; `null` is what a record can always hold.
        Self(text.unwrap_or_else(|_| RawValue::NULL.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.0.get()
    }
}

impl From<serde_json::Value> for CanonicalJson {
    fn from(value: serde_json::Value) -> Self {
        let text = value.to_string();
        // A value nests no deeper than its reader allowed, so its text can be read again.
        Json::read(&text, usize::MAX).map_or_else(|_| Self(RawValue::NULL.to_owned()), |value| Self::of(&value))
    }
}

impl PartialEq for CanonicalJson {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for CanonicalJson {}

impl Serialize for CanonicalJson {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CanonicalJson {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let value = Json::read(raw.get(), crate::digest::DEPTH_MAX).map_err(serde::de::Error::custom)?;
        Ok(Self::of(&value))
    }
}

impl Serialize for Entry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Intent(intent) => IntentText::of(intent).serialize(serializer),
            Self::Record(record) => RecordText::of(record).serialize(serializer),
            Self::Event(event) => EventText::of(event).serialize(serializer),
            Self::Said(said) => SaidText::of(said).serialize(serializer),
        }
    }
}

#[derive(Serialize)]
struct RecordText<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    approvals: &'a [ApprovalNote],
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments: Option<&'a CanonicalJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments_digest: Option<Digest>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    attempts: &'a [Attempt],
    bytes_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'a DecisionNote>,
    direction: Direction,
    #[serde(skip_serializing_if = "Option::is_none")]
    effect: Option<&'a EffectNote>,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    effects: &'a BTreeSet<Effect>,
    ending: Ending,
    entry: Tag,
    #[serde(skip_serializing_if = "Option::is_none")]
    errand: Option<&'a ErrandNote>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<&'a FlowNote>,
    kind: FrameKind,
    #[serde(skip_serializing_if = "LabelSet::is_empty")]
    labels: &'a LabelSet,
    #[serde(skip_serializing_if = "Option::is_none")]
    link: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [Note],
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    parent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pin: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    plan: Option<&'a PlanNote>,
    #[serde(skip_serializing_if = "Option::is_none")]
    principal: Option<&'a Arc<Principal>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<&'a Refusal>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a ResultNote>,
    server: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<&'a str>,
    snapshot: Digest,
    span: &'a str,
    stages: &'a [StageTime],
    started_us: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    system: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    task: &'a str,
    took_us: u64,
    trace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    transport: Option<&'a str>,
    v: u32,
}

impl<'a> RecordText<'a> {
    fn of(whole: &'a Record) -> Self {
        Self {
            approvals: &whole.approvals,
            arguments: whole.arguments.as_ref(),
            arguments_digest: whole.arguments_digest,
            attempts: &whole.attempts,
            bytes_in: whole.bytes_in,
            client: whole.client.as_deref(),
            credential: whole.credential.as_deref(),
            decision: whole.decision.as_ref(),
            direction: whole.direction,
            effect: whole.effect.as_ref(),
            effects: &whole.effects,
            ending: whole.ending,
            entry: Tag::Record,
            errand: whole.errand.as_ref(),
            flow: whole.flow.as_deref(),
            kind: whole.kind,
            labels: &whole.labels,
            link: whole.link.as_deref(),
            method: whole.method.as_deref(),
            notes: &whole.notes,
            number: whole.number,
            parent: whole.parent.as_deref(),
            pin: whole.pin,
            plan: whole.plan.as_ref(),
            principal: whole.principal.as_ref(),
            protocol: whole.protocol.as_deref(),
            refusal: whole.refusal.as_ref(),
            request_id: whole.request_id.as_deref(),
            result: whole.result.as_ref(),
            server: &whole.server,
            session: whole.session.as_deref(),
            snapshot: whole.snapshot,
            span: &whole.span,
            stages: &whole.stages,
            started_us: whole.started_us,
            system: whole.system.as_deref(),
            target: whole.target.as_deref(),
            task: &whole.task,
            took_us: whole.took_us,
            trace: &whole.trace,
            transport: whole.transport.as_deref(),
            v: whole.v,
        }
    }
}

#[derive(Serialize)]
struct IntentText<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    arguments_digest: Option<Digest>,
    at_us: i64,
    body: Digest,
    entry: Tag,
    method: &'a str,
    number: u64,
    principal: &'a Arc<Principal>,
    server: &'a str,
    snapshot: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
    task: &'a str,
    trace: &'a str,
}

impl<'a> IntentText<'a> {
    fn of(whole: &'a Intent) -> Self {
        Self {
            arguments_digest: whole.arguments_digest,
            at_us: whole.at_us,
            body: whole.body,
            entry: Tag::Intent,
            method: &whole.method,
            number: whole.number,
            principal: &whole.principal,
            server: &whole.server,
            snapshot: whole.snapshot,
            target: whole.target.as_deref(),
            task: &whole.task,
            trace: &whole.trace,
        }
    }
}

#[derive(Serialize)]
struct EventText<'a> {
    at_us: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    detail: &'a str,
    entry: Tag,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace: Option<&'a str>,
    what: &'a str,
}

impl<'a> EventText<'a> {
    fn of(whole: &'a Event) -> Self {
        Self {
            at_us: whole.at_us,
            by: whole.by.as_deref(),
            detail: &whole.detail,
            entry: Tag::Event,
            snapshot: whole.snapshot,
            task: whole.task.as_deref(),
            trace: whole.trace.as_deref(),
            what: &whole.what,
        }
    }
}

#[derive(Serialize)]
struct SaidText<'a> {
    at_us: i64,
    by: &'a str,
    entry: Tag,
    #[serde(skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
    said: &'a Saying,
    standing: Standing,
    task: &'a str,
    trace: &'a str,
    voice: Voice,
}

impl<'a> SaidText<'a> {
    fn of(whole: &'a Said) -> Self {
        Self {
            at_us: whole.at_us,
            by: &whole.by,
            entry: Tag::Said,
            number: whole.number,
            said: &whole.said,
            standing: whole.standing,
            task: &whole.task,
            trace: &whole.trace,
            voice: whole.voice,
        }
    }
}
