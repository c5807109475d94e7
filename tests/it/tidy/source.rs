//! Rust text as the house rules read it: comments and strings blanked, tests cut off, imports spelt out.
//!
//! No parser: the rules ask for lines and words, and a rule that misreads fails loudly on the line it names.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// One tracked file.
pub(crate) struct Source {
    /// The path from the repository's root.
    pub(crate) path: String,
    /// As it stands.
    pub(crate) text: String,
    /// The same length, with comments, strings and characters blanked.
    pub(crate) code: String,
    /// The same length, with test modules blanked too.
    pub(crate) product: String,
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file that is tracked, or would be: what is ignored is nobody's rule.
pub(crate) fn tracked() -> &'static [Source] {
    static FILES: OnceLock<Vec<Source>> = OnceLock::new();
    FILES.get_or_init(read_tracked)
}

fn read_tracked() -> Vec<Source> {
    let out = Command::new("git")
        .args(["-C", &root().to_string_lossy(), "ls-files", "-co", "--exclude-standard"])
        .output()
        .expect("git lists the tracked files");
    assert!(out.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&out.stderr));
    let names = String::from_utf8(out.stdout).unwrap();
    let read = |path: &str| std::fs::read(root().join(path)).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let mut files: Vec<Source> =
        names.lines().filter_map(|path| Some(Source::new(path.to_owned(), read(path)?))).collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(files.len() > 50, "the tracked files were not found");
    files
}

impl Source {
    pub(crate) fn new(path: String, text: String) -> Self {
        let rust = path.ends_with(".rs");
        let code = if rust { masked(&text) } else { String::new() };
        let product = if rust && is_test_file(&path) { blank(&code) } else { without_tests(&code) };
        Self { path, text, code, product }
    }

    /// `path:line`, for a place in the text.
    pub(crate) fn at(&self, offset: usize) -> String {
        format!("{}:{}", self.path, self.text[..offset].matches('\n').count() + 1)
    }

    pub(crate) fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// How many lines the file has without its tests.
    pub(crate) fn product_lines(&self) -> usize {
        let end = self.product.trim_end().len();
        self.text[..end].lines().count()
    }

    /// Where a word stands in a text of this file's, not as a part of a longer one.
    pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
        let part = |c: char| c.is_alphanumeric() || c == '_';
        text.match_indices(word).map(|(at, _)| at).filter(move |at| {
            let before = text[..*at].chars().next_back();
            let after = text[at + word.len()..].chars().next();
            let starts = word.starts_with(part);
            let ends = word.ends_with(part);
            !(starts && before.is_some_and(part) || ends && after.is_some_and(part))
        })
    }

    /// Every path that begins with `crate::`, imports spelt out one by one, with its place.
    pub(crate) fn paths(&self, text: &str) -> Vec<(usize, String)> {
        let mut out = Vec::new();
        for at in Self::words(text, "crate::") {
            let end = text[at..].find([';', ')', '>', '=', '|', '\n']).map_or(text.len(), |n| at + n);
            let end = if text[at..end].contains('{') { at + text[at..].find(';').unwrap_or(end - at) } else { end };
            for path in spelt(&text[at..end]) {
                out.push((at, path));
            }
        }
        out
    }

    /// The body of each item that begins with this keyword: its name, where it begins, and its braces.
    pub(crate) fn items(&self, text: &str, keyword: &str) -> Vec<(String, usize, Range<usize>)> {
        let mut out = Vec::new();
        for at in Self::words(text, keyword) {
            let rest = &text[at + keyword.len()..];
            let name: String = rest.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if name.is_empty() {
                continue;
            }
            // A body opens before the item ends; brackets hold the lengths of arrays.
            let mut depth = 0i32;
            let open = rest.char_indices().find(|(_, c)| {
                match c {
                    '[' | '(' => depth += 1,
                    ']' | ')' => depth -= 1,
                    _ => {}
                }
                depth == 0 && (*c == '{' || *c == ';')
            });
            if let Some((open, '{')) = open {
                let open = at + keyword.len() + open;
                out.push((name, at, open..closing(text, open)));
            }
        }
        out
    }
}

/// Where the brace that opens at `open` closes.
pub(crate) fn closing(text: &str, open: usize) -> usize {
    let mut depth = 0usize;
    for (at, c) in text[open..].char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return open + at + 1;
        }
    }
    text.len()
}

/// `a::{b, c::{d, self}}` as `a::b`, `a::c::d`, `a::c`.
fn spelt(path: &str) -> Vec<String> {
    let path = path.trim();
    let Some(open) = path.find('{') else {
        let clean: String = path.chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
        return vec![clean.trim_end_matches("::self").trim_end_matches(':').to_owned()];
    };
    let (head, inner) = (&path[..open], &path[open + 1..closing(path, open) - 1]);
    let mut parts = Vec::new();
    let (mut depth, mut from) = (0, 0);
    for (at, c) in inner.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[from..]);
    let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
    parts.flat_map(|part| spelt(&format!("{head}{part}"))).collect()
}

fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.ends_with("/tests.rs") || path.contains("/tests/")
}

/// Every character a space, save the ends of lines.
fn blank(text: &str) -> String {
    text.chars().flat_map(|c| if c == '\n' { vec!['\n'] } else { vec![' '; c.len_utf8()] }).collect()
}

fn without_tests(code: &str) -> String {
    let mut out = code.to_owned();
    while let Some(at) = out.find("#[cfg(test)]") {
        let open = out[at..].find(['{', ';']).map_or(out.len(), |n| at + n);
        let end = if out[open..].starts_with('{') { closing(&out, open) } else { (open + 1).min(out.len()) };
        out = format!("{}{}{}", &out[..at], blank(&out[at..end]), &out[end..]);
    }
    out
}

/// Blanks comments, strings and characters, and keeps every offset.
fn masked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        let rest = &text[at..];
        let length = comment(rest).or_else(|| string(rest, &out)).or_else(|| character(rest));
        match length {
            Some(length) => {
                out.push_str(&blank(&rest[..length]));
                at += length;
            }
            None => {
                let c = rest.chars().next().unwrap();
                out.push(c);
                at += c.len_utf8();
            }
        }
    }
    out
}

fn comment(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let (mut depth, mut at) = (0, 0);
    loop {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
        } else {
            at += rest[at..].chars().next()?.len_utf8();
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

fn string(rest: &str, before: &str) -> Option<usize> {
    let raw = rest.trim_start_matches(['b', 'c']);
    let prefix = rest.len() - raw.len();
    // `number` ends with `r` too: a prefix follows no letter.
    let word = before.chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
    if prefix > 1 || (word && !rest.starts_with('"')) {
        return None;
    }
    if let Some(hashes) = raw.strip_prefix('r').map(|r| r.len() - r.trim_start_matches('#').len())
        && raw[1 + hashes..].starts_with('"')
    {
        let end = format!("\"{}", "#".repeat(hashes));
        let body = &raw[2 + hashes..];
        return Some(prefix + 2 + hashes + body.find(&end).map_or(body.len(), |n| n + end.len()));
    }
    let body = raw.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(prefix + 1 + at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

fn character(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix('\'')?;
    let first = body.chars().next()?;
    if first == '\\' {
        return body[2..].find('\'').map(|n| n + 4);
    }
    let after = &body[first.len_utf8()..];
    after.starts_with('\'').then(|| first.len_utf8() + 2)
}

#[test]
fn comments_strings_and_tests_are_not_code() {
    let text = "//! unwrap()\nfn a<'a>(x: &'a str) { let _ = (\"panic!()\", 'x', '\\'', b\"{\", r#\"\"}\"#); }\n\
                /* { /* nested */ */\n#[cfg(test)]\nmod tests { fn t() { x.unwrap(); } }\n";
    let source = Source::new("proxy/x.rs".to_owned(), text.to_owned());
    assert_eq!(source.code.len(), text.len());
    assert!(!source.code.contains("panic") && source.code.contains("unwrap") && !source.product.contains("unwrap"));
    let functions = source.items(&source.product, "fn");
    assert_eq!(functions.iter().map(|(name, _, _)| name.as_str()).collect::<Vec<_>>(), ["a"]);
    assert_eq!(spelt("crate::a::{b, c::{self, d as e}}"), ["crate::a::b", "crate::a::c", "crate::a::c::d"]);
}
