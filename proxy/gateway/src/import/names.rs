//! Names for servers on the gate: a path segment, a file's stem and a Cedar namespace at once. A client's own name for its
//! entry stays in its file.

use std::collections::BTreeSet;

/// What the gate serves itself.
const RESERVED: [&str; 3] = ["gate", "v1", "healthz"];
/// How long a server's name may be.
const LENGTH_MAX: usize = 64;

/// The names that are taken, with their Cedar namespaces.
#[derive(Debug, Default)]
pub(super) struct Names {
    taken: BTreeSet<String>,
    namespaces: BTreeSet<String>,
}

impl Names {
    pub(super) fn take(&mut self, name: &str) {
        self.taken.insert(name.to_owned());
        self.namespaces.insert(pdp::registry::namespace(name));
    }

    fn is_free(&self, name: &str) -> bool {
        !RESERVED.contains(&name)
            && !self.taken.contains(name)
            && !self.namespaces.contains(&pdp::registry::namespace(name))
    }

    /// A free name for what a client calls `written`, and takes it: with the client's name behind it where another server
    /// has it, and a number where that is taken too.
    pub(super) fn choose(&mut self, written: &str, client: &str) -> String {
        let base = plain(written);
        let with = |end: &str| {
            let room = LENGTH_MAX.saturating_sub(end.len() + 1);
            let cut: String = base.chars().take(room).collect();
            format!("{}-{end}", cut.trim_end_matches(['-', '_']))
        };
        let numbered = (2_u32..).map(|n| with(&n.to_string()));
        let mut all = std::iter::once(base.clone()).chain(std::iter::once(with(client))).chain(numbered);
        let name = all.find(|name| self.is_free(name)).unwrap_or(base);
        self.take(&name);
        name
    }
}

/// A name as the registry takes it: lower-case letters, digits, `-` and `_`, a letter first.
fn plain(written: &str) -> String {
    let mut out = String::new();
    for c in written.chars() {
        let c = c.to_ascii_lowercase();
        let fits = c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        match fits {
            true => out.push(c),
            false if !out.ends_with('-') => out.push('-'),
            false => {}
        }
    }
    let out = out.trim_matches(['-', '_']);
    let out = if out.starts_with(|c: char| c.is_ascii_lowercase()) { out.to_owned() } else { format!("s-{out}") };
    let out: String = out.chars().take(LENGTH_MAX).collect();
    out.trim_end_matches(['-', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_a_path_a_file_and_a_namespace() {
        for (written, name) in [
            ("github", "github"),
            ("GitHub MCP (work)", "github-mcp-work"),
            ("@scope/server.name", "scope-server-name"),
            ("42", "s-42"),
            ("größe", "gr-e"),
            ("数据", "s"),
            ("snake_case", "snake_case"),
            ("---", "s"),
        ] {
            assert_eq!(plain(written), name, "{written}");
        }
        assert_eq!(plain(&"x".repeat(99)).len(), 64);
    }

    #[test]
    fn a_name_that_is_taken_gets_its_clients_name_then_a_number() {
        let mut names = Names::default();
        let mut choose = |written: &str, client: &str| names.choose(written, client);
        assert_eq!(choose("git-hub", "cursor"), "git-hub");
        assert_eq!(choose("git_hub", "codex"), "git_hub-codex", "its namespace is taken");
        assert_eq!(choose("git-hub", "cursor"), "git-hub-cursor");
        assert_eq!(choose("git-hub", "cursor"), "git-hub-2");
        assert_eq!(choose("gate", "zed"), "gate-zed");
        let long = "x".repeat(99);
        assert_eq!(choose(&long, "zed").len(), 64);
        let second = choose(&long, "zed");
        assert!(second.len() <= 64 && second.ends_with("-zed"), "{second}");
    }
}
