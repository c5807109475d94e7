//! What `approvals watch` shows, as lines: pure, so that each frame can be read in a test. Knows no terminal and no gate.

use serde_json::Value;

use super::shown;

/// What somebody pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    Up,
    Down,
    PageUp,
    PageDown,
    Home,
    End,
    Open,
    Back,
    Quit,
}

/// What is to be done about a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Act {
    Nothing,
    /// Show this request.
    Open(String),
    Quit,
}

/// A request that is shown whole.
struct Opened {
    request: Value,
    /// When it was asked for.
    at_us: i64,
    /// As it is laid out for this width; not at all before its first frame.
    lines: Vec<String>,
    width: Option<usize>,
    top: usize,
    /// Whether the gate has told another of it since.
    changed: bool,
}

impl Opened {
    fn lay_out(&mut self, width: usize) {
        if self.width != Some(width) {
            let text = shown::request(&self.request, width, self.at_us);
            self.lines = text.lines().map(str::to_owned).collect();
            self.width = Some(width);
        }
    }

    /// Whether what is told of a request, in short, is what stands here of it.
    fn is(&self, told: &Value) -> bool {
        MEMBERS.iter().all(|name| told.get(name).is_none_or(|member| self.request.get(name) == Some(member)))
    }
}

/// The members by which it is seen that a request changed. How often it was asked for meanwhile is none of them.
const MEMBERS: [&str; 9] = ["state", "expires", "caller", "task", "server", "action", "labels", "rules", "grants"];

/// What is shown.
#[derive(Default)]
pub(super) struct View {
    /// What waits, the newest last.
    rows: Vec<Value>,
    /// The id of the one that is chosen.
    chosen: Option<String>,
    opened: Option<Opened>,
    /// Why the stream is lost, if it is.
    lost: Option<String>,
    /// What there is to say of the last thing somebody did.
    said: String,
    /// Whether the list was told once.
    known: bool,
}

fn id(request: &Value) -> &str {
    request.get("id").and_then(Value::as_str).unwrap_or_default()
}

fn created(request: &Value) -> &str {
    request.get("created").and_then(Value::as_str).unwrap_or_default()
}

impl View {
    /// The whole list.
    pub(super) fn all(&mut self, rows: Vec<Value>) {
        (self.rows, self.lost, self.known) = (rows, None, true);
        self.rows.sort_by(|a, b| (created(a), id(a)).cmp(&(created(b), id(b))));
        let opened = self.opened.as_ref().map(|opened| id(&opened.request));
        let told = self.rows.iter().find(|row| Some(id(row)) == opened).cloned();
        self.compare(told.as_ref());
    }

    /// One request as it now stands: in its place if it waits, gone if not.
    pub(super) fn one(&mut self, request: Value) {
        if self.opened.as_ref().is_some_and(|opened| id(&opened.request) == id(&request)) {
            self.compare(Some(&request));
        }
        let at = self.rows.iter().position(|row| id(row) == id(&request));
        let waits = request.get("state").and_then(Value::as_str) == Some("pending");
        match (at.and_then(|at| self.rows.get_mut(at)), waits) {
            (Some(row), true) => *row = request,
            (Some(_), false) => {
                let chosen = self.at();
                self.rows.retain(|row| id(row) != id(&request));
                // The choice stays on its line, so that a list that moves does not move it far.
                if self.chosen.as_deref() == Some(id(&request)) {
                    self.choose(chosen);
                }
            }
            (None, true) => {
                let place =
                    self.rows.partition_point(|row| (created(row), id(row)) <= (created(&request), id(&request)));
                self.rows.insert(place, request);
            }
            (None, false) => {}
        }
    }

    /// The stream is lost; what is shown may be old.
    pub(super) fn lost(&mut self, why: String) {
        self.lost = Some(why);
    }

    /// A request, whole, or why it cannot be shown.
    pub(super) fn open(&mut self, request: Result<Value, String>, at_us: i64) {
        match request {
            Ok(request) => {
                self.opened = Some(Opened { request, at_us, lines: Vec::new(), width: None, top: 0, changed: false });
            }
            Err(words) => self.said = words,
        }
    }

    /// Compares what is open with what is told of it now; with nothing where it waits no more.
    fn compare(&mut self, told: Option<&Value>) {
        if let Some(opened) = &mut self.opened {
            let is = told
                .map_or_else(|| opened.request.get("state") != Some(&Value::from("pending")), |told| opened.is(told));
            opened.changed |= !is;
        }
    }

    /// Which row is chosen.
    fn at(&self) -> usize {
        let found = self.rows.iter().position(|row| Some(id(row)) == self.chosen.as_deref());
        found.unwrap_or_default()
    }

    fn choose(&mut self, at: usize) {
        let at = at.min(self.rows.len().saturating_sub(1));
        self.chosen = self.rows.get(at).map(|row| id(row).to_owned());
    }

    /// What a key does. `height` is that of the terminal.
    pub(super) fn press(&mut self, key: Key, height: usize) -> Act {
        self.said.clear();
        let page = height.saturating_sub(4).max(1);
        let moved = |from: usize| match key {
            Key::Up => from.saturating_sub(1),
            Key::Down => from.saturating_add(1),
            Key::PageUp => from.saturating_sub(page),
            Key::PageDown => from.saturating_add(page),
            Key::Home => 0,
            Key::End => usize::MAX,
            Key::Open | Key::Back | Key::Quit => from,
        };
        match (&mut self.opened, key) {
            (_, Key::Quit) => return Act::Quit,
            (Some(_), Key::Back) => self.opened = None,
            (None, Key::Back) => {}
            (Some(opened), Key::Open) if opened.changed => return Act::Open(id(&opened.request).to_owned()),
            (Some(_), Key::Open) => {}
            (Some(opened), _) => {
                opened.top = moved(opened.top).min(opened.lines.len().saturating_sub(page));
            }
            (None, Key::Open) => {
                return self.rows.get(self.at()).map_or(Act::Nothing, |row| Act::Open(id(row).to_owned()));
            }
            (None, _) => self.choose(moved(self.at())),
        }
        Act::Nothing
    }

    /// The frame: `height` lines of at most `width` columns.
    pub(super) fn frame(&mut self, width: usize, height: usize, now_us: i64) -> Vec<String> {
        let body = height.saturating_sub(4).max(1);
        if let Some(opened) = &mut self.opened {
            opened.lay_out(width);
            opened.top = opened.top.min(opened.lines.len().saturating_sub(body));
        }
        let mut out = vec![self.head(), String::new()];
        match &self.opened {
            Some(opened) => out.extend(opened.lines.iter().skip(opened.top).take(body).cloned()),
            None => out.extend(self.list(body, now_us)),
        }
        out.resize(height.saturating_sub(1).max(2), String::new());
        out.push(self.foot(body));
        out.truncate(height);
        out.iter().map(|line| shown::column(line, width).trim_end().to_owned()).collect()
    }

    fn head(&self) -> String {
        let waits = match self.rows.len() {
            _ if !self.known => "asking the gate".to_owned(),
            0 => "nothing waits".to_owned(),
            1 => "1 request waits".to_owned(),
            n => format!("{n} requests wait"),
        };
        match &self.lost {
            None => waits,
            Some(why) => format!("{waits} (NOT CURRENT, connecting again: {why})"),
        }
    }

    fn list(&self, body: usize, now_us: i64) -> Vec<String> {
        if self.rows.is_empty() {
            return Vec::new();
        }
        let (at, space) = (self.at(), body.saturating_sub(1).max(1));
        let top = (at + 1).saturating_sub(space);
        let rows = self
            .rows
            .iter()
            .enumerate()
            .skip(top)
            .take(space)
            .map(|(n, row)| format!("{} {}", if n == at { '>' } else { ' ' }, shown::row(row, now_us)));
        std::iter::once(format!("  {}", shown::HEAD)).chain(rows).collect()
    }

    fn foot(&self, body: usize) -> String {
        match &self.opened {
            _ if !self.said.is_empty() => self.said.clone(),
            None => "up, down: move   Enter: open   q: end".to_owned(),
            Some(opened) => {
                let last = (opened.top + body).min(opened.lines.len());
                let lines =
                    format!("lines {} to {last} of {}   Esc: back   q: end", opened.top + 1, opened.lines.len());
                if opened.changed { format!("CHANGED SINCE: Enter reads it again   {lines}") } else { lines }
            }
        }
    }
}
