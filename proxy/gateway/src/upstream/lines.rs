//! Messages on lines (MCP, stdio transport): bytes in, lines out, and back. Knows nothing of what a line carries.

/// Cuts a byte stream into lines, however it comes. Holds at most one line.
#[derive(Debug)]
pub struct LineReader {
    line: Vec<u8>,
    bytes_max: usize,
    over: bool,
}

/// One line is larger than the limit; the stream cannot be read further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one line is larger than {0} bytes")]
pub struct LineTooLong(pub usize);

impl LineReader {
    /// A reader that refuses lines larger than `bytes_max`, their line break not counted.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { line: Vec::new(), bytes_max, over: false }
    }

    /// Takes the next bytes; hands over the lines they complete, in order, without their line breaks.
    ///
    /// # Errors
    /// When a line is too long; the lines before it have been handed over. From then on always.
    pub fn take(&mut self, bytes: &[u8], mut complete: impl FnMut(&[u8])) -> Result<(), LineTooLong> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            let (head, tail) = rest.split_at(end);
            self.grow(head)?;
            complete(&self.line);
            self.line.clear();
            rest = tail.get(1..).unwrap_or_default();
        }
        self.grow(rest)
    }

    /// The end of the stream: hands over what stands after the last line break, if anything does.
    pub fn finish(self, complete: impl FnOnce(&[u8])) {
        if !self.over && !self.line.is_empty() {
            complete(&self.line);
        }
    }

    fn grow(&mut self, bytes: &[u8]) -> Result<(), LineTooLong> {
        self.over |= self.line.len() + bytes.len() > self.bytes_max;
        if self.over {
            self.line = Vec::new();
            return Err(LineTooLong(self.bytes_max));
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }
}

/// A message as one line, its break included: JSON allows line breaks only as white space, where a blank says the same.
#[must_use]
pub fn written(text: String) -> String {
    let mut line = if text.contains(['\n', '\r']) { text.replace(['\n', '\r'], " ") } else { text };
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(chunks: &[&[u8]], bytes_max: usize) -> (Vec<String>, bool) {
        let (mut reader, mut out) = (LineReader::new(bytes_max), Vec::new());
        let mut keep = |line: &[u8]| out.push(String::from_utf8_lossy(line).into_owned());
        let whole = chunks.iter().all(|chunk| reader.take(chunk, &mut keep).is_ok());
        reader.finish(keep);
        (out, whole)
    }

    #[test]
    fn lines_are_the_same_however_the_bytes_are_cut() {
        let text = b"{}\n\r\nab\r\n\nlast";
        let whole = read(&[text], 99);
        assert_eq!(whole, (["{}", "\r", "ab\r", "", "last"].map(str::to_owned).to_vec(), true));
        for cut in 0..text.len() {
            let (a, b) = text.split_at(cut);
            assert_eq!(read(&[a, b], 99), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_line_is_bounded_and_those_before_it_count() {
        assert_eq!(read(&[b"1234\n12345\nafter\n"], 4), (vec!["1234".to_owned()], false));
        assert_eq!(read(&[b"12", b"345"], 4), (Vec::new(), false));
        let mut reader = LineReader::new(1);
        assert_eq!(reader.take(b"12", |_| {}), Err(LineTooLong(1)));
        assert_eq!(reader.take(b"", |_| {}), Err(LineTooLong(1)), "it does not recover");
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(written("{\n \"a\":\r\n1}".to_owned()), "{  \"a\":  1}\n");
    }
}
