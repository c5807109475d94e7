//! Bytes into events and lines: the same however they are cut, never more than the bound, and back again.

use gateway::upstream::lines::{self as framing, LineReader};
use gateway::upstream::sse::{self, SseReader};
use pep::Event;

/// How much one event or line may hold here: small, so that the bound is met often.
const BYTES_MAX: usize = 64;

/// The input's first bytes say where the rest is cut.
fn cut(data: &[u8]) -> Option<(&[u8], Vec<&[u8]>)> {
    let (cuts, mut rest) = data.split_at_checked(8)?;
    let whole = rest;
    let mut chunks = Vec::new();
    for cut in cuts {
        let at = usize::from(*cut).min(rest.len());
        let (head, tail) = rest.split_at(at);
        chunks.push(head);
        rest = tail;
    }
    chunks.push(rest);
    Some((whole, chunks))
}

/// Every event, and whether the stream could be read to its end.
fn events(chunks: &[&[u8]]) -> (Vec<Event>, bool) {
    let (mut reader, mut out) = (SseReader::new(BYTES_MAX), Vec::new());
    for chunk in chunks {
        match reader.take(chunk) {
            Ok(more) => out.extend(more),
            Err(_) => return (out, false),
        }
    }
    (out, reader.take(b"").is_ok())
}

/// Server-sent events are the same however the bytes are cut, bounded, and what is written of one reads back the same.
pub fn sse(data: &[u8]) {
    let Some((whole, chunks)) = cut(data) else { return };
    let (read, good) = events(&[whole]);
    assert_eq!(events(&chunks), (read.clone(), good), "cut at {:?}", &data[..8]);
    for event in read {
        let fields = [&event.event, &event.data, &event.id, &event.retry, &event.comment];
        let size: usize = fields.into_iter().flatten().map(String::len).sum();
        assert!(size <= BYTES_MAX, "{size} bytes in one event");
        let written = sse::written(&event);
        // A byte order mark counts at the beginning of a stream alone; here the event is all there is.
        let mut reader = SseReader::new(written.len());
        let again = reader.take(b"\n").unwrap().into_iter().chain(reader.take(written.as_bytes()).unwrap());
        assert_eq!(again.collect::<Vec<_>>(), [event], "{written:?}");
    }
}

/// Every line, and whether the stream could be read to its end.
fn split(chunks: &[&[u8]]) -> (Vec<Vec<u8>>, bool) {
    let (mut reader, mut out) = (LineReader::new(BYTES_MAX), Vec::new());
    let good = chunks.iter().all(|chunk| reader.take(chunk, |line| out.push(line.to_vec())).is_ok());
    reader.finish(|line| out.push(line.to_vec()));
    (out, good)
}

/// Lines are those between line breaks, up to the first that is too long; a message that is written is one line.
pub fn lines(data: &[u8]) {
    let Some((whole, chunks)) = cut(data) else { return };
    let (read, good) = split(&chunks);
    let mut wanted: Vec<&[u8]> = whole.split(|b| *b == b'\n').collect();
    if wanted.last().is_some_and(|last| last.is_empty()) {
        wanted.pop();
    }
    let long = wanted.iter().position(|line| line.len() > BYTES_MAX);
    wanted.truncate(long.unwrap_or(wanted.len()));
    assert_eq!((read, good), (wanted.into_iter().map(<[u8]>::to_vec).collect(), long.is_none()));
    let Ok(text) = std::str::from_utf8(whole) else { return };
    let line = framing::written(text.to_owned());
    assert_eq!(line.matches('\n').count(), 1);
    assert!(line.ends_with('\n') && !line.contains('\r'));
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).ok();
    if let Some(meant) = value(text) {
        assert_eq!(value(&line), Some(meant), "the same JSON on one line");
    }
}
