//! The one layout of policy files: Cedar's own formatter, and the proof that it changed no rule. Does not read files.

use cedar_policy_formatter::{Config, policies_str_to_pretty};
use pdp::fault::{Fault, SourceFile};
use pdp::policy::{Written, written};

/// Cedar's own widths, so that its command line and its editor extension lay out the same way.
const LAYOUT: Config = Config { line_width: 80, indent_width: 2 };

/// The text of a policy file in the one layout, comments kept. Equal to the file's own where it has it already.
///
/// # Errors
/// What keeps the file from being read; or that the new text would say something else than the old one, which is a fault of
/// the formatter.
pub fn formatted(file: &SourceFile) -> Result<String, Vec<Fault>> {
    let before = written(std::slice::from_ref(file))?;
    let broken = |why: String| {
        let remedy = "the file is left as it is; lay it out by hand";
        vec![Fault::of_file(&file.path, format!("cannot be formatted: {why}"), remedy)]
    };
    let mut parts = Vec::new();
    let mut from = 0;
    for policy in &before {
        let end = line_end(&file.text, policy.range.end);
        let gap = file.text.get(from..policy.range.start).unwrap_or_default();
        let (apart, own) = gap.split_at_checked(after_blank(gap)).unwrap_or((gap, ""));
        parts.extend(comment(apart));
        let own = file.text.get(policy.range.start - own.len()..end).unwrap_or_default();
        parts.push(policies_str_to_pretty(own, &LAYOUT).map_err(|e| broken(e.to_string()))?.trim_end().to_owned());
        from = end;
    }
    parts.extend(comment(file.text.get(from..).unwrap_or_default()));
    let text = parts.join("\n\n") + "\n";
    let after = written(&[SourceFile { path: file.path.clone(), text: text.clone() }])?;
    let says = |policies: &[Written]| policies.iter().map(|p| p.says.clone()).collect::<Vec<_>>();
    if says(&before) != says(&after) {
        return Err(broken("the formatter would change what a policy says".to_owned()));
    }
    if comments(&file.text) != comments(&text) {
        return Err(broken("the formatter would lose or move a comment".to_owned()));
    }
    Ok(text)
}

/// Where the line ends in which a policy does: what stands there after it belongs to it, unless it is the next policy.
fn line_end(text: &str, end: usize) -> usize {
    let rest = text.get(end..).unwrap_or_default();
    let line = rest.split_inclusive('\n').next().unwrap_or_default();
    let after = line.trim();
    if after.is_empty() || after.starts_with("//") { end + line.len() } else { end }
}

/// Where the last blank line of a text ends. Comments before it stand for themselves: Cedar's formatter would join them
/// with those of the policy below.
fn after_blank(gap: &str) -> usize {
    let mut at = 0;
    let mut cut = 0;
    for line in gap.split_inclusive('\n') {
        at += line.len();
        if line.trim().is_empty() && line.ends_with('\n') {
            cut = at;
        }
    }
    cut
}

/// Comments that stand for themselves, as they are.
fn comment(text: &str) -> Option<String> {
    let lines: Vec<&str> = text.trim().lines().map(str::trim_end).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The comments of a policy text, in their order.
fn comments(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    for line in text.lines() {
        let (mut quoted, mut escaped, mut slash) = (false, false, None);
        for (at, character) in line.char_indices() {
            match character {
                '"' if !escaped => quoted = !quoted,
                '/' if !quoted && slash == Some(at) => {
                    out.push(line.get(at + 1..).unwrap_or_default().trim());
                    break;
                }
                _ => {}
            }
            slash = (character == '/' && !quoted).then_some(at + 1);
            escaped = quoted && character == '\\' && !escaped;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn check(text: &str, want: &str) {
        let file = |text: &str| SourceFile { path: "p.cedar".to_owned(), text: text.to_owned() };
        let found = formatted(&file(text)).unwrap_or_else(|faults| faults.first().unwrap().to_string());
        assert_eq!(found, want);
        if !want.starts_with("p.cedar") {
            assert_eq!(formatted(&file(want)).unwrap(), want, "the layout is not its own layout");
        }
    }

    #[test]
    fn policies_are_laid_out_and_comments_are_kept() {
        check(
            "// Why.\n@id(\"a\")   permit(principal,action,resource) when{context.a==\"// no comment\"}; // after\n// the end\n",
            "// Why.\n@id(\"a\")\npermit (principal, action, resource)\nwhen { context.a == \"// no comment\" }; // after\n\n// the end\n",
        );
        check(
            "// The file.\n\n\n// One.\npermit(principal,action,resource);forbid(principal,action,resource);\n// Apart.\n\nforbid(principal,action,resource); // last",
            "// The file.\n\n// One.\npermit (principal, action, resource);\n\nforbid (principal, action, resource);\n\n// Apart.\n\n\
             forbid (principal, action, resource); // last\n",
        );
    }

    #[test]
    fn what_cannot_be_read_or_needs_no_layout_is_left() {
        check("// Nothing yet.\n", "// Nothing yet.\n");
        check("permit (", "p.cedar:1:9: unexpected end of input");
    }

    #[test]
    fn comments_are_told_from_text() {
        let text = "a // one\n\"//\" \"\\\"//\" //two\n/ / x\n///three";
        assert_eq!(comments(text), ["one", "two", "/three"]);
    }
}
