//! How files look: a first line, lengths, names, words that are never written.

use super::source::Source;
use super::{Fault, fault};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Rust files open with `//!`.
pub(super) fn module_docs(files: &[Source]) -> Vec<Fault> {
    let silent = |f: &&Source| f.is_rust() && !f.text.starts_with("//!");
    let words = |f: &Source| format!("{}:1: say in `//!` what this file is, its place, what it must not know", f.path);
    files.iter().filter(silent).map(|f| fault("doc", &f.path, words(f))).collect()
}

/// Files and functions of the product, without tests.
pub(super) fn lengths(files: &[Source]) -> Vec<Fault> {
    let mut out = Vec::new();
    for file in files.iter().filter(|f| f.path.starts_with("proxy/") && f.is_rust()) {
        let lines = file.product_lines();
        if lines > FILE_LINES_MAX {
            let words =
                format!("{}:1: {lines} lines, at most {FILE_LINES_MAX}: cut it where its concerns part", file.path);
            out.push(fault("length", &file.path, words));
        }
        for (name, at, body) in file.items(&file.product, "fn") {
            let lines = file.text[at..body.end].lines().count();
            if lines > FUNCTION_LINES_MAX {
                let place = file.at(at);
                let words =
                    format!("{place}: `{name}` has {lines} lines, at most {FUNCTION_LINES_MAX}: name its steps");
                out.push(fault("length", format!("{} {name}", file.path), words));
            }
        }
    }
    out
}

/// Words that say nothing of what a thing is.
const EMPTY_WORDS: [&str; 5] = ["manager", "handler", "helper", "util", "common"];

/// Names of files and types.
pub(super) fn names(files: &[Source]) -> Vec<Fault> {
    let mut out = Vec::new();
    let empty = |word: &str| EMPTY_WORDS.iter().any(|e| word == *e || word == format!("{e}s"));
    for file in files.iter().filter(|f| f.is_rust()) {
        let stem = file.path.trim_end_matches(".rs").rsplit('/').next().unwrap_or_default();
        if stem.split('_').any(empty) {
            out.push(fault("name", &file.path, format!("{}:1: name the file for what it holds", file.path)));
        }
        for keyword in ["struct", "enum", "trait", "mod", "type"] {
            for at in Source::words(&file.code, keyword) {
                let rest = file.code[at + keyword.len()..].trim_start();
                let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                if words_of(&name).iter().any(|word| empty(word)) {
                    let words = format!("{}: `{name}` says nothing of what it is: find the field's term", file.at(at));
                    out.push(fault("name", format!("{} {name}", file.path), words));
                }
            }
        }
    }
    out
}

/// `CallManager` as `call`, `manager`.
fn words_of(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for c in name.chars() {
        if c == '_' || (c.is_uppercase() && words.last().is_some_and(|w| !w.is_empty())) {
            words.push(String::new());
        }
        if c != '_' {
            words.last_mut().unwrap().extend(c.to_lowercase());
        }
    }
    words
}

/// What is never written, and what instead.
pub(super) fn never_written(files: &[Source]) -> Vec<Fault> {
    const CALLS: [(&str, &str); 8] = [
        (".unwrap()", "answer a refusal or a fault"),
        (".expect(", "answer a refusal or a fault"),
        ("panic!(", "bad input never panics"),
        ("todo!(", "write it, or do not offer it"),
        ("unimplemented!(", "write it, or do not offer it"),
        ("unreachable!(", "make it unreachable by its type"),
        ("dbg!(", "use `tracing`"),
        ("unsafe {", "there is no unsafe code here"),
    ];
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut out = Vec::new();
    for file in files {
        let product = file.path.starts_with("proxy/") && file.is_rust();
        for (call, instead) in CALLS.iter().filter(|_| product) {
            for (at, _) in file.product.match_indices(call) {
                out.push(fault("word", &file.path, format!("{}: `{call}` in the product: {instead}", file.at(at))));
            }
        }
        if file.is_rust() {
            for allow in ["#[allow(", "#![allow("] {
                for (at, _) in file.code.match_indices(allow) {
                    let words = format!("{}: `{allow}`: mend it, or `#[expect(lint, reason = \"...\")]`", file.at(at));
                    out.push(fault("word", &file.path, words));
                }
            }
        }
        let kinds = [".rs", ".toml", ".md", ".cedar", ".py", ".mjs", ".ts", ".sh", ".html", ".css", ".js"];
        for mark in marks.iter().filter(|_| kinds.iter().any(|end| file.path.ends_with(end))) {
            for at in Source::words(&file.text, mark) {
                out.push(fault(
                    "word",
                    &file.path,
                    format!("{}: a leftover `{mark}`: do it or say why not", file.at(at)),
                ));
            }
        }
    }
    out
}

/// Time is read in one place, so that everything else can be tested with another.
pub(super) fn clock(files: &[Source]) -> Vec<Fault> {
    let mut out = Vec::new();
    for file in files.iter().filter(|f| f.path.starts_with("proxy/") && f.is_rust()) {
        for call in ["SystemTime::now", "Instant::now", "Timestamp::now", "Zoned::now"] {
            for at in Source::words(&file.product, call) {
                let words =
                    format!("{}: `{call}`: ask the `Clock` port, or let the caller say what time it is", file.at(at));
                out.push(fault("clock", &file.path, words));
            }
        }
    }
    out
}
