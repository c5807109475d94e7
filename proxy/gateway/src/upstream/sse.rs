//! Server-sent events (WHATWG HTML, section 9.2): bytes in, events out, and back. Knows nothing of what events carry.

use memchr::memchr2;
use pep::Event;
use simdutf8::basic::from_utf8;

/// Reads events out of a byte stream, however it is cut. Holds at most one event and one line.
#[derive(Debug)]
pub struct SseReader {
    line: Vec<u8>,
    event: Event,
    started: bool,
    size: usize,
    bytes_max: usize,
    after_return: bool,
    first: bool,
    fault: Option<SseFault>,
}

/// Why an event stream cannot be read further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SseFault {
    /// One event is larger than the limit.
    #[error("one event is larger than {0} bytes")]
    TooLarge(usize),
    /// Not UTF-8, which the format demands.
    #[error("the stream is not valid UTF-8")]
    NotText,
}

impl SseReader {
    /// A reader that refuses events larger than `bytes_max`.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let event = Event::default();
        Self {
            line: Vec::new(),
            event,
            started: false,
            size: 0,
            bytes_max,
            after_return: false,
            first: true,
            fault: None,
        }
    }

    /// Takes the next bytes; answers the events they complete. Events before a fault count, however the bytes were cut:
    /// the fault is told next time.
    ///
    /// # Errors
    /// When the stream cannot be read further; from then on always.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<Event>, SseFault> {
        let mut out = Vec::new();
        if self.fault.is_none() {
            self.fault = self.read(bytes, &mut out).err();
        }
        match &self.fault {
            Some(fault) if out.is_empty() => Err(fault.clone()),
            Some(_) | None => Ok(out),
        }
    }

    fn read(&mut self, bytes: &[u8], out: &mut Vec<Event>) -> Result<(), SseFault> {
        let mut rest = bytes;
        while let Some(end) = memchr2(b'\n', b'\r', rest) {
            let (head, tail) = rest.split_at(end);
            let Some((terminator, tail)) = tail.split_first() else { break };
            // A line may end in CR, LF or both: the LF after a CR ends nothing of its own.
            let continues = self.after_return && *terminator == b'\n' && head.is_empty() && self.line.is_empty();
            self.after_return = *terminator == b'\r';
            rest = tail;
            if !continues {
                self.grow(head)?;
                out.extend(self.end_line()?);
            }
        }
        if !rest.is_empty() {
            self.after_return = false;
            self.grow(rest)?;
        }
        Ok(())
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), SseFault> {
        self.size = self.size.saturating_add(bytes.len());
        if self.size > self.bytes_max {
            return Err(SseFault::TooLarge(self.bytes_max));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<Event>, SseFault> {
        let bytes = std::mem::take(&mut self.line);
        let line = from_utf8(&bytes).map_err(|_| SseFault::NotText)?;
        let first = std::mem::take(&mut self.first);
        let line = line.strip_prefix('\u{feff}').filter(|_| first).unwrap_or(line);
        if line.is_empty() {
            self.size = 0;
            return Ok(std::mem::take(&mut self.started).then(|| std::mem::take(&mut self.event)));
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value).to_owned();
        let event = &mut self.event;
        match name {
            "" => event.comment = Some(value),
            "event" => event.event = Some(value),
            "id" if !value.contains('\0') => event.id = Some(value),
            "retry" if value.bytes().all(|b| b.is_ascii_digit()) => event.retry = Some(value),
            "data" => match &mut event.data {
                Some(data) => {
                    data.push('\n');
                    data.push_str(&value);
                }
                None => event.data = Some(value),
            },
            _ => return Ok(None),
        }
        self.started = true;
        Ok(None)
    }
}

/// An event as it is sent.
#[must_use]
pub fn written(event: &Event) -> String {
    let mut out = String::with_capacity(event.data.as_ref().map_or(0, String::len) + 64);
    let mut field = |name: &str, value: &str| {
        let mut rest = value;
        loop {
            out.push_str(name);
            out.push_str(": ");
            // A lone CR ends a line of the format too; in JSON it is white space, as LF is.
            let end = memchr2(b'\n', b'\r', rest.as_bytes());
            let (line, tail) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or((rest, ""));
            out.push_str(line);
            out.push('\n');
            let Some(after) = tail.strip_prefix("\r\n").or_else(|| tail.get(1..)) else { break };
            rest = after;
        }
    };
    if let Some(comment) = &event.comment {
        field("", comment);
    }
    for (name, value) in [("id", &event.id), ("event", &event.event), ("retry", &event.retry), ("data", &event.data)] {
        if let Some(value) = value {
            field(name, value);
        }
    }
    out.push('\n');
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<Event> {
        let mut reader = SseReader::new(1 << 20);
        chunks.iter().flat_map(|c| reader.take(c).unwrap()).collect()
    }

    #[test]
    fn events_are_the_same_however_the_bytes_are_cut() {
        let text = b"\xef\xbb\xbf: hi\n\nid: 1\nevent: message\ndata: {\"a\":1}\r\ndata: b\r\n\r\nretry: 5\rdata:\r\rdata: lost";
        let whole = read(&[text]);
        assert_eq!(whole.len(), 3, "{whole:?}");
        assert_eq!(whole.first().unwrap().comment.as_deref(), Some("hi"));
        assert_eq!(whole.get(1).unwrap().data.as_deref(), Some("{\"a\":1}\nb"));
        assert_eq!(
            whole.get(2).unwrap(),
            &Event { retry: Some("5".into()), data: Some(String::new()), ..Event::default() }
        );
        for cut in 1..text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(read(&[a, b]), whole, "cut at {cut}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(read(&bytes), whole);
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let event = Event {
            event: Some("message".into()),
            data: Some("x\ny".into()),
            id: Some("7".into()),
            retry: Some("10".into()),
            comment: Some("c".into()),
        };
        assert_eq!(read(&[written(&event).as_bytes()]), vec![event]);
        let returns = Event { data: Some("{\r\"a\":\r\n1\n}\r".into()), ..Event::default() };
        let told = read(&[written(&returns).as_bytes()]);
        assert_eq!(told.first().unwrap().data.as_deref(), Some("{\n\"a\":\n1\n}\n"));
    }

    #[test]
    fn an_event_is_bounded_and_must_be_text() {
        let mut reader = SseReader::new(8);
        assert_eq!(reader.take(b"data: 123456789"), Err(SseFault::TooLarge(8)));
        assert_eq!(SseReader::new(99).take(b"data: \xff\n\n"), Err(SseFault::NotText));
        // What was whole before the fault counts, also where both came in one piece.
        let mut reader = SseReader::new(16);
        assert_eq!(reader.take(b"data: 1\n\ndata: 12345678901234567").map(|all| all.len()), Ok(1));
        assert_eq!(reader.take(b""), Err(SseFault::TooLarge(16)));
    }
}
