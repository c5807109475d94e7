//! What a registry entry says of a child process, filled in from the gate's own surroundings: variables passed through,
//! a file of variables, references in arguments. Shared by the data path and the scanner; knows nothing of secrets.

use std::collections::BTreeMap;

/// Variables every child gets if the gate has them: none is a secret, and launchers need them.
const PASSED: [&str; 8] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ", "TMPDIR", "SHELL"];

/// How a child process is described (`[transport]` with `kind = "stdio"`).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written<'a> {
    /// Its arguments.
    pub(crate) args: &'a [String],
    /// Its variables.
    pub(crate) env: &'a BTreeMap<String, String>,
    /// Variables passed through from the gate.
    pub(crate) env_from: &'a [String],
    /// A file of `NAME=value` lines.
    pub(crate) env_file: Option<&'a str>,
    /// Whether `${NAME}` is filled in.
    pub(crate) expand: bool,
}

/// What a child process is started with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Filled {
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Its whole environment, secrets aside.
    pub(crate) env: BTreeMap<String, String>,
}

impl Written<'_> {
    /// Fills in what the gate's surroundings say.
    ///
    /// # Errors
    /// When the file cannot be read, or a variable is not set that nothing stands in for. The words hold no values.
    pub(crate) fn fill(&self) -> Result<Filled, String> {
        let file = match self.env_file {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path).map_err(|e| format!("`env_file` {path}: {e}"))?,
        };
        self.fill_from(&file, &|name| std::env::var(name).ok())
    }

    fn fill_from(&self, file: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<Filled, String> {
        let passed = PASSED.into_iter().chain(self.env_from.iter().map(String::as_str));
        let mut env: BTreeMap<String, String> =
            passed.filter_map(|name| Some((name.to_owned(), variable(name)?))).collect();
        env.extend(assignments(file));
        let mut args = Vec::with_capacity(self.args.len());
        for arg in self.args {
            args.push(if self.expand { expanded(arg, variable)? } else { arg.clone() });
        }
        for (name, value) in self.env {
            let value = if self.expand { expanded(value, variable)? } else { value.clone() };
            env.insert(name.clone(), value);
        }
        Ok(Filled { args, env })
    }
}

/// The `NAME=value` lines of a file: blank lines and comments aside, `export` and one pair of quotes taken off.
fn assignments(text: &str) -> impl Iterator<Item = (String, String)> {
    text.lines().filter_map(|line| {
        let line = line.trim().trim_start_matches('\u{feff}');
        let (name, value) = line.strip_prefix("export ").unwrap_or(line).split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let bare = |quote| value.strip_prefix(quote).and_then(|rest: &str| rest.strip_suffix(quote));
        let value = bare('"').or_else(|| bare('\'')).unwrap_or(value);
        (!name.is_empty() && !name.starts_with('#')).then(|| (name.to_owned(), value.to_owned()))
    })
}

/// A text with its references filled in: `${NAME}`, `${NAME:-otherwise}`, and `$$` for a dollar sign.
fn expanded(text: &str, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let Some((inner, after)) = after.strip_prefix('{').and_then(|inner| inner.split_once('}')) else {
            out.push('$');
            rest = after;
            continue;
        };
        let (name, otherwise) = match inner.split_once(":-") {
            Some((name, otherwise)) => (name, Some(otherwise)),
            None => (inner, None),
        };
        // As in a shell, `:-` also stands in for what is set and empty.
        let value = variable(name).filter(|value| otherwise.is_none() || !value.is_empty());
        match value.or_else(|| otherwise.map(str::to_owned)) {
            Some(value) => out.push_str(&value),
            None => return Err(format!("the variable `{name}` is not set")),
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::panic, reason = "a test may panic")]
    use super::*;

    fn surroundings(name: &str) -> Option<String> {
        let known = [("PATH", "/bin"), ("ROOT", "/srv"), ("EMPTY", ""), ("TOKEN", "t")];
        known.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn references_are_filled_in() {
        for (text, want) in [
            ("${ROOT}/x", Ok("/srv/x")),
            ("a${NONE:-b}c", Ok("abc")),
            ("${EMPTY:-b}${EMPTY}", Ok("b")),
            ("$$ROOT $ROOT $", Ok("$ROOT $ROOT $")),
            ("$${ROOT}", Ok("${ROOT}")),
            ("${open", Ok("${open")),
            ("${NONE}", Err("the variable `NONE` is not set")),
        ] {
            assert_eq!(expanded(text, &surroundings), want.map(str::to_owned).map_err(str::to_owned), "{text}");
        }
    }

    #[test]
    fn a_child_gets_what_its_entry_says_and_nothing_else() {
        let env = BTreeMap::from([("A".to_owned(), "over".to_owned()), ("R".to_owned(), "${ROOT}".to_owned())]);
        let (args, env_from) = (["${ROOT}".to_owned()], ["TOKEN".to_owned(), "NONE".to_owned()]);
        let written = Written { args: &args, env: &env, env_from: &env_from, env_file: None, expand: true };
        let file = "\u{feff}# a comment\n\nexport A=under\nB = \"b c\"\nC='d'\nno assignment\n";
        let filled = written.fill_from(file, &surroundings).unwrap_or_else(|words| panic!("{words}"));
        let told: Vec<String> = filled.env.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(told, ["A=over", "B=b c", "C=d", "PATH=/bin", "R=/srv", "TOKEN=t"]);
        assert_eq!(filled.args, ["/srv"]);
        let plain = Written { expand: false, ..written };
        assert_eq!(plain.fill_from("", &surroundings).map(|filled| filled.args), Ok(vec!["${ROOT}".to_owned()]));
    }
}
