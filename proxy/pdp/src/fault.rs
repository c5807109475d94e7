//! A fault in something a person wrote (a policy, a registry file), with its place and its remedy.
//!
//! Loaders return every fault of a bundle at once, never only the first. This module does not read files.

use std::fmt;
use std::ops::Range;

/// One file of a bundle, as read by whoever may read files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// The path as it should be shown to the author.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// Something wrong in a source file: what, where, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The file, as shown to the author.
    pub file: String,
    /// The line, counted from 1; 0 when the fault belongs to the whole file.
    pub line: usize,
    /// The column in characters, counted from 1; 0 when the fault belongs to the whole line or file.
    pub column: usize,
    /// How many characters are meant, on that line; 0 when only the place is known.
    pub length: usize,
    /// What was wrong.
    pub message: String,
    /// What to do about it; empty when the message says it already.
    pub remedy: String,
}

impl Fault {
    /// A fault of a whole file.
    #[must_use]
    pub fn of_file(file: &str, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (message, remedy) = (message.into(), remedy.into());
        Self { file: file.to_owned(), line: 0, column: 0, length: 0, message, remedy }
    }

    /// A fault at a byte offset of a file's text.
    #[must_use]
    pub fn at(source: &SourceFile, offset: usize, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::over(source, offset..offset, message, remedy)
    }

    /// A fault of a range of bytes of a file's text. Of a range of several lines, the first is shown.
    #[must_use]
    pub fn over(
        source: &SourceFile,
        range: Range<usize>,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        let (line, column) = position(&source.text, range.start);
        let meant = source.text.get(range).and_then(|text| text.lines().next()).unwrap_or_default();
        let length = meant.trim_end().chars().count();
        Self { file: source.path.clone(), line, column, length, message: message.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if self.column > 0 {
            write!(f, ":{}", self.column)?;
        }
        write!(f, ": {}", self.message)?;
        if !self.remedy.is_empty() {
            write!(f, "\n    {}", self.remedy)?;
        }
        Ok(())
    }
}

/// The line and column, both from 1, of a byte offset. An offset past the end gives the last position.
#[must_use]
pub fn position(text: &str, offset: usize) -> (usize, usize) {
    let mut line = 1;
    let mut column = 1;
    for (at, character) in text.char_indices() {
        if at >= offset {
            break;
        }
        if character == '\n' {
            line += 1;
            column = 1;
        } else {
            column += 1;
        }
    }
    (line, column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "ab\ncé\nd";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 3), (2, 1));
        assert_eq!(position(text, 6), (2, 3));
        assert_eq!(position(text, 99), (3, 2));
    }

    #[test]
    fn a_range_is_told_as_a_length_on_its_first_line() {
        let source = SourceFile { path: "p".to_owned(), text: "ab\ncé f\ng".to_owned() };
        let place = |range| {
            let fault = Fault::over(&source, range, "", "");
            (fault.line, fault.column, fault.length)
        };
        assert_eq!(place(3..6), (2, 1, 2));
        assert_eq!(place(6..9), (2, 3, 2));
        assert_eq!(place(3..3), (2, 1, 0));
        assert_eq!(place(9..99), (3, 1, 0));
    }
}
