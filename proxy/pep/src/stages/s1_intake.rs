//! Intake: bytes in, one proposed call out. The record opens, the snapshot is pinned, the message is read once.
//!
//! The only stage that sees the snapshot store. What cannot be read is still a call: it is refused and recorded.

use std::sync::Arc;

use pdp::digest::Digest;
use pdp::json;
use pdp::label::LabelSet;
use pdp::principal::Principal;
use pdp::record::{Direction, Ending, FrameKind, METHOD_CHARS_MAX, RECORD_VERSION, Record};
use pdp::refusal::{Code, Refusal};
use pdp::snapshot::Snapshot;
use pdp::task::DEFAULT_PROFILE;

use crate::approval::Retry;
use crate::call::{Address, Call, Head, Stopped};
use crate::channel::{Channel, Channels};
use crate::effect::Errand;
use crate::entry::OpenRecord;
use crate::envelope::Envelope;
use crate::frame::{Belongs, Content, EventOf, Frame};
use crate::headers::decoded;
use crate::ports::{Gate, Ports};
use crate::rewrite::forged;
use crate::task::{BY_TOKEN, Task, Token};
use crate::trace::{Incoming, hex_id};

/// A well-formed call that nobody has looked at yet.
#[derive(Debug)]
pub struct Proposed {
    _made_here: (),
}

/// The first revision of the modern era: stateless, with mandatory headers.
const MODERN: &str = "2026-07-28";
/// Where a modern client declares its revision.
const META_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
/// Where a message may carry its task's token.
const META_TASK: &str = "dev.wicketgate/task";

/// Admits a frame.
pub(crate) fn admit(mut frame: Frame, gate: &Arc<Gate>) -> Result<Call<Proposed>, Stopped> {
    let ports = &gate.ports;
    // The time before the law: what is told to have begun after a change was judged by what it changed to.
    let now_us = ports.clock.now_us();
    let snapshot = gate.snapshots.current();
    let mut entry = open_record(&frame, &snapshot, ports, now_us);
    let direction = direction_of(&frame.content);
    let mut address = Address::unread(direction);
    let refuse = |entry, address, refusal| Stopped::new(entry, Box::new(address), refusal);
    let principal = match taken_down(ports).and_then(|()| frame.caller.principal.clone()) {
        Ok(principal) => principal,
        Err(refusal) => return Err(refuse(entry, address, refusal)),
    };
    entry.write(|record| record.principal = Some(principal.clone()));
    let mut message = match read(&frame, ports.limits.depth_max) {
        Ok(message) => message,
        Err(refusal) => return Err(refuse(entry, address, refusal)),
    };
    address.kind = message.kind;
    address.id = message.envelope.id.clone();
    address.method = message.envelope.method.clone();
    let version = version_of(&frame, &message);
    address.modern = version.as_deref().is_some_and(|v| v >= MODERN);
    note_message(&mut entry, &frame, &message, version.clone());
    let own = retried(&frame, &mut message, &principal, ports)
        .and_then(|retry| Ok((retry, claimed(&frame, &mut message, ports)?)));
    let (retry, claimed) = match own {
        Ok(own) => own,
        Err(refusal) => return Err(refuse(entry, address, refusal)),
    };
    let (channel, task) = match place(&frame, &message, &principal, claimed, &snapshot, ports, &mut entry) {
        Ok(place) => place,
        Err(refusal) => return Err(refuse(entry, address, refusal)),
    };
    let principal = acting(&mut frame, principal, &task, &mut entry);
    address.channel = Some(Arc::clone(&channel));
    if let Err(refusal) = headers_agree(&frame, &message, address.modern, version.as_deref()) {
        return Err(refuse(entry, address, refusal));
    }
    let slot = match slot(&frame, &message, direction, ports) {
        Ok(slot) => slot,
        Err(refusal) => return Err(refuse(entry, address, refusal)),
    };
    entry.write(|record| record.protocol = version.or_else(|| channel.protocol().map(str::to_owned)));
    let asks = message.kind == FrameKind::Request && direction == Direction::ToServer;
    let underway = asks.then(|| channel.begin(message.envelope.id.as_deref().unwrap_or_default()));
    let head = Head {
        caller: frame.caller,
        principal,
        server: frame.server,
        headers: frame.headers,
        direction,
        kind: message.kind,
        text: message.text,
        envelope: message.envelope,
        modern: address.modern,
        snapshot,
        task,
        channel,
        slot,
        underway,
        errand: frame.errand,
        bell: frame.bell,
        offer: frame.offer,
        slip: None,
        own: matches!(&frame.content, Content::Event(event) if event.own.is_some()),
        retry,
    };
    Ok(Call::open(head, entry, Proposed { _made_here: () }))
}

/// Whether the ledger takes records now.
fn taken_down(ports: &Ports) -> Result<(), Refusal> {
    ports.ledger.health().map_err(|fault| {
        let words = format!("the ledger cannot take the record ({fault}); no call is made until it can");
        Refusal::new(Code::LedgerUnavailable, words)
    })
}

/// A message as read.
struct Message {
    kind: FrameKind,
    text: Box<str>,
    envelope: Envelope,
}

/// The task that a frame's tokens name. A token is for the gate alone: it is taken out of the message.
fn claimed(frame: &Frame, message: &mut Message, ports: &Ports) -> Result<Option<Arc<Task>>, Refusal> {
    let beside = match &frame.belongs {
        Belongs::Within(task) => return Ok(Some(Arc::clone(task))),
        Belongs::To(tokens) => tokens.as_slice(),
    };
    let within = taken(message, ports.limits.depth_max, matches!(frame.content, Content::Message(_)))?;
    let mut all = beside.iter().chain(&within);
    let Some(token) = all.next() else { return Ok(None) };
    if all.any(|other| other != token) {
        let words = "the message carries two task tokens that differ; a call is of one task";
        return Err(Refusal::new(Code::TokenRefused, words));
    }
    ports.tasks.claimed(token).map(Some)
}

/// Takes the task tokens out of a client's message, however their name is spelt.
fn taken(message: &mut Message, depth_max: usize, of_a_client: bool) -> Result<Vec<Token>, Refusal> {
    if !of_a_client || !message.envelope.names_us() {
        return Ok(Vec::new());
    }
    let is_token = |name: &str| name.eq_ignore_ascii_case(META_TASK);
    let Some(meta) = message.envelope.param_part(&message.text, "_meta") else { return Ok(Vec::new()) };
    let mut tokens = Vec::new();
    for (_, value) in meta.members().filter(|(name, _)| is_token(name)) {
        let words = format!("`params._meta[\"{META_TASK}\"]` must be a string");
        let text = value.string().ok_or_else(|| Refusal::new(Code::TokenRefused, words))?;
        tokens.push(Token::presented(&text));
    }
    if !tokens.is_empty() {
        let without = forged::without_members(&message.text, meta, is_token);
        message.envelope = Envelope::read(&without, depth_max)?;
        message.text = without.into();
    }
    Ok(tokens)
}

/// What a client was sent to people with: for the gate alone, so it is taken out of the message.
fn retried(
    frame: &Frame,
    message: &mut Message,
    principal: &Principal,
    ports: &Ports,
) -> Result<Option<Retry>, Refusal> {
    if !matches!(frame.content, Content::Message(_)) || message.kind != FrameKind::Request {
        return Ok(None);
    }
    let Some((without, retry)) = Retry::taken(&message.text, &message.envelope, &principal.key(), ports)? else {
        return Ok(None);
    };
    message.envelope = Envelope::read(&without, ports.limits.depth_max)?;
    message.text = without.into();
    Ok(Some(retry))
}

/// Who acts: in a task that a host opened, its agent for the user the host named.
fn acting(frame: &mut Frame, principal: Arc<Principal>, task: &Task, entry: &mut OpenRecord) -> Arc<Principal> {
    // An errand's principal is the caller's already, and belongs to one more team.
    let own = frame.errand.is_some();
    let Some(named) = task.principal().filter(|named| !own && ***named != *principal && principal.method != BY_TOKEN)
    else {
        return principal;
    };
    let acting = Arc::new(Principal { method: principal.method.clone(), ..(**named).clone() });
    frame.caller.principal = Ok(Arc::clone(&acting));
    entry.write(|record| record.principal = Some(Arc::clone(&acting)));
    acting
}

fn direction_of(content: &Content) -> Direction {
    match content {
        Content::Event(_) => Direction::ToClient,
        Content::Message(_) | Content::Open | Content::Close | Content::Unreadable(_) => Direction::ToServer,
    }
}

fn read(frame: &Frame, depth_max: usize) -> Result<Message, Refusal> {
    let bare = |kind, method: &str| Message { kind, text: "".into(), envelope: Envelope::bare(kind, method) };
    let text = match &frame.content {
        Content::Open => return Ok(bare(FrameKind::Stream, "stream")),
        Content::Close => return Ok(bare(FrameKind::EndSession, "session/end")),
        Content::Unreadable(why) => return Err(why.clone()),
        Content::Event(event) => event.text.as_str(),
        Content::Message(bytes) => simdutf8::basic::from_utf8(bytes)
            .map_err(|_| Refusal::new(Code::NotJson, "the message is not valid UTF-8, hence not JSON (RFC 8259)"))?,
    };
    let envelope = Envelope::read(text, depth_max)?;
    let kind = envelope.kind.unwrap_or(FrameKind::Unreadable);
    Ok(Message { kind, text: text.into(), envelope })
}

fn open_record(frame: &Frame, snapshot: &Snapshot, ports: &Ports, now_us: i64) -> OpenRecord {
    let bytes_in = match &frame.content {
        Content::Message(bytes) => bytes.len(),
        Content::Event(event) => event.text.len(),
        Content::Open | Content::Close | Content::Unreadable(_) => 0,
    };
    let (trace, task, parent) = match &frame.content {
        Content::Event(event) => {
            (event.task.trace().to_owned(), event.task.id().to_owned(), Some(event.parent_span.clone()))
        }
        // A frame that never reaches a task still has a trace of its own, so that it can be found.
        Content::Message(_) | Content::Open | Content::Close | Content::Unreadable(_) => (
            hex_id(&ports.entropy.bytes()),
            String::new(),
            frame.errand.as_ref().map(|errand| errand.span().to_owned()),
        ),
    };
    let server = snapshot.server(&frame.server);
    let record = Record {
        v: RECORD_VERSION,
        number: ports.ledger.number(),
        trace,
        span: hex_id(ports.entropy.bytes().get(..8).unwrap_or(&[1])),
        parent,
        link: None,
        task,
        started_us: now_us,
        took_us: 0,
        direction: direction_of(&frame.content),
        kind: FrameKind::Unreadable,
        protocol: None,
        principal: None,
        client: frame.caller.address.clone(),
        server: frame.server.chars().take(128).collect(),
        system: server.map(|s| s.system.clone()),
        transport: server.map(|s| s.transport.kind().to_owned()),
        session: frame.session.as_ref().map(|s| Digest::of_bytes(s.as_bytes()).short()),
        request_id: None,
        method: None,
        target: None,
        pin: None,
        effect: None,
        errand: frame.errand.as_ref().map(Errand::note),
        effects: Default::default(),
        arguments_digest: None,
        arguments: None,
        snapshot: snapshot.digest(),
        decision: None,
        credential: None,
        approvals: Vec::new(),
        plan: None,
        labels: LabelSet::default(),
        flow: None,
        stages: Vec::new(),
        attempts: Vec::new(),
        notes: Vec::new(),
        bytes_in: u64::try_from(bytes_in).unwrap_or(u64::MAX),
        result: None,
        ending: Ending::Abandoned,
        refusal: None,
    };
    let mut entry = OpenRecord::new(record, Arc::clone(&ports.ledger), Arc::clone(&ports.clock));
    if let Content::Event(EventOf { own: Some(why), .. }) = &frame.content {
        entry.note(*why);
    }
    entry
}

fn note_message(entry: &mut OpenRecord, frame: &Frame, message: &Message, version: Option<String>) {
    let incoming = Incoming::of(frame, &message.envelope, &message.text);
    entry.write(|record| {
        record.kind = message.kind;
        record.request_id = message.envelope.id.as_ref().map(|id| id.chars().take(256).collect());
        record.method = message.envelope.method.as_ref().map(|m| m.chars().take(METHOD_CHARS_MAX).collect());
        record.protocol = version;
        if let Some(ambient) = &incoming.ambient {
            record.link = Some(ambient.header());
        }
    });
}

/// The protocol revision this message declares, in its body or its header.
fn version_of(frame: &Frame, message: &Message) -> Option<String> {
    let declared = message.envelope.meta_string(&message.text, META_VERSION).map(|v| v.into_owned());
    let opening = (message.envelope.method.as_deref() == Some("initialize"))
        .then(|| message.envelope.param_string(&message.text, "protocolVersion"))
        .flatten();
    let version = declared.or(opening).or_else(|| frame.header("mcp-protocol-version").map(str::to_owned));
    version.filter(|v| v.len() <= 32)
}

/// The channel and the task a frame belongs to.
fn place(
    frame: &Frame,
    message: &Message,
    principal: &Principal,
    claimed: Option<Arc<Task>>,
    snapshot: &Snapshot,
    ports: &Ports,
    entry: &mut OpenRecord,
) -> Result<(Arc<Channel>, Arc<Task>), Refusal> {
    if let Content::Event(event) = &frame.content {
        return Ok((Arc::clone(&event.channel), Arc::clone(&event.task)));
    }
    let now = ports.clock.now_us();
    let key = principal.key();
    if let Some(task) = &claimed {
        theirs(task, &key, entry)?;
    }
    let channel = match &frame.session {
        Some(id) => ports.channels.session(&frame.server, id, &key, now).ok_or_else(|| {
            Refusal::new(Code::SessionUnknown, "no such session: it ended, or it is another caller's; initialize again")
        })?,
        None if snapshot.server(&frame.server).is_none() => Channels::passing(&frame.server, &key),
        None => ports.channels.standing(&frame.server, &key, now),
    };
    let incoming = Incoming::of(frame, &message.envelope, &message.text);
    let task = match (claimed, channel.task()) {
        // The agent remembers of a session what it read there, in whichever task that was.
        (Some(task), Some(of_session)) if !Arc::ptr_eq(&task, of_session) => {
            let words = "this session was opened in another task than the token's; initialize again with the token";
            return Err(Refusal::new(Code::TokenRefused, words));
        }
        (Some(task), Some(_) | None) => task,
        (None, Some(task)) => Arc::clone(task),
        (None, None) => {
            let fresh = || hex_id(&ports.entropy.bytes());
            let profile = snapshot.registry().profiles.get(DEFAULT_PROFILE).map(AsRef::as_ref);
            ports.tasks.resolve(principal, incoming.parent.as_ref(), profile, now, fresh)
        }
    };
    if !task.is_explicit() {
        ports.tasks.spill_into(&task, principal);
    }
    entry.write(|record| {
        record.trace = task.trace().to_owned();
        record.task = task.id().to_owned();
        if let Some(parent) = &incoming.parent {
            if parent.trace == task.trace() {
                record.parent = Some(parent.span.clone());
            } else {
                record.link = Some(parent.header());
            }
        }
    });
    Ok((channel, task))
}

/// Whether a task that a token names is this caller's. A token is no authentication of another agent than its own.
fn theirs(task: &Task, key: &str, entry: &mut OpenRecord) -> Result<(), Refusal> {
    if task.owner() == key {
        entry.write(|record| {
            record.trace = task.trace().to_owned();
            record.task = task.id().to_owned();
        });
        return Ok(());
    }
    entry.note(format!("the token is of {}, which is another agent's", task.id()));
    Err(Refusal::new(Code::TokenRefused, "the task token was made for another agent"))
}

/// Header and body must say the same (MCP 2026-07-28, transports): a reader of either is not misled. Modern clients must
/// send `Mcp-Method`; the headers are checked in every era where they are sent.
fn headers_agree(frame: &Frame, message: &Message, modern: bool, version: Option<&str>) -> Result<(), Refusal> {
    if !matches!(frame.content, Content::Message(_)) {
        return Ok(());
    }
    let mismatch = |words: String| Err(Refusal::new(Code::HeaderMismatch, words));
    let header_version = frame.header("mcp-protocol-version");
    if let (Some(header), Some(version)) = (header_version, version)
        && message.envelope.meta_string(&message.text, META_VERSION).is_some()
        && header != version
    {
        return mismatch("`MCP-Protocol-Version` and the message's `_meta` name different revisions".to_owned());
    }
    let declares = header_version.is_some_and(|v| v >= MODERN);
    let method = message.envelope.method.as_deref();
    match (frame.header("mcp-method"), method) {
        (Some(header), Some(method)) if header != method => {
            return mismatch(format!("`Mcp-Method` says `{}`, the message says `{}`", clip(header), clip(method)));
        }
        (Some(_), None) => return mismatch("`Mcp-Method` is set on a message without a method".to_owned()),
        // Requests alone: a modern client sends `notifications/cancelled` without it, and servers take it.
        (None, Some(_)) if modern && declares && message.kind == FrameKind::Request => {
            return mismatch("`Mcp-Method` is required from revision 2026-07-28 on".to_owned());
        }
        (Some(_) | None, Some(_) | None) => {}
    }
    let named = match method {
        Some("tools/call" | "prompts/get") => "name",
        Some("resources/read") => "uri",
        Some("tasks/get" | "tasks/update" | "tasks/cancel" | "tasks/result") => "taskId",
        Some(_) | None => return Ok(()),
    };
    let body = message.envelope.param_string(&message.text, named);
    match (frame.header("mcp-name").map(decoded), body) {
        (Some(None), _) => mismatch("`Mcp-Name` is not readable".to_owned()),
        (Some(Some(header)), Some(body)) if header != body => {
            mismatch(format!("`Mcp-Name` says `{}`, the message says `{}`", clip(&header), clip(&body)))
        }
        (Some(Some(_)), None) => mismatch(format!("`Mcp-Name` is set, `params.{named}` is not")),
        (None, Some(_)) if modern && declares && named != "taskId" => {
            mismatch(format!("`Mcp-Name` is required for `{}`", method.unwrap_or_default()))
        }
        (Some(Some(_)) | None, Some(_) | None) => Ok(()),
    }
}

/// Takes one of the places for requests under way. Notifications, answers and streams need none: they are short, or
/// bounded where they are opened.
fn slot(
    frame: &Frame,
    message: &Message,
    direction: Direction,
    ports: &Ports,
) -> Result<Option<tokio::sync::OwnedSemaphorePermit>, Refusal> {
    // An errand runs for a call that had a place: what that one did must not stay for want of another.
    if message.kind != FrameKind::Request || direction == Direction::ToClient || frame.errand.is_some() {
        return Ok(None);
    }
    let words = "too many calls are under way at once; try again in a moment";
    Arc::clone(&ports.slots).try_acquire_owned().map(Some).map_err(|_| Refusal::new(Code::Busy, words))
}

/// A piece of a hostile value, fit to be quoted in a sentence.
fn clip(text: &str) -> String {
    let quoted = json::quoted(&text.chars().take(80).collect::<String>());
    quoted.trim_matches('"').to_owned()
}
