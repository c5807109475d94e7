//! The terminal of `approvals watch`: keys one by one, a screen of its own, and everything as it was when it ends.

use std::io::{Read as _, Stdout, Write as _};

use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use tokio::sync::mpsc::Sender;

use super::view::Key;

/// Another screen, no cursor, and lines that end at the edge; then all of it back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";
/// A frame that appears at once, where the terminal can (others ignore it).
const BEGIN: &str = "\x1b[?2026h";
const END: &str = "\x1b[?2026l";

/// A terminal that is held. Dropping it leaves the terminal as it was.
pub(super) struct Screen {
    before: Termios,
    out: Stdout,
    /// What stands there now.
    lines: Vec<String>,
    size: (usize, usize),
}

impl Screen {
    /// Takes hold of the terminal of standard input and output.
    pub(super) fn enter() -> std::io::Result<Self> {
        let before = tcgetattr(std::io::stdin())?;
        let mut keys = before.clone();
        keys.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN);
        // A read waits a tenth of a second at most, so that whoever reads can end.
        keys.special_codes[SpecialCodeIndex::VMIN] = 0;
        keys.special_codes[SpecialCodeIndex::VTIME] = 1;
        let mut screen = Self { before, out: std::io::stdout(), lines: Vec::new(), size: (0, 0) };
        tcsetattr(std::io::stdin(), OptionalActions::Now, &keys)?;
        screen.write(ENTER)?;
        Ok(screen)
    }

    /// Columns and rows.
    pub(super) fn size(&self) -> (usize, usize) {
        let (columns, rows) = tcgetwinsize(&self.out).map_or((0, 0), |size| (size.ws_col, size.ws_row));
        // A terminal that does not know its size says 0.
        (if columns == 0 { 80 } else { columns.into() }, if rows == 0 { 24 } else { rows.into() })
    }

    /// Shows a frame: writes the lines that changed, and nothing else.
    pub(super) fn draw(&mut self, frame: Vec<String>) -> std::io::Result<()> {
        let size = self.size();
        let mut text = String::from(BEGIN);
        if size != self.size {
            text.push_str("\x1b[2J");
            self.lines.clear();
            self.size = size;
        }
        for (n, line) in frame.iter().enumerate().filter(|(n, line)| self.lines.get(*n) != Some(*line)) {
            text.push_str(&format!("\x1b[{};1H{line}\x1b[K", n + 1));
        }
        text.push_str(END);
        self.lines = frame;
        self.write(&text)
    }

    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.out.write_all(text.as_bytes())?;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that has gone away cannot be put back.
        self.write(LEAVE).unwrap_or_default();
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.before).unwrap_or_default();
    }
}

/// Reads keys until nobody takes them. Blocks: it needs a thread of its own.
pub(super) fn read_keys(to: &Sender<Key>) {
    let mut bytes = [0; 64];
    while !to.is_closed() {
        let count = match std::io::stdin().lock().read(&mut bytes) {
            Ok(count) => count,
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        for key in keys(bytes.get(..count).unwrap_or_default()) {
            if to.blocking_send(key).is_err() {
                return;
            }
        }
    }
}

/// The keys in what a terminal sent.
pub(super) fn keys(mut bytes: &[u8]) -> Vec<Key> {
    const SEQUENCES: [(&[u8], Key); 21] = [
        (b"\x1b[A", Key::Up),
        (b"\x1bOA", Key::Up),
        (b"\x1b[B", Key::Down),
        (b"\x1bOB", Key::Down),
        (b"\x1b[5~", Key::PageUp),
        (b"\x1b[6~", Key::PageDown),
        (b"\x1b[H", Key::Home),
        (b"\x1bOH", Key::Home),
        (b"\x1b[F", Key::End),
        (b"\x1bOF", Key::End),
        (b"k", Key::Up),
        (b"j", Key::Down),
        (b" ", Key::PageDown),
        (b"g", Key::Home),
        (b"G", Key::End),
        (b"\r", Key::Open),
        (b"\n", Key::Open),
        (b"q", Key::Quit),
        (b"\x03", Key::Quit),
        (b"\x04", Key::Quit),
        (b"\x7f", Key::Back),
    ];
    let mut out = Vec::new();
    while let Some((first, rest)) = bytes.split_first() {
        if let Some((sequence, key)) = SEQUENCES.iter().find(|(sequence, _)| bytes.starts_with(sequence)) {
            out.push(*key);
            bytes = bytes.get(sequence.len()..).unwrap_or_default();
        } else if *first == 0x1b && rest.first().is_some_and(|next| matches!(next, b'[' | b'O')) {
            // A sequence of another key: up to its last byte.
            let end = rest.iter().skip(1).position(|byte| (0x40..=0x7e).contains(byte));
            bytes = end.and_then(|end| rest.get(end + 2..)).unwrap_or_default();
        } else {
            out.extend((*first == 0x1b).then_some(Key::Back));
            bytes = rest;
        }
    }
    out
}
