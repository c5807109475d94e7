//! Actions that ride along in another message, each judged as what it is: a completion names a prompt or a resource,
//! `subscriptions/listen` names resources, a result may ask the client's user or model (MRTR `inputRequests`), a retry
//! carries their answers (`inputResponses`), and error -32042 sends the user to a URL.
//!
//! A message passes only if everything in it may. What rides along has no record of its own: the message's says it.

use pdp::decision::Decision;
use pdp::json::{self, Kind, Layout, Part, Reading};
use pdp::method::{self, Method};
use pdp::policy::{Act, Facts, Judgement, Query};
use pdp::record::{ALONG_MAX, Along, Direction, FrameKind, METHOD_CHARS_MAX, TARGET_CHARS_MAX};
use pdp::refusal::{Code, Refusal};
use pdp::registry::Server;

use crate::call::Head;
use crate::entry::OpenRecord;
use crate::ports::Ports;

/// One action within a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Aside {
    name: String,
    known: Option<&'static Method>,
    target: String,
}

/// How many actions may ride along in one message.
const ASIDES_MAX: usize = 256;
/// The error that sends the user to URLs (MCP 2025-11-25, URL elicitation).
const URL_ELICITATION_REQUIRED: f64 = -32042.0;

impl Aside {
    fn new(method: &str, target: String) -> Self {
        Self { name: method.to_owned(), known: method::find(method), target }
    }

    /// What the gate knows of its method.
    pub(crate) fn known(&self) -> Option<&'static Method> {
        self.known
    }

    /// What it acts on.
    pub(crate) fn target(&self) -> &str {
        &self.target
    }

    /// An action as a server asks for it: a method, and parameters that may name what it acts on.
    fn asked(request: &str) -> Result<Self, Refusal> {
        let layout = read(request)?;
        let request = layout.root(request);
        let Some(name) = string(request, "method") else {
            return Err(broken("one of its `inputRequests` has no method"));
        };
        let named = method::find(&name).and_then(|m| m.target);
        let target = match (request.get("params"), named) {
            (Some(params), Some(named)) => {
                spelt(params, &[named]).map_err(|e| broken(&e.message))?;
                string(params, named).unwrap_or_default()
            }
            (Some(_) | None, Some(_) | None) => String::new(),
        };
        Ok(Self::new(&name, target))
    }
}

/// What rides along in a client's request.
pub(crate) fn of(head: &Head) -> Result<Vec<Aside>, Refusal> {
    let asks = head.direction == Direction::ToServer && head.kind == FrameKind::Request;
    let Some(params) = head.envelope.part(&head.text, "params").filter(|_| asks) else { return Ok(Vec::new()) };
    let asides = match head.envelope.method.as_deref() {
        Some("completion/complete") => completion(params)?,
        Some("subscriptions/listen") => subscriptions(params)?,
        Some("tools/call" | "prompts/get" | "resources/read" | "tasks/update") => responses(params)?,
        Some(_) | None => Vec::new(),
    };
    if asides.len() > ASIDES_MAX {
        let words = format!("the message names {} things at once; at most {ASIDES_MAX} are judged", asides.len());
        return Err(Refusal::new(Code::BadParameters, words));
    }
    Ok(asides)
}

/// A completion tells values of a prompt's or a resource's arguments: whoever may not use the one may not ask for them.
fn completion(params: Part<'_>) -> Result<Vec<Aside>, Refusal> {
    spelt(params, &["ref"])?;
    let Some(of) = object(params, "ref") else { return Ok(Vec::new()) };
    spelt(of, &["type", "name", "uri"])?;
    let mut asides = Vec::new();
    for (named, method) in [("name", "prompts/get"), ("uri", "resources/read")] {
        asides.extend(string(of, named).map(|target| Aside::new(method, target)));
    }
    Ok(asides)
}

fn subscriptions(params: Part<'_>) -> Result<Vec<Aside>, Refusal> {
    let bad = || Refusal::new(Code::BadParameters, "`resourceSubscriptions` must be a list of strings");
    spelt(params, &["notifications"])?;
    let Some(filter) = object(params, "notifications") else { return Ok(Vec::new()) };
    spelt(filter, &["resourceSubscriptions"])?;
    let Some(list) = filter.get("resourceSubscriptions").filter(|list| list.kind() != Kind::Null) else {
        return Ok(Vec::new());
    };
    if list.kind() != Kind::List {
        return Err(bad());
    }
    let uris = list.items().map(|uri| uri.string().ok_or_else(bad));
    uris.map(|uri| Ok(Aside::new("resources/subscribe", uri?.into_owned()))).collect()
}

/// The answers of a retry, by their form: the question went by in an earlier message.
fn responses(params: Part<'_>) -> Result<Vec<Aside>, Refusal> {
    spelt(params, &["inputResponses"])?;
    let Some(all) = object(params, "inputResponses") else { return Ok(Vec::new()) };
    let of = |answer: Part<'_>| {
        let has = |name: &str| answer.get(name).is_some();
        match (has("action"), has("roots"), has("role") || has("model")) {
            (true, _, _) => "elicitation/create",
            (false, true, _) => "roots/list",
            (false, false, true) => "sampling/createMessage",
            (false, false, false) => "response",
        }
    };
    Ok(all.members().map(|(_, answer)| Aside::new(of(answer), String::new())).collect())
}

/// The member of a result in which a server asks things of the client (MCP 2026-07-28, multi round-trip requests).
pub(crate) const INPUT_REQUESTS: &str = "inputRequests";

/// What a server's result, or the notification of a task, asks of the client. Requests are read from their text: what an
/// answer holds is not remembered so deep.
pub(crate) fn asked(result: Part<'_>) -> Result<Vec<Aside>, Refusal> {
    if result.kind() != Kind::Object {
        return Ok(Vec::new());
    }
    spelt(result, &[INPUT_REQUESTS]).map_err(|e| broken(&e.message))?;
    let Some(all) = result.get(INPUT_REQUESTS).filter(|all| all.kind() != Kind::Null) else { return Ok(Vec::new()) };
    if all.kind() != Kind::Object {
        return Err(broken("its `inputRequests` are no object"));
    }
    if all.members().count() > ASIDES_MAX {
        return Err(broken("it asks for too much at once"));
    }
    all.members().map(|(_, request)| Aside::asked(request.text())).collect()
}

/// Where an error sends the user. It is read from its text, for the same reason.
pub(crate) fn demanded(error: Part<'_>) -> Result<Vec<Aside>, Refusal> {
    if !error.get("code").is_some_and(|code| demands(code.text())) {
        return Ok(Vec::new());
    }
    let layout = read(error.text())?;
    let error = layout.root(error.text());
    spelt(error, &["code", "data"]).map_err(|e| broken(&e.message))?;
    let Some(data) = object(error, "data") else { return Ok(Vec::new()) };
    spelt(data, &["elicitations"]).map_err(|e| broken(&e.message))?;
    let Some(list) = data.get("elicitations") else { return Ok(Vec::new()) };
    if list.kind() != Kind::List {
        return Err(broken("its `elicitations` are no list"));
    }
    if list.items().count() > ASIDES_MAX {
        return Err(broken("it asks for too much at once"));
    }
    let of = |one: &str| {
        let layout = read(one)?;
        let one = layout.root(one);
        spelt(one, &["url"]).map_err(|e| broken(&e.message))?;
        Ok(Aside::new("elicitation/create", string(one, "url").unwrap_or_default()))
    };
    list.items().map(|one| of(one.text())).collect()
}

/// Whether an error's code, as written, is -32042, which has more than one way to be written in JSON.
pub(crate) fn demands(code: &str) -> bool {
    code.parse::<f64>().is_ok_and(|code| (code - URL_ELICITATION_REQUIRED).abs() < 1.0)
}

/// Refuses what the registry does not open.
pub(crate) fn opened(asides: &[Aside], server: &Server) -> Result<(), Refusal> {
    match asides.iter().find(|aside| !server.opens(&aside.name, aside.known)) {
        // Not as an unknown method: the one that carries it is known, and a client would give that up.
        Some(aside) => Err(Refusal::new(Code::BadParameters, format!("`{}` is not open here", shown(&aside.name)))),
        None => Ok(()),
    }
}

/// Judges one of them.
pub(crate) fn judge(head: &Head, server: &Server, aside: &Aside, facts: &Facts) -> Judgement {
    let act = Act::Method { name: &aside.name, known: aside.known, target: &aside.target };
    head.snapshot.judge(Query { principal: &head.principal, server, act, facts })
}

/// Whether a server may ask this of the client: its message is withheld unless all of it may pass. Nobody can be asked for
/// an approval here, so what needs one does not pass either.
pub(crate) fn permit(
    head: &Head,
    server: &Server,
    entry: &mut OpenRecord,
    ports: &Ports,
    asides: &[Aside],
) -> Result<(), Refusal> {
    if asides.is_empty() {
        return Ok(());
    }
    let withheld = |why: &str| format!("the server asked for what it may not, and its answer is withheld: {why}");
    if head.listens() {
        // MCP 2026-07-28 has `input_required` for tools/call, prompts/get and resources/read alone.
        return Err(Refusal::new(Code::Denied, withheld("the end of a subscription asks for nothing")));
    }
    opened(asides, server).map_err(|refusal| Refusal::new(Code::Denied, withheld(&refusal.message)))?;
    let facts = head.task.facts(ports.clock.now_us());
    for aside in asides {
        let judgement = judge(head, server, aside, &facts);
        let rules: Vec<&str> = judgement.rules.iter().map(|rule| rule.id.as_str()).collect();
        entry.note(format!("asked: {}: {} by [{}]", told(aside), judgement.decision.word(), rules.join(", ")));
        let (code, why) = match &judgement.decision {
            Decision::Allow(_) => continue,
            Decision::Escalate(_) => (Code::ApprovalUnavailable, "needs an approval that nobody can give here"),
            Decision::Deny(_) => (Code::Denied, "is denied"),
        };
        return Err(Refusal::new(code, withheld(&format!("`{}` {why}", shown(&aside.name)))));
    }
    Ok(())
}

/// Notes what rides along in a request.
pub(crate) fn note(entry: &mut OpenRecord, asides: &[Aside]) {
    for aside in asides {
        entry.note(format!("along: {}", told(aside)));
    }
}

/// What rides along as the record of its decision keeps it.
pub(crate) fn recorded(asides: &[Aside]) -> Vec<Along> {
    let kept = |aside: &Aside| Along {
        method: aside.name.chars().take(METHOD_CHARS_MAX).collect(),
        target: aside.target.chars().take(TARGET_CHARS_MAX).collect(),
    };
    asides.iter().take(ALONG_MAX).map(kept).collect()
}

fn told(aside: &Aside) -> String {
    let target: String = aside.target.chars().take(256).collect();
    if target.is_empty() { shown(&aside.name) } else { format!("{} {target}", shown(&aside.name)) }
}

/// A hostile name, fit to be quoted in a sentence.
fn shown(name: &str) -> String {
    let quoted = json::quoted(&name.chars().take(128).collect::<String>());
    quoted.trim_matches('"').to_owned()
}

/// The places of a text that stands deeper in an answer than places are remembered.
fn read(text: &str) -> Result<Layout, Refusal> {
    Layout::read(text, Reading { kept: 3, ..Reading::whole(usize::MAX) }).map_err(|e| broken(&e.to_string()))
}

fn object<'a>(outer: Part<'a>, name: &str) -> Option<Part<'a>> {
    outer.get(name).filter(|inner| inner.kind() == Kind::Object)
}

fn string(object: Part<'_>, name: &str) -> Option<String> {
    object.get(name)?.string().map(|text| text.into_owned())
}

fn broken(words: &str) -> Refusal {
    Refusal::new(Code::BrokenFrame, format!("the server's answer is withheld: {words}"))
}

/// Refuses a member whose name differs from one that is judged only in case: some readers would take it for that one.
pub(crate) fn spelt(object: Part<'_>, judged: &[&str]) -> Result<(), Refusal> {
    let bad = |words: String| Err(Refusal::new(Code::BadParameters, words));
    if object.kind() != Kind::Object {
        return bad("`params` must be an object".to_owned());
    }
    for (name, _) in object.members() {
        if let Some(near) = judged.iter().find(|n| **n != name && json::alike(n, &name)) {
            return bad(format!("`params.{near}` is written in another case: some servers would read both"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    type Found = fn(Part<'_>) -> Result<Vec<Aside>, Refusal>;

    fn words(find: Found, text: &str) -> String {
        let layout = Layout::read(text, Reading::whole(16)).unwrap();
        match find(layout.root(text)) {
            Ok(all) => all.iter().map(told).collect::<Vec<_>>().join(", "),
            Err(refusal) => refusal.code.name().to_owned(),
        }
    }

    #[test]
    fn what_rides_along_is_found() {
        let cases: [(Found, &str, &str); 20] = [
            (completion, r#"{"ref":{"type":"ref/prompt","name":"greet"}}"#, "prompts/get greet"),
            (completion, r#"{"ref":{"type":"ref/resource","uri":"a:{b}"}}"#, "resources/read a:{b}"),
            (completion, r#"{"ref":{"type":"ref/prompt","Name":"greet"}}"#, "bad_parameters"),
            (
                subscriptions,
                r#"{"notifications":{"resourceSubscriptions":["a:b","c:d"]}}"#,
                "resources/subscribe a:b, resources/subscribe c:d",
            ),
            (subscriptions, r#"{"notifications":{"resourcesubscriptions":["a:b"]}}"#, "bad_parameters"),
            (subscriptions, r#"{"notifications":{"resourceSubscriptions":[7]}}"#, "bad_parameters"),
            (subscriptions, r#"{"notifications":{"toolsListChanged":true}}"#, ""),
            (
                responses,
                r#"{"inputResponses":{"a":{"action":"accept"},"b":{"roots":[]},"c":{"role":"x"},"d":7}}"#,
                "elicitation/create, roots/list, sampling/createMessage, response",
            ),
            (responses, r#"{"InputResponses":{}}"#, "bad_parameters"),
            (
                asked,
                r#"{"inputRequests":{"a":{"method":"elicitation/create","params":{"url":"https://x.test/"}},"b":{"method":"roots/list"}}}"#,
                "elicitation/create https://x.test/, roots/list",
            ),
            (asked, r#"{"inputrequests":{}}"#, "broken_frame"),
            (asked, r#"{"inputRequests":{"a":{}}}"#, "broken_frame"),
            (
                asked,
                r#"{"inputRequests":{"a":{"method":"elicitation/create","params":{"URL":"https://x.test/"}}}}"#,
                "broken_frame",
            ),
            (asked, r#"{"inputRequests":[]}"#, "broken_frame"),
            (asked, r#"{"content":[]}"#, ""),
            (
                demanded,
                r#"{"code":-32042,"data":{"elicitations":[{"mode":"url","url":"https://x.test/"}]}}"#,
                "elicitation/create https://x.test/",
            ),
            (demanded, r#"{"code":-3.2042e4,"data":{"elicitations":[{"url":"a:b"}]}}"#, "elicitation/create a:b"),
            (demanded, r#"{"code":-32042,"data":{"elicitations":[{"URL":"a:b"}]}}"#, "broken_frame"),
            (demanded, r#"{"code":-32042,"Data":{}}"#, "broken_frame"),
            (demanded, r#"{"code":-32000,"data":{"elicitations":[{}]}}"#, ""),
        ];
        for (find, text, want) in cases {
            assert_eq!(words(find, text), want, "{text}");
        }
    }

    #[test]
    fn an_error_that_sends_users_nowhere_readable_is_broken() {
        assert_eq!(words(demanded, r#"{"code":-32042,"data":{"elicitations":{}}}"#), "broken_frame");
    }
}
