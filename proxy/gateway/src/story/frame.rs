//! One frame of a story: its head, and what is known of it, line by line. Words only; the layout places them.

use jiff::Timestamp;
use pdp::decision::{Decision, Obligation, Reason};
use pdp::digest::Digest;
use pdp::flow::memory::Role;
use pdp::policy::Impact;
use pdp::record::{
    Attempt, DecisionNote, Declassified, Direction, EffectNote, EffectState, Ending, FlowNote, FrameKind, Intent,
    MemoryNote, Record, ResultNote,
};

use super::{said, visible};

/// A frame as the ledger knows it: what was about to be done, what came of it, or both.
#[derive(Debug, Clone, Copy)]
pub(super) enum Frame<'e> {
    /// Its outcome is known; the intent too, if there was one.
    Recorded(&'e Record, Option<&'e Intent>),
    /// Nothing but its intent is known.
    Open(&'e Intent),
}

/// How a head's outcome is coloured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mood {
    Good,
    Refused,
    Doubtful,
}

impl<'e> Frame<'e> {
    pub(super) fn number(&self) -> u64 {
        match self {
            Self::Recorded(record, _) => record.number,
            Self::Open(intent) => intent.number,
        }
    }

    /// When it arrived, as far as known, in microseconds since 1970-01-01T00:00Z.
    pub(super) fn started_us(&self) -> i64 {
        match self {
            Self::Recorded(record, _) => record.started_us,
            Self::Open(intent) => intent.at_us,
        }
    }

    /// When it ended, as far as known.
    pub(super) fn ended_us(&self) -> i64 {
        match self {
            Self::Recorded(record, _) => after(record.started_us, record.took_us),
            Self::Open(intent) => intent.at_us,
        }
    }

    pub(super) fn snapshot(&self) -> Digest {
        match self {
            Self::Recorded(record, _) => record.snapshot,
            Self::Open(intent) => intent.snapshot,
        }
    }

    /// What it came to, in a word, for counting.
    pub(super) fn outcome(&self) -> &'static str {
        match self {
            Self::Recorded(record, _) => outcome(record),
            Self::Open(_) => "without an outcome",
        }
    }

    /// What it came to, for the head.
    pub(super) fn verdict(&self) -> (String, Mood) {
        match self {
            Self::Open(_) => ("NO OUTCOME".to_owned(), Mood::Doubtful),
            Self::Recorded(record, _) => {
                let mood = match record.ending {
                    Ending::Served => Mood::Good,
                    Ending::Refused => Mood::Refused,
                    Ending::Failed | Ending::Abandoned | Ending::Panicked | Ending::Indeterminate => Mood::Doubtful,
                };
                let decision = record.decision.as_ref().map_or(String::new(), |d| format!("{}, ", d.decision.word()));
                (format!("{decision}{}", outcome(record)), mood)
            }
        }
    }

    /// What it was: which way, which server, which method on what.
    pub(super) fn title(&self) -> String {
        let (arrow, server, kind, method, target) = match self {
            Self::Open(intent) => ("->", &intent.server, "", Some(&intent.method), intent.target.as_ref()),
            Self::Recorded(record, _) => {
                let arrow = match record.direction {
                    Direction::ToServer => "->",
                    Direction::ToClient => "<-",
                };
                (arrow, &record.server, kind_word(record.kind), record.method.as_ref(), record.target.as_ref())
            }
        };
        let mut title = format!("{arrow} {}", visible::text(server));
        for part in [Some(kind), method.map(String::as_str), target.map(String::as_str)].into_iter().flatten() {
            if !part.is_empty() {
                title.push(' ');
                title.push_str(&visible::text(part));
            }
        }
        title
    }

    /// The call during which this frame passed, if any of `calls` is: the latest begun, on the same server and
    /// session. Only frames that a server starts, and what answers them, belong under another.
    pub(super) fn parent(&self, calls: &[Frame<'e>]) -> Option<u64> {
        let Self::Recorded(child, _) = self else { return None };
        if child.direction == Direction::ToServer && child.kind != FrameKind::Response {
            return None;
        }
        let during = calls.iter().filter_map(|call| match call {
            Self::Recorded(call, _) if covers(call, child) => Some(call),
            Self::Recorded(..) | Self::Open(_) => None,
        });
        during.max_by_key(|call| (call.started_us, call.number)).map(|call| call.number)
    }

    /// Everything else that is known, as labels and lines.
    pub(super) fn lines(&self) -> Vec<(&'static str, String)> {
        match self {
            Self::Open(intent) => vec![
                ("intent", format!("on disk at {}, to send {}", time(intent.at_us), intent.body)),
                (
                    "outcome",
                    "none is recorded: it is still under way, or the gate stopped first; it may have had its effect"
                        .to_owned(),
                ),
            ],
            Self::Recorded(record, intent) => record_lines(record, *intent),
        }
    }
}

/// How a call ended. What became of its effect says more where its result was withheld or it was undone: its answer did not come,
/// and yet everybody knows what it did.
fn outcome(record: &Record) -> &'static str {
    match record.effect.as_ref().map(|effect| effect.state) {
        Some(state @ (EffectState::Quarantined | EffectState::RolledBack)) => state.word(),
        Some(EffectState::Committed | EffectState::Denied | EffectState::Indeterminate) | None => record.ending.word(),
    }
}

fn covers(call: &Record, child: &Record) -> bool {
    let same_session = match (&call.session, &child.session) {
        (Some(one), Some(other)) => one == other,
        (Some(_) | None, None) | (None, Some(_)) => true,
    };
    call.direction == Direction::ToServer
        && call.kind == FrameKind::Request
        && call.server == child.server
        && same_session
        && (call.started_us..=after(call.started_us, call.took_us)).contains(&child.started_us)
}

fn kind_word(kind: FrameKind) -> &'static str {
    match kind {
        FrameKind::Request => "",
        FrameKind::Notification => "notification",
        FrameKind::Response => "response",
        FrameKind::Stream => "stream opened",
        FrameKind::EndSession => "session ended",
        FrameKind::Unreadable => "unreadable",
    }
}

fn record_lines(record: &Record, intent: Option<&Intent>) -> Vec<(&'static str, String)> {
    let mut lines = Vec::new();
    match (&record.arguments, record.arguments_digest) {
        (Some(arguments), _) => lines.push(("arguments", visible::json_text(arguments.text()))),
        (None, Some(digest)) => lines.push(("arguments", format!("not recorded, {digest}"))),
        (None, None) => {}
    }
    if !record.effects.is_empty() {
        let names: Vec<&str> = record.effects.iter().map(|effect| effect.name()).collect();
        lines.push(("effect", names.join(", ")));
    }
    lines.extend(labels(record).map(|text| ("labels", text)));
    if let Some(flow) = &record.flow {
        flow_lines(flow, &mut lines);
    }
    if let Some(note) = &record.decision {
        decision_lines(note, &mut lines);
    }
    if let Some(note) = &record.plan {
        lines.push(("plan", said::step_words(note)));
    }
    if let Some(errand) = &record.errand {
        lines.push(("errand", format!("the gate's own {}, for record {}", errand.what.word(), errand.of)));
    }
    if let Some(credential) = &record.credential {
        lines.push(("credential", visible::text(credential)));
    }
    if let Some(intent) = intent {
        let at = u64::try_from(intent.at_us.saturating_sub(record.started_us)).unwrap_or(0);
        lines.push(("intent", format!("on disk, {} after arrival", duration(at))));
    }
    if !record.stages.is_empty() {
        lines.push(("stages", stages(record)));
    }
    for attempt in &record.attempts {
        lines.push(("upstream", attempt_words(attempt)));
    }
    for note in &record.notes {
        lines.push(("note", format!("after {}: {}", duration(note.at_us), visible::text(&note.text))));
    }
    if let Some(result) = &record.result {
        lines.push(("result", result_words(result)));
    }
    if let Some(refusal) = &record.refusal {
        lines.push(("refusal", format!("{}: {}", refusal.code.name(), visible::text(&refusal.message))));
    }
    if let Some(effect) = &record.effect {
        effect_lines(effect, &mut lines);
    }
    lines.push(("ending", format!("{} after {}{}", record.ending.word(), duration(record.took_us), meaning(record))));
    lines
}

/// The task's labels when the frame was judged, and what its answer made of them.
fn labels(record: &Record) -> Option<String> {
    let Some(note) = &record.decision else {
        return (!record.labels.is_empty()).then(|| format!("{} on the answer", record.labels));
    };
    let after = note.labels.clone().join(&record.labels);
    Some(if after == note.labels { after.to_string() } else { format!("{} -> {after}", note.labels) })
}

/// Who may read the answer, what was taken off it and by whom, and which entries of a memory it was about.
fn flow_lines(flow: &FlowNote, lines: &mut Vec<(&'static str, String)>) {
    if let Some(names) = flow.readers.names() {
        let names: Vec<String> = names.iter().map(|name| visible::text(name)).collect();
        lines.push(("readers", if names.is_empty() { "nobody".to_owned() } else { names.join(", ") }));
    }
    if !flow.sent.is_empty() {
        lines.push(("sent", format!("the client's own answer, carrying {}", flow.sent)));
    }
    for Declassified { by, grants, label } in &flow.declassified {
        let grants: Vec<String> = grants.iter().map(|grant| visible::text(grant)).collect();
        let held = if grants.is_empty() { String::new() } else { format!(", granted by {}", grants.join(", ")) };
        lines.push(("taken off", format!("{} by {}{held}", visible::text(label), visible::text(by))));
    }
    if let Some(memory) = &flow.memory {
        lines.push(("memory", memory_words(memory)));
    }
}

fn memory_words(memory: &MemoryNote) -> String {
    let keys: Vec<String> = memory.keys.iter().map(|key| visible::text(key)).collect();
    let what = if keys.is_empty() { "the whole scope".to_owned() } else { keys.join(", ") };
    let mut words = match memory.role {
        Role::Read => format!("read {what}"),
        Role::Write => format!("wrote {what}"),
        Role::Append => format!("added to {what}"),
        Role::Delete => format!("deleted {what}"),
    };
    if !memory.scope.is_empty() {
        words.push_str(&format!(" of {}", visible::text(&memory.scope)));
    }
    if !memory.written_in.is_empty() {
        let records: Vec<String> = memory.written_in.iter().map(u64::to_string).collect();
        words.push_str(&format!(", written in record {}", records.join(", ")));
    }
    if let Some(at) = memory.expires_us {
        words.push_str(&format!(", delivered until {}", time(at)));
    }
    if memory.withheld > 0 {
        words.push_str(&format!(", {} withheld", memory.withheld));
    }
    words
}

fn decision_lines(note: &DecisionNote, lines: &mut Vec<(&'static str, String)>) {
    for (argument, labels) in &note.origin {
        lines.push(("origin", format!("{}: {labels}", visible::text(argument))));
    }
    if !note.unvouched.is_empty() {
        lines.push(("goes to", format!("a place the user did not give: {}", note.unvouched)));
    }
    let words = match &note.decision {
        Decision::Allow(obligations) if obligations.is_empty() => "allow".to_owned(),
        Decision::Allow(obligations) => {
            let duties: Vec<String> = obligations
                .iter()
                .map(|duty| match duty {
                    Obligation::Quote => "hand text over as quoted evidence".to_owned(),
                    Obligation::Declassify { by, label } => format!("take `{label}` off the result ({by})"),
                })
                .collect();
            format!("allow, and {}", duties.join(", "))
        }
        Decision::Escalate(grants) => {
            let grants: Vec<String> = grants.iter().map(|grant| visible::text(grant)).collect();
            format!("escalate: it needs {}", grants.join(", "))
        }
        Decision::Deny(Reason::NoPermit) => "deny: no policy permits it".to_owned(),
        Decision::Deny(Reason::Forbidden) => "deny: a policy forbids it".to_owned(),
        Decision::Deny(Reason::Unjudgeable(why)) => {
            format!("deny: an argument has no form that policies could judge: {}", visible::text(why))
        }
        Decision::Deny(Reason::Fault(why)) => format!("deny: a policy could not be evaluated: {}", visible::text(why)),
    };
    lines.push(("decision", words));
    for rule in &note.rules {
        let reason = if rule.reason.is_empty() { String::new() } else { format!(": {}", visible::text(&rule.reason)) };
        lines.push(("rule", format!("{}{reason}", visible::text(&rule.id))));
    }
    if let Some(found) = note.impact.as_ref().filter(|found| !found.is_empty()) {
        let found: Vec<String> =
            found.iter().map(|(name, value)| format!("{} {}", visible::text(name), impact(value))).collect();
        lines.push(("impact", found.join(", ")));
    }
    if !note.grants.is_empty() {
        let grants: Vec<String> = note.grants.iter().map(|grant| visible::text(grant)).collect();
        lines.push(("grants", grants.join(", ")));
    }
}

fn impact(value: &Impact) -> String {
    match value {
        Impact::Bool(value) => value.to_string(),
        Impact::Decimal(digits) => visible::text(digits),
        Impact::Long(value) => value.to_string(),
        Impact::String(text) => visible::text(text),
    }
}

/// What became of the effect, and what was found on the way.
fn effect_lines(effect: &EffectNote, lines: &mut Vec<(&'static str, String)>) {
    if let Some(preview) = &effect.preview {
        let found = match (&preview.fault, &preview.result) {
            (Some(fault), _) => format!("found nothing: {}", visible::text(fault)),
            (None, Some(digest)) => format!("answered {digest}"),
            (None, None) => "found nothing".to_owned(),
        };
        lines.push(("preview", format!("{} {found}", visible::text(&preview.tool))));
    }
    if let Some(fault) = &effect.fault {
        lines.push(("withheld", visible::text(fault)));
    }
    if let Some(rollback) = &effect.rollback {
        let how = rollback
            .fault
            .as_deref()
            .map_or_else(|| "done".to_owned(), |why| format!("unknown: {}", visible::text(why)));
        lines.push(("rollback", format!("{} {how}", visible::text(&rollback.tool))));
    }
    let key = effect.key.as_ref().map(|key| format!(", under the key {}", visible::text(key))).unwrap_or_default();
    lines.push(("outcome", format!("{}{key}", effect.state.word())));
}

/// Each stage with the time it took: the record holds when it was done.
fn stages(record: &Record) -> String {
    let mut before = 0;
    let mut words = Vec::new();
    for stage in &record.stages {
        words.push(format!("{} {}", visible::text(&stage.stage), duration(stage.at_us.saturating_sub(before))));
        before = stage.at_us;
    }
    words.join(", ")
}

fn attempt_words(attempt: &Attempt) -> String {
    let took = duration(attempt.ended_us.saturating_sub(attempt.started_us));
    let mut words =
        format!("{}, {took}, {} after arrival", visible::text(&attempt.address), duration(attempt.started_us));
    if let Some(status) = attempt.status {
        words.push_str(&format!(", HTTP {status}"));
    }
    if let Some(fault) = &attempt.fault {
        words.push_str(&format!(", failed: {}", visible::text(fault)));
    }
    words
}

fn result_words(result: &ResultNote) -> String {
    let mut words = format!("{} bytes", result.bytes);
    if result.is_error {
        words.push_str(", a tool error");
    }
    if let Some(code) = result.error_code {
        words.push_str(&format!(", JSON-RPC error {code}"));
    }
    if let Some(message) = &result.error_message {
        words.push_str(&format!(": {}", visible::text(message)));
    }
    words
}

/// What a reader should know about an ending that its word does not say.
fn meaning(record: &Record) -> &'static str {
    match record.ending {
        // The line of the effect says it.
        Ending::Indeterminate
            if record.effect.as_ref().is_some_and(|effect| effect.state != EffectState::Indeterminate) =>
        {
            ""
        }
        Ending::Served | Ending::Refused | Ending::Failed => "",
        Ending::Abandoned => ": its sender went away before anything was done",
        Ending::Panicked => ": the gate itself failed before anything was done",
        Ending::Indeterminate => ": it may have had its effect; look before you repeat it",
    }
}

fn after(started_us: i64, took_us: u64) -> i64 {
    started_us.saturating_add(i64::try_from(took_us).unwrap_or(i64::MAX))
}

/// A span of time, in the unit that fits.
pub(super) fn duration(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..1_000_000 => format!("{}.{:03} ms", us / 1_000, us % 1_000),
        _ => format!("{}.{:03} s", us / 1_000_000, us / 1_000 % 1_000),
    }
}

/// A day, UTC.
pub(super) fn day(us: i64) -> String {
    stamp(us, "%Y-%m-%d")
}

/// A time of day, UTC.
pub(super) fn time(us: i64) -> String {
    stamp(us, "%H:%M:%S%.6f")
}

/// A day and a time, UTC.
pub(super) fn moment(us: i64) -> String {
    stamp(us, "%Y-%m-%d %H:%M:%S UTC")
}

fn stamp(us: i64, format: &str) -> String {
    Timestamp::from_microsecond(us).map_or_else(|_| format!("{us} us"), |at| at.strftime(format).to_string())
}
