//! A long answer on its way through: checked and labelled piece by piece, never held.
//!
//! Its closing brace is kept back until all of it was seen, so what was handed on before is no JSON yet. A fault found on
//! the way, also at the very end, cuts the answer off before that brace, so no client can take it for whole. So does what
//! must be judged before any of it is handed on: questions to the client's user or model, and the error that sends the
//! user to a URL.

use bytes::Bytes;
use pdp::json::scan::{Scanner, Sink};
use pdp::json::{Kind, alike};

use super::forged::is_ours;
use super::label::LABEL;
use crate::asides::{self, INPUT_REQUESTS};

/// How long the text of an id or a flag may be, and how much may follow an answer's last member.
const SMALL_BYTES_MAX: usize = 1024;

/// Reads the pieces of one answer.
#[derive(Debug)]
pub(crate) struct Passing {
    scanner: Scanner,
    outline: Outline,
    /// Where the next piece begins.
    offset: usize,
    /// The bytes of a character that the last piece began and did not end.
    cut: Vec<u8>,
    /// The closing brace and the blanks behind it.
    tail: Vec<u8>,
}

/// What has been seen of the answer's own members.
#[derive(Debug)]
struct Outline {
    /// The label's value, as JSON.
    label: String,
    member: Member,
    /// By depth: whether the member whose value comes next there is a `_meta`.
    meta_next: Vec<bool>,
    /// By depth: whether the object whose members stand there is the value of a `_meta`.
    in_meta: Vec<bool>,
    result_members: usize,
    meta_members: usize,
    in_result_meta: bool,
    labelled: bool,
    /// What is put in, and where.
    edits: Vec<(usize, String)>,
    small: Vec<Small>,
    /// What the small value is of that comes next within the result or the error.
    next_small: Option<What>,
    /// Whether a small value is being read.
    reading: bool,
    has_result: bool,
    has_error: bool,
    /// Where the closing brace stands.
    close: Option<usize>,
    fault: Option<&'static str>,
}

/// The member of the envelope that is being read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Version,
    Id,
    Result,
    Error,
    Other,
}

/// What a small value is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Version,
    Id,
    IsError,
    Code,
}

/// The text of a small value.
#[derive(Debug)]
struct Small {
    what: What,
    start: usize,
    end: Option<usize>,
    text: Vec<u8>,
}

/// What is known of an answer that passed whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passed {
    /// The id, as written.
    pub(crate) id: Option<String>,
    pub(crate) is_error: bool,
    /// Whether it was a JSON-RPC error and no result.
    pub(crate) failed: bool,
    /// What was kept back: its end.
    pub(crate) tail: Bytes,
}

impl Passing {
    /// An answer that will carry this label, the JSON value of its member.
    pub(crate) fn new(depth_max: usize, label: String) -> Self {
        let levels = depth_max.saturating_add(3);
        let outline = Outline {
            label,
            member: Member::Other,
            meta_next: vec![false; levels],
            in_meta: vec![false; levels],
            result_members: 0,
            meta_members: 0,
            in_result_meta: false,
            labelled: false,
            edits: Vec::new(),
            small: Vec::new(),
            next_small: None,
            reading: false,
            has_result: false,
            has_error: false,
            close: None,
            fault: None,
        };
        Self { scanner: Scanner::new(depth_max), outline, offset: 0, cut: Vec::new(), tail: Vec::new() }
    }

    /// Takes the next piece; answers what is handed on of it.
    ///
    /// # Errors
    /// When the answer must not go on, with why.
    pub(crate) fn take(&mut self, piece: &Bytes) -> Result<Vec<Bytes>, String> {
        self.text(piece)?;
        self.scanner.feed(piece, &mut self.outline).map_err(|fault| fault.to_string())?;
        self.outline.copy(piece, self.offset);
        if let Some(fault) = self.outline.fault {
            return Err(fault.to_owned());
        }
        let mut out = Vec::new();
        let mut from = 0;
        for (at, text) in self.outline.edits.drain(..) {
            let at = at.saturating_sub(self.offset).min(piece.len());
            out.push(piece.slice(from..at.max(from)));
            out.push(Bytes::from(text));
            from = at.max(from);
        }
        let close = self.outline.close.map_or(piece.len(), |at| at.saturating_sub(self.offset).min(piece.len()));
        out.push(piece.slice(from..close.max(from)));
        out.retain(|bytes| !bytes.is_empty());
        self.tail.extend_from_slice(&piece.slice(close.max(from)..));
        if self.tail.len() > SMALL_BYTES_MAX {
            return Err("too many blanks follow its end".to_owned());
        }
        self.offset = self.offset.saturating_add(piece.len());
        Ok(out)
    }

    /// The answer is over.
    ///
    /// # Errors
    /// When it is no whole answer.
    pub(crate) fn finish(mut self) -> Result<Passed, String> {
        if !self.cut.is_empty() {
            return Err("it is not valid UTF-8".to_owned());
        }
        self.scanner.finish(&mut self.outline).map_err(|fault| fault.to_string())?;
        if let Some(fault) = self.outline.fault {
            return Err(fault.to_owned());
        }
        let small = |what| self.outline.small.iter().find(|s| s.what == what).map(|s| String::from_utf8_lossy(&s.text));
        if small(What::Version).as_deref() != Some("\"2.0\"") {
            return Err("`jsonrpc` must be \"2.0\"".to_owned());
        }
        if small(What::Code).as_deref().is_some_and(asides::demands) {
            return Err("it sends the user to a URL, which is judged only in an answer that is read whole".to_owned());
        }
        if self.outline.has_result == self.outline.has_error {
            return Err("it needs one of `result` and `error`".to_owned());
        }
        Ok(Passed {
            id: small(What::Id).map(|id| id.into_owned()),
            is_error: small(What::IsError).as_deref() == Some("true"),
            failed: self.outline.has_error,
            tail: Bytes::from(self.tail),
        })
    }

    /// Checks that all pieces together are UTF-8.
    fn text(&mut self, piece: &[u8]) -> Result<(), String> {
        let fault = || "it is not valid UTF-8".to_owned();
        let mut rest = piece;
        while let (false, Some((byte, tail))) = (self.cut.is_empty(), rest.split_first()) {
            self.cut.push(*byte);
            rest = tail;
            match std::str::from_utf8(&self.cut) {
                Ok(_) => self.cut.clear(),
                Err(e) if e.error_len().is_none() => {}
                Err(_) => return Err(fault()),
            }
        }
        if let Err(e) = std::str::from_utf8(rest) {
            if e.error_len().is_some() {
                return Err(fault());
            }
            self.cut.extend_from_slice(rest.get(e.valid_up_to()..).unwrap_or_default());
        }
        Ok(())
    }
}

impl Outline {
    /// Copies what the piece holds of small values.
    fn copy(&mut self, piece: &[u8], offset: usize) {
        let piece_end = offset.saturating_add(piece.len());
        for small in &mut self.small {
            let from = small.start.saturating_add(small.text.len());
            let to = small.end.unwrap_or(piece_end).min(piece_end);
            if let Some(bytes) = piece.get(from.saturating_sub(offset)..to.saturating_sub(offset)) {
                small.text.extend_from_slice(bytes);
            }
            if small.text.len() > SMALL_BYTES_MAX {
                self.fault = Some("its id is too long");
            }
        }
    }

    fn label_here(&mut self, at: usize, members: usize, wrapped: bool) {
        let comma = if members > 0 { "," } else { "" };
        let label = &self.label;
        let text = if wrapped {
            format!("{comma}\"_meta\":{{\"{LABEL}\":{label}}}")
        } else {
            format!("{comma}\"{LABEL}\":{label}")
        };
        self.edits.push((at.saturating_sub(1), text));
        self.labelled = true;
    }

    fn small(&mut self, what: What, at: usize) {
        self.small.push(Small { what, start: at, end: None, text: Vec::new() });
        self.reading = true;
    }

    fn envelope_begins(&mut self, at: usize, kind: Kind) {
        match self.member {
            Member::Version => self.small(What::Version, at),
            Member::Id => self.small(What::Id, at),
            Member::Result if kind != Kind::Object => self.fault = Some("its result is no object"),
            Member::Result | Member::Error | Member::Other => {}
        }
    }
}

impl Sink for Outline {
    fn begin(&mut self, at: usize, kind: Kind, depth: usize) {
        let is_meta = self.meta_next.get(depth).copied().unwrap_or_default();
        if let Some(inside) = self.in_meta.get_mut(depth.saturating_add(1)) {
            *inside = is_meta && kind == Kind::Object;
        }
        if let Some(next) = self.meta_next.get_mut(depth.saturating_add(1)) {
            *next = false;
        }
        match depth {
            0 if kind != Kind::Object => self.fault = Some("it is no object"),
            1 => self.envelope_begins(at, kind),
            2 if self.member == Member::Result && is_meta => {
                self.in_result_meta = kind == Kind::Object;
                if !self.in_result_meta {
                    self.fault = Some("its `_meta` is no object");
                }
            }
            2 => {
                if let Some(what) = self.next_small.take() {
                    self.small(what, at);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, at: usize, depth: usize) {
        if depth == 0 {
            self.close = Some(at.saturating_sub(1));
        }
        if depth <= 2 && std::mem::take(&mut self.reading) {
            if let Some(small) = self.small.last_mut() {
                small.end = Some(at);
            }
        } else if depth == 2 && std::mem::take(&mut self.in_result_meta) {
            self.label_here(at, self.meta_members, false);
        } else if depth == 1 && self.member == Member::Result && !self.labelled {
            self.label_here(at, self.result_members, true);
        }
    }

    fn name(&mut self, _at: std::ops::Range<usize>, name: &[u8], depth: usize) {
        if let Some(next) = self.meta_next.get_mut(depth) {
            *next = name == b"_meta";
        }
        if self.in_meta.get(depth).copied().unwrap_or_default() && is_ours(name) {
            self.fault = Some("it forges a label of the gate's");
        }
        let text = std::str::from_utf8(name).unwrap_or_default();
        match depth {
            1 => {
                self.member = match name {
                    b"jsonrpc" => Member::Version,
                    b"id" => Member::Id,
                    b"result" => Member::Result,
                    b"error" => Member::Error,
                    _ => Member::Other,
                };
                self.has_result |= self.member == Member::Result;
                self.has_error |= self.member == Member::Error;
                let known = ["jsonrpc", "id", "result", "error", "params", "method"];
                if name == b"method" {
                    self.fault = Some("it has a `method` and is no answer");
                } else if !known.contains(&text) && known.iter().any(|known| alike(known, text)) {
                    self.fault = Some("a member of its envelope is written in another case");
                }
            }
            2 if self.member == Member::Result => {
                self.result_members = self.result_members.saturating_add(1);
                self.next_small = (name == b"isError").then_some(What::IsError);
                if alike(text, INPUT_REQUESTS) {
                    self.fault =
                        Some("it asks things of the client, which are judged only in an answer that is read whole");
                }
            }
            2 if self.member == Member::Error => self.next_small = (name == b"code").then_some(What::Code),
            3 if self.in_result_meta => self.meta_members = self.meta_members.saturating_add(1),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use proptest::prelude::*;

    use super::*;

    /// An answer fed in pieces of this size: what is handed on, or why it is cut off.
    fn pass(text: &[u8], size: usize) -> Result<(String, Passed), String> {
        let mut passing = Passing::new(16, "{\"l\":1}".to_owned());
        let mut out = Vec::new();
        for piece in text.chunks(size) {
            passing.take(&Bytes::copy_from_slice(piece))?.iter().for_each(|bytes| out.extend_from_slice(bytes));
        }
        assert!(serde_json::from_slice::<serde::de::IgnoredAny>(&out).is_err(), "it could be taken for whole");
        let passed = passing.finish()?;
        out.extend_from_slice(&passed.tail);
        Ok((String::from_utf8(out).unwrap(), passed))
    }

    #[test]
    fn an_answer_is_labelled_wherever_its_meta_stands() {
        for (text, want) in [
            (
                r#"{"jsonrpc":"2.0","id":7,"result":{"content":[1.0]} }"#,
                r#"{"jsonrpc":"2.0","id":7,"result":{"content":[1.0],"_meta":{"dev.wicketgate/label":{"l":1}}} }"#,
            ),
            (
                r#"{"result":{},"jsonrpc":"2.0","id":7}"#,
                r#"{"result":{"_meta":{"dev.wicketgate/label":{"l":1}}},"jsonrpc":"2.0","id":7}"#,
            ),
            (
                r#"{"result":{"_meta":{"x":{"y":[]}},"a":{"_meta":{}}},"id":7,"jsonrpc":"2.0"}"#,
                r#"{"result":{"_meta":{"x":{"y":[]},"dev.wicketgate/label":{"l":1}},"a":{"_meta":{}}},"id":7,"jsonrpc":"2.0"}"#,
            ),
            (
                r#"{"result":{"_meta":{}},"id":7,"jsonrpc":"2.0"}"#,
                r#"{"result":{"_meta":{"dev.wicketgate/label":{"l":1}}},"id":7,"jsonrpc":"2.0"}"#,
            ),
            (
                r#"{"error":{"code":1,"_meta":{}},"id":7,"jsonrpc":"2.0"}"#,
                r#"{"error":{"code":1,"_meta":{}},"id":7,"jsonrpc":"2.0"}"#,
            ),
            (
                r#"{"result":{"t":"é€😀\ud83d","dev.wicketgate/x":1},"id":7,"jsonrpc":"2.0"}"#,
                r#"{"result":{"t":"é€😀\ud83d","dev.wicketgate/x":1,"_meta":{"dev.wicketgate/label":{"l":1}}},"id":7,"jsonrpc":"2.0"}"#,
            ),
        ] {
            for size in [1, 2, 3, 7, 1000] {
                let (out, passed) = pass(text.as_bytes(), size).unwrap();
                assert_eq!(out, want, "{size}");
                assert_eq!((passed.id.as_deref(), passed.failed), (Some("7"), text.starts_with("{\"error")));
            }
        }
        // What is not at the top of a result asks nothing.
        assert!(
            pass(br#"{"result":{"content":[{"inputRequests":{},"code":-32042}]},"id":7,"jsonrpc":"2.0"}"#, 4).is_ok()
        );
        let (_, passed) = pass(br#"{"result":{"isError": true},"id":"a b","jsonrpc":"2.0"}"#, 4).unwrap();
        assert_eq!(passed, Passed { id: Some("\"a b\"".to_owned()), is_error: true, failed: false, tail: "}".into() });
    }

    #[test]
    fn what_is_no_answer_is_cut_off() {
        for (text, want) in [
            (&br#"{"jsonrpc":"2.0","id":7}"#[..], "one of `result` and `error`"),
            (br#"{"jsonrpc":"2.0","id":7,"result":{},"error":{}}"#, "one of `result` and `error`"),
            (br#"{"jsonrpc":"2.0","id":7,"result":{},"method":"x"}"#, "`method`"),
            (br#"{"jsonrpc":"2.0","id":7,"Result":{}}"#, "another case"),
            (br#"{"jsonrpc":"2.0","id":7,"re\u017fult":{}}"#, "another case"),
            (br#"{"jsonrpc":"1.0","id":7,"result":{}}"#, "`jsonrpc`"),
            (br#"{"jsonrpc":"2.0","id":7,"result":[]}"#, "no object"),
            (br#"{"jsonrpc":"2.0","id":7,"result":{"_meta":1}}"#, "no object"),
            (br#"{"jsonrpc":"2.0","id":7,"result":{"a":[{"_meta":{"Dev.wicketgate/label":1}}]}}"#, "forges"),
            (br#"{"jsonrpc":"2.0","id":7,"result":{"a":1,"a":2}}"#, "twice"),
            (br#"{"jsonrpc":"2.0","id":7,"result":{}"#, "too early"),
            (b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"t\":\"\xff\"}}", "UTF-8"),
            (b"{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"t\":\"\xe2\x82\"}}", "UTF-8"),
            (b"[]", "no object"),
            (br#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"input_required","inputRequests":{}}}"#, "asks things"),
            (br#"{"jsonrpc":"2.0","id":7,"result":{"content":[],"InputRequests":{}}}"#, "asks things"),
            (br#"{"jsonrpc":"2.0","id":7,"error":{"message":"m","code": -32042 ,"data":{}}}"#, "sends the user"),
            (br#"{"jsonrpc":"2.0","id":7,"error":{"code":-32042}}"#, "sends the user"),
            (b"{\"jsonrpc\":\"2.0\",\"id\":7,\"error\":{\"code\":-32042}} \n", "sends the user"),
            (format!("{{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{{}}}}{}", " ".repeat(1024)).as_bytes(), "blanks"),
        ] {
            for size in [1, 5, 1000] {
                let fault = pass(text, size).unwrap_err();
                assert!(fault.contains(want), "{fault} of {}", String::from_utf8_lossy(text));
            }
        }
    }

    proptest! {
        #[test]
        fn any_cut_hands_on_the_same(text in ".{0,60}", meta in any::<bool>(), size in 1usize..40) {
            let text = pdp::json::quoted(&text);
            let meta = if meta { ",\"_meta\":{\"k\":0.70}" } else { "" };
            let answer = format!("{{\"jsonrpc\":\"2.0\",\"result\":{{\"t\":{text}{meta}}},\"id\":7}}");
            let whole = pass(answer.as_bytes(), usize::MAX).unwrap();
            prop_assert_eq!(whole.0.replace(",\"dev.wicketgate/label\":{\"l\":1}", "").replace(",\"_meta\":{\"dev.wicketgate/label\":{\"l\":1}}", ""), answer.clone());
            prop_assert_eq!(pass(answer.as_bytes(), size).unwrap(), whole);
        }
    }
}
