//! A request for approval as text: what the console's page tells, for a terminal. Nothing of it is cut in silence, and
//! nothing in it can move the cursor, hide or imitate: texts of others are escaped, and each part says whether the gate
//! verified it or somebody claims it.

use jiff::Timestamp;
use serde_json::Value;

use crate::story::visible;

/// How wide a line is where nobody says how wide the terminal is.
pub(super) const WIDTH: usize = 80;
/// The least that lines are laid out for. A narrower terminal clips them, and says so.
const WIDTH_MIN: usize = 40;
/// How far values stand from the left.
const INDENT: usize = 14;
/// Stands at the end of a line of an exact value that goes on in the next, so that the value can be put together again.
const GOES_ON: char = '¬';

/// A member as text, escaped and whole.
pub(super) fn text(value: &Value, pointer: &str) -> String {
    word(value.pointer(pointer).unwrap_or(&Value::Null))
}

/// A member as the text that it is, in which anything may stand.
fn string<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A value as it reads: a text as it is, escaped; everything else as JSON, escaped too.
fn word(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => visible::whole(text),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => visible::plain(&value.to_string()),
    }
}

pub(super) fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn words(value: &Value, pointer: &str) -> String {
    list(value, pointer).iter().map(word).collect::<Vec<_>>().join(", ")
}

/// A text clipped to a column of a table, where the whole of it is told elsewhere; the mark says that it is clipped.
pub(super) fn column(text: &str, width: usize) -> String {
    let whole = visible::clip(text, width);
    let (kept, mark) =
        if whole.len() == text.len() { (whole, "") } else { (visible::clip(text, width.saturating_sub(1)), "…") };
    let taken = visible::columns(kept) + mark.chars().count();
    format!("{kept}{mark}{}", " ".repeat(width.saturating_sub(taken)))
}

/// A span of time in at most five characters.
pub(super) fn span(seconds: i64) -> String {
    match seconds.max(0) {
        s @ 0..=99 => format!("{s}s"),
        s @ 100..=5999 => format!("{}m", s / 60),
        s @ 6000..=359_999 => format!("{}h", s / 3600),
        s => format!("{}d", s / 86_400),
    }
}

/// Seconds from a time of the request's to now; negative before it.
pub(super) fn since(value: &Value, pointer: &str, now_us: i64) -> Option<i64> {
    let at: Timestamp = value.pointer(pointer)?.as_str()?.parse().ok()?;
    Some(now_us.saturating_sub(at.as_microsecond()).div_euclid(1_000_000))
}

/// The heads of a table's columns.
pub(super) const HEAD: &str = "ID                            STATE    WAITS  WHO              WANTS";

/// One request as one line of at most 80 characters.
pub(super) fn row(request: &Value, now_us: i64) -> String {
    let waits = since(request, "/created", now_us).map(span).unwrap_or_default();
    format!(
        "{} {} {} {} {}",
        column(&text(request, "/id"), 29),
        column(&text(request, "/state"), 8),
        column(&waits, 6),
        column(&text(request, "/caller/agent"), 16),
        column(&format!("{}/{}", text(request, "/server/name"), text(request, "/action/name")), 17).trim_end(),
    )
}

/// A table of requests.
pub(super) fn table(all: &[Value], now_us: i64) -> String {
    if all.is_empty() {
        return "nothing waits\n".to_owned();
    }
    let rows: String = all.iter().map(|request| format!("{}\n", row(request, now_us).trim_end())).collect();
    format!("{HEAD}\n{rows}")
}

/// Lines being written.
struct Page {
    out: String,
    width: usize,
}

impl Page {
    fn head(&mut self, words: &str) {
        self.out.push('\n');
        self.line(words);
    }

    fn line(&mut self, words: &str) {
        for line in visible::wrap(words, self.width) {
            self.out.push_str(&format!("{line}\n"));
        }
    }

    /// A name and its value; nothing where there is none.
    fn fact(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        self.named(name, &visible::wrap(value, self.width - INDENT));
        if let Some(words) = visible::odd(value) {
            self.named("LOOK TWICE", &visible::wrap(&words, self.width - INDENT));
        }
    }

    fn named(&mut self, name: &str, lines: &[String]) {
        for (n, line) in lines.iter().enumerate() {
            let name = if n == 0 { name } else { "" };
            self.out.push_str(format!("  {name:<width$}{line}", width = INDENT - 2).trim_end());
            self.out.push('\n');
        }
    }

    /// JSON as it is, to the last space: escaped and cut into lines wherever they are full.
    fn exact(&mut self, name: &str, json: &str) {
        let text = visible::plain(json).replace('\n', "\\n");
        // Only the last line has no mark.
        let pieces = visible::chunks(&text, self.width - INDENT - 1);
        for (n, piece) in pieces.iter().enumerate() {
            let name = if n == 0 { name } else { "" };
            let mark = if n + 1 < pieces.len() { GOES_ON.to_string() } else { String::new() };
            self.out.push_str(&format!("  {name:<width$}{piece}{mark}\n", width = INDENT - 2));
        }
        if let Some(words) = visible::odd(&text) {
            self.named("LOOK TWICE", &visible::wrap(&words, self.width - INDENT));
        }
    }
}

/// A request, whole, in lines for a terminal of so many columns.
pub(super) fn request(request: &Value, width: usize, now_us: i64) -> String {
    let mut page = Page { out: String::new(), width: width.max(WIDTH_MIN) };
    summary(&mut page, request, now_us);
    page.head("WHY IT WAITS");
    for rule in list(request, "/rules") {
        page.fact("rule", &format!("{}: {}", text(rule, "/id"), text(rule, "/reason")));
    }
    for grant in list(request, "/grants") {
        page.fact("grant", &grant_words(grant));
    }
    arguments(&mut page, request);
    verified(&mut page, request);
    claimed(&mut page, request);
    before(&mut page, request);
    page.head("BINDING");
    page.fact("digest", &text(request, "/digest"));
    page.fact("policy", &text(request, "/snapshot"));
    page.fact("record", &text(request, "/record"));
    page.out
}

fn summary(page: &mut Page, request: &Value, now_us: i64) {
    let action = format!("{} on {}", text(request, "/action/name"), text(request, "/server/name"));
    page.line(&format!("Request {}: {}", text(request, "/id"), text(request, "/state")));
    page.fact("wants", &action);
    page.fact("asked at", &text(request, "/created"));
    let left = since(request, "/expires", now_us).map_or_else(String::new, |past| match past {
        past if past < 0 => format!(", in {}", span(-past)),
        past => format!(", {} ago", span(past)),
    });
    page.fact("expires", &format!("{}{left}", text(request, "/expires")));
    let counts =
        format!("{} of the same call wait; asked {} times", text(request, "/waiting"), text(request, "/asked"));
    page.fact("calls", &counts);
    page.fact("closed", &text(request, "/why_closed"));
    for decision in list(request, "/decisions") {
        let grants = words(decision, "/grants");
        let of = if grants.is_empty() { String::new() } else { format!(" {grants}, {} uses", text(decision, "/uses")) };
        let reason = text(decision, "/reason");
        let reason = if reason.is_empty() { reason } else { format!(": {reason}") };
        let (at, by, what) = (text(decision, "/at"), text(decision, "/by"), text(decision, "/what"));
        page.fact("decision", &format!("{at} {by} {what}{of}{reason}"));
    }
}

fn grant_words(grant: &Value) -> String {
    let given = list(grant, "/given_by");
    let by = if given.is_empty() { String::new() } else { format!(" ({})", words(grant, "/given_by")) };
    let quorum = grant.pointer("/quorum").and_then(Value::as_u64).unwrap_or(1);
    let mut out = format!("{}: given by {} of {quorum}{by}", text(grant, "/name"), given.len());
    if grant.pointer("/you_may") == Some(&Value::Bool(true)) {
        out.push_str("; yours to give");
    } else {
        let why = text(grant, "/why_not");
        out.push_str("; not yours to give");
        out.push_str(&if why.is_empty() { why } else { format!(": {why}") });
    }
    if grant.pointer("/step_up") == Some(&Value::Bool(true)) {
        out.push_str("; needs a passkey");
    }
    out
}

/// The arguments, whole: each with where its value was found, then the text that is bound.
fn arguments(page: &mut Page, request: &Value) {
    if request.pointer("/arguments/whole") == Some(&Value::Bool(false)) {
        page.head("ARGUMENTS (NOT WHOLE; written by the model)");
        page.fact("", LOST);
    } else {
        page.head(&format!("ARGUMENTS (exact; written by the model; {GOES_ON} where a line goes on)"));
    }
    for field in list(request, "/arguments/fields") {
        // The name is the model's too: it stands in quotes, apart from what the gate says of its value.
        page.exact("argument", &pdp::json::quoted(string(field, "/name")));
        page.fact("from", &origin(field));
        let is = |name: &str| field.pointer(name) == Some(&Value::Bool(true));
        page.fact("", if is("/sink") { "says where the effect goes" } else { "" });
        page.fact("", if is("/sensitive") { "sensitive: its value is not stored" } else { "" });
        page.exact("value", string(field, "/value"));
    }
    let whole = string(request, "/arguments/text");
    page.fact("as one text", &format!("{} bytes", whole.len()));
    page.exact("", whole);
    if let Some(impact) = request.pointer("/impact").and_then(Value::as_object) {
        for (name, value) in impact {
            page.fact("preview", &format!("{}: {}", visible::whole(name), word(value)));
        }
    }
}

/// Said of arguments that are not all there.
const LOST: &str = "Not all of this is what will be sent: values that may not be stored were lost when the gate restarted. Only \
                    their size and digest stand here.";

fn origin(field: &Value) -> String {
    let all = list(field, "/origin");
    match all {
        [] => "found nowhere the task has read".to_owned(),
        [one] if one == "user" => "given by the user".to_owned(),
        _ => format!("found in: {}", words(field, "/origin")),
    }
}

/// What the gate itself knows.
fn verified(page: &mut Page, request: &Value) {
    page.head("VERIFIED BY THE GATE");
    let at = |pointer: &str| text(request, pointer);
    page.fact("agent", &at("/caller/agent"));
    page.fact("for", &at("/caller/user"));
    page.fact("tenant", &at("/caller/tenant"));
    page.fact("teams", &words(request, "/caller/teams"));
    page.fact("proved by", &at("/caller/method"));
    page.fact("task", &at("/task/id"));
    page.fact("profile", &at("/task/profile"));
    let explicit = request.pointer("/task/explicit") == Some(&Value::Bool(true));
    page.fact("opened by", if explicit { "its host" } else { "nobody: it follows from the session" });
    page.fact("trace", &at("/task/trace"));
    let labels = words(request, "/labels");
    page.fact("labels", if labels.is_empty() { "none" } else { &labels });
    page.fact("readers", &at("/readers"));
    page.fact("server", &at("/server/name"));
    page.fact("system", &at("/server/system"));
    page.fact("owner", &at("/server/owner"));
    page.fact("reached as", &at("/server/transport"));
    let trust = at("/server/trust");
    page.fact("its results", &if trust.is_empty() { "carry no labels".to_owned() } else { format!("carry {trust}") });
    page.fact(&at("/action/kind"), &at("/action/name"));
    page.fact("effects", &words(request, "/action/effects"));
    page.fact("definition", &at("/action/pin"));
    let review = format!("{} at {}", at("/action/reviewed_by"), at("/action/reviewed_at"));
    page.fact("reviewed", if at("/action/reviewed_by").is_empty() { "by nobody" } else { &review });
}

/// What the client and the server say of themselves.
fn claimed(page: &mut Page, request: &Value) {
    page.head("CLAIMED, NOT VERIFIED");
    let goal = text(request, "/task/goal");
    page.fact("the host", &if goal.is_empty() { goal } else { format!("the goal is: {goal}") });
    for (who, pointer) in [("client", "/caller/claimed"), ("server", "/action/claimed")] {
        let claims = request.pointer(pointer).and_then(Value::as_object);
        for (name, value) in claims.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            page.fact(&format!("the {who}"), &format!("{}: {}", visible::whole(name), word(value)));
        }
    }
}

fn before(page: &mut Page, request: &Value) {
    page.head("BEFORE, IN THIS TASK");
    let Some(all) = request.pointer("/before").and_then(Value::as_array) else {
        page.fact("", "it could not be read: see the gate's log");
        return;
    };
    if all.is_empty() {
        page.fact("", "nothing: it is the first call of the task");
    }
    for call in all {
        let labels = words(call, "/labels");
        let labels = if labels.is_empty() { labels } else { format!(" [{labels}]") };
        let what = format!("{}/{}", text(call, "/server"), text(call, "/action"));
        let (decision, ending) = (text(call, "/decision"), text(call, "/ending"));
        let decision = if decision.is_empty() { "refused before policy".to_owned() } else { decision };
        page.fact(&text(call, "/number"), &format!("{} {what}: {decision}, {ending}{labels}", text(call, "/at")));
    }
}
