//! What the command line prints. A reader that has gone away (a closed pipe) is no fault of ours.

use std::io::Write as _;
use std::process::ExitCode;

use serde_json::Value;

use crate::story::visible;

/// Prints a text and a line end to standard output.
pub(super) fn line(text: &str) {
    let _closed = writeln!(std::io::stdout().lock(), "{text}");
}

/// Prints a value as JSON in one line, in which nothing acts on a terminal.
pub(super) fn json(value: &Value) {
    line(&visible::json_exact(&value.to_string()));
}

/// Prints a text to standard error, beside what is printed else.
pub(super) fn warned(text: &str) {
    let _closed = writeln!(std::io::stderr().lock(), "wicketgate: {text}");
}

/// Prints a text to standard error, and answers the exit code of a failure.
pub(super) fn failed(text: &str) -> ExitCode {
    warned(text);
    ExitCode::FAILURE
}
