//! Faults and warnings as people read them: what, where in which line, what to do. In colour where somebody looks at a
//! terminal, plain ASCII where a program reads.

use std::fmt::{self, Write as _};
use std::io::IsTerminal as _;
use std::process::ExitCode;

use miette::{Diagnostic, GraphicalReportHandler, GraphicalTheme, LabeledSpan, NamedSource, Severity};
use pdp::fault::{Fault, SourceFile};
use serde::Serialize;

use super::bundle::counted;
use crate::cli::print;
use crate::story::plain;

/// How wide a report is, in characters.
const WIDTH: usize = 110;

/// Prints every fault, as reports or as one JSON object, and answers the exit code of a failure.
pub(super) fn faulty(faults: &[Fault], files: &[&SourceFile], json: bool) -> ExitCode {
    if json {
        let faults: Vec<Place<'_>> = faults.iter().map(|fault| Place::of(fault, None)).collect();
        print::line(&serde_json::to_string_pretty(&serde_json::json!({ "faults": faults })).unwrap_or_default());
    } else {
        let reporter = Reporter::new(files.iter().copied());
        faults.iter().for_each(|fault| print::line(&format!("{}\n", reporter.fault(fault))));
        print::line(&counted(faults.len(), "fault"));
    }
    ExitCode::FAILURE
}

/// A fault or a warning as programs read it.
#[derive(Debug, Serialize)]
pub(super) struct Place<'f> {
    /// The warning's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    lint: Option<&'static str>,
    file: &'f str,
    /// 0 for a whole file.
    line: usize,
    column: usize,
    length: usize,
    message: &'f str,
    #[serde(skip_serializing_if = "str::is_empty")]
    remedy: &'f str,
}

impl<'f> Place<'f> {
    pub(super) fn of(fault: &'f Fault, lint: Option<&'static str>) -> Self {
        let Fault { file, line, column, length, message, remedy } = fault;
        Self { lint, file, line: *line, column: *column, length: *length, message, remedy }
    }
}

/// Prints reports in one style.
pub(super) struct Reporter<'s> {
    sources: Vec<&'s SourceFile>,
    style: GraphicalReportHandler,
}

impl<'s> Reporter<'s> {
    /// A reporter for standard output, that can show lines of these files.
    pub(super) fn new(sources: impl IntoIterator<Item = &'s SourceFile>) -> Self {
        let wanted = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|set| set.is_empty());
        let theme = if wanted { GraphicalTheme::unicode() } else { GraphicalTheme::none() };
        let style = GraphicalReportHandler::new_themed(theme).with_width(WIDTH).with_links(false).with_context_lines(1);
        Self { sources: sources.into_iter().collect(), style }
    }

    /// One fault, as a report of some lines.
    pub(super) fn fault(&self, fault: &Fault) -> String {
        self.told(fault, None)
    }

    /// One warning of this name.
    pub(super) fn warning(&self, lint: &'static str, fault: &Fault) -> String {
        self.told(fault, Some(lint))
    }

    fn told(&self, fault: &Fault, lint: Option<&'static str>) -> String {
        let source = self.sources.iter().find(|source| source.path == fault.file && fault.line > 0);
        let mut out = String::new();
        match self.style.render_report(&mut out, &Report::of(fault, lint, source.copied())) {
            Ok(()) => out.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"),
            Err(fmt::Error) => plain(&fault.to_string()),
        }
    }
}

/// A fault as miette draws it. Everything that comes from a file is made visible first.
#[derive(Debug)]
struct Report {
    message: String,
    remedy: String,
    lint: Option<&'static str>,
    excerpt: Option<(NamedSource<String>, LabeledSpan)>,
}

impl Report {
    fn of(fault: &Fault, lint: Option<&'static str>, source: Option<&SourceFile>) -> Self {
        let excerpt = source.map(|source| {
            // Character for character, so that line and column stay what they are.
            let text: String = source.text.chars().map(visible).collect();
            let start = offset(&text, fault.line, fault.column.max(1));
            let meant = if fault.length > 0 { fault.length } else { word(text.get(start..).unwrap_or_default()) };
            let length = text.get(start..).unwrap_or_default().chars().take(meant).map(char::len_utf8).sum();
            let span = LabeledSpan::new(None, start, length);
            (NamedSource::new(plain(&source.path), text), span)
        });
        let mut message = plain(&fault.message);
        if excerpt.is_none() {
            // Without an excerpt the place stands in the words.
            let mut place = plain(&fault.file);
            if fault.line > 0 {
                let _infallible = write!(place, ":{}", fault.line);
            }
            message = format!("{place}: {message}");
        }
        Self { message, remedy: plain(&fault.remedy), lint, excerpt }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Report {}

impl Diagnostic for Report {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        Some(Box::new(self.lint.map_or_else(|| "fault".to_owned(), |lint| format!("warning: {lint}"))))
    }

    fn severity(&self) -> Option<Severity> {
        Some(if self.lint.is_some() { Severity::Warning } else { Severity::Error })
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        (!self.remedy.is_empty()).then(|| Box::new(&self.remedy) as Box<dyn fmt::Display + 'a>)
    }

    fn source_code(&self) -> Option<&dyn miette::SourceCode> {
        self.excerpt.as_ref().map(|(source, _)| source as &dyn miette::SourceCode)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        self.excerpt.as_ref().map(|(_, span)| Box::new(std::iter::once(span.clone())) as Box<dyn Iterator<Item = _>>)
    }
}

/// The character itself, or a mark in its place where it would hide, move or reorder others.
fn visible(character: char) -> char {
    match character {
        '\n' | '\t' => character,
        _ if plain(character.encode_utf8(&mut [0; 4])).chars().eq([character]) => character,
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// Where a line and a column, both counted from 1, stand in a text, in bytes.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let rest = text.get(before..).unwrap_or_default();
    before + rest.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum::<usize>()
}

/// How long the word is that a text begins with, in characters; at least 1.
fn word(text: &str) -> usize {
    text.chars().take_while(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '@')).count().max(1)
}
