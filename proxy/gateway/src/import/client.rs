//! The clients whose configuration is read: where their files lie, where servers stand in them, how each takes a token.
//!
//! What is known of each is of late 2026; their own documentation is the source.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::splice::Fresh;
use super::tree::{Format, Node};

/// The variable that holds the agent's token, on both sides.
pub const TOKEN: &str = "WICKETGATE_TOKEN";
/// The id of the input by which VS Code asks for it.
pub(super) const INPUT: &str = "wicketgate-token";

/// A client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Client {
    /// Claude Code: `.mcp.json`, `~/.claude.json`
    ClaudeCode,
    /// Claude Desktop: `claude_desktop_config.json`
    ClaudeDesktop,
    /// Cursor: `.cursor/mcp.json`, `~/.cursor/mcp.json`
    Cursor,
    /// VS Code: `.vscode/mcp.json`, the user's `mcp.json`
    #[value(name = "vscode")]
    VsCode,
    /// Codex: `~/.codex/config.toml`, `.codex/config.toml`
    Codex,
    /// Gemini CLI: `.gemini/settings.json`, `~/.gemini/settings.json`
    Gemini,
    /// Goose: `~/.config/goose/config.yaml`
    Goose,
    /// Zed: `~/.config/zed/settings.json`, `.zed/settings.json`
    Zed,
}

/// Where files are looked for.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// The project's folder.
    pub project: PathBuf,
    /// The user's home.
    pub home: Option<PathBuf>,
    /// `CODEX_HOME`, `CLAUDE_CONFIG_DIR`, `XDG_CONFIG_HOME`, `APPDATA`, in this order, as far as they are set.
    pub set: [Option<PathBuf>; 4],
}

/// A file of a client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientFile {
    /// Whose.
    pub client: Client,
    /// Where.
    pub path: PathBuf,
    /// The project it belongs to; nothing for a file of the user's.
    pub project: Option<PathBuf>,
}

impl Client {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::ClaudeCode,
        Self::ClaudeDesktop,
        Self::Cursor,
        Self::VsCode,
        Self::Codex,
        Self::Gemini,
        Self::Goose,
        Self::Zed,
    ];

    /// Its name, as people write it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::ClaudeDesktop => "Claude Desktop",
            Self::Cursor => "Cursor",
            Self::VsCode => "VS Code",
            Self::Codex => "Codex",
            Self::Gemini => "Gemini CLI",
            Self::Goose => "Goose",
            Self::Zed => "Zed",
        }
    }

    /// Its name on the command line and in names of servers.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::ClaudeDesktop => "claude-desktop",
            Self::Cursor => "cursor",
            Self::VsCode => "vscode",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::Goose => "goose",
            Self::Zed => "zed",
        }
    }

    /// How its files are written.
    #[must_use]
    pub fn format(self) -> Format {
        match self {
            Self::Codex => Format::Toml,
            Self::Goose => Format::Yaml,
            Self::ClaudeCode | Self::ClaudeDesktop | Self::Cursor | Self::VsCode | Self::Gemini | Self::Zed => {
                Format::Json
            }
        }
    }

    /// The files it reads, whether or not they are there: those of the project, then those of the user.
    #[must_use]
    pub fn files(self, around: &Surroundings) -> Vec<ClientFile> {
        let of_project = |path: &str| ClientFile {
            client: self,
            path: around.project.join(path),
            project: Some(around.project.clone()),
        };
        let of_user = |path: PathBuf| ClientFile { client: self, path, project: None };
        let home = |path: &str| around.home.as_ref().map(|home| home.join(path));
        let [codex, claude, config, roaming] = &around.set;
        let config = config.clone().or_else(|| home(".config"));
        let below = |folder: &Option<PathBuf>, path: &str| folder.as_ref().map(|folder| folder.join(path));
        let (project, user): (&[&str], Vec<Option<PathBuf>>) = match self {
            Self::ClaudeCode => (&[".mcp.json"], vec![below(claude, ".claude.json").or_else(|| home(".claude.json"))]),
            Self::ClaudeDesktop => (
                &[],
                vec![
                    home("Library/Application Support/Claude/claude_desktop_config.json"),
                    below(roaming, "Claude/claude_desktop_config.json"),
                    below(&config, "Claude/claude_desktop_config.json"),
                ],
            ),
            Self::Cursor => (&[".cursor/mcp.json"], vec![home(".cursor/mcp.json")]),
            Self::VsCode => (
                &[".vscode/mcp.json"],
                vec![
                    home("Library/Application Support/Code/User/mcp.json"),
                    below(roaming, "Code/User/mcp.json"),
                    below(&config, "Code/User/mcp.json"),
                ],
            ),
            Self::Codex => {
                (&[".codex/config.toml"], vec![below(codex, "config.toml").or_else(|| home(".codex/config.toml"))])
            }
            Self::Gemini => (&[".gemini/settings.json"], vec![home(".gemini/settings.json")]),
            Self::Goose => {
                (&[], vec![below(roaming, "Block/goose/config/config.yaml"), below(&config, "goose/config.yaml")])
            }
            Self::Zed => (&[".zed/settings.json"], vec![below(&config, "zed/settings.json")]),
        };
        project.iter().map(|path| of_project(path)).chain(user.into_iter().flatten().map(of_user)).collect()
    }

    /// The client whose file this is, by its name and folder; nothing where several would call it so.
    #[must_use]
    pub fn of_file(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_str()?;
        let folder = path.parent().and_then(Path::file_name).and_then(|folder| folder.to_str()).unwrap_or_default();
        match (folder, name) {
            (_, ".mcp.json" | ".claude.json" | "managed-mcp.json") => Some(Self::ClaudeCode),
            (_, "claude_desktop_config.json") => Some(Self::ClaudeDesktop),
            (".cursor", "mcp.json") => Some(Self::Cursor),
            (".vscode" | "User", "mcp.json") => Some(Self::VsCode),
            (".codex", "config.toml") => Some(Self::Codex),
            (".gemini", "settings.json") => Some(Self::Gemini),
            ("goose", "config.yaml") | ("config", "config.yaml") => Some(Self::Goose),
            ("zed" | ".zed", "settings.json") => Some(Self::Zed),
            _ => None,
        }
    }

    /// The maps of servers in a file, each with the project it belongs to, if it belongs to one of its own.
    pub(super) fn maps(self, root: &Node) -> Vec<(Option<PathBuf>, &Node)> {
        let name = match self {
            Self::ClaudeCode | Self::ClaudeDesktop | Self::Cursor | Self::Gemini => "mcpServers",
            Self::VsCode => "servers",
            Self::Codex => "mcp_servers",
            Self::Goose => "extensions",
            Self::Zed => "context_servers",
        };
        let mut out: Vec<(Option<PathBuf>, &Node)> = root.get(name).map(|map| (None, map)).into_iter().collect();
        if self == Self::ClaudeCode {
            let projects = root.get("projects").and_then(Node::map);
            for project in projects.map(|map| map.members.as_slice()).unwrap_or_default() {
                let map = project.node.get(name).map(|map| (Some(PathBuf::from(&project.name)), map));
                out.extend(map);
            }
        }
        out
    }

    /// Whether a member of an entry says how its server is reached, and gives way to the gate's address.
    pub(super) fn gives_way(self, member: &str) -> bool {
        let names: &[&str] = match self {
            Self::ClaudeCode | Self::ClaudeDesktop => {
                &["type", "command", "args", "env", "url", "headers", "headersHelper", "oauth"]
            }
            Self::Cursor => &["type", "command", "args", "env", "envFile", "cwd", "url", "headers", "auth"],
            Self::VsCode => &["type", "command", "args", "env", "envFile", "cwd", "url", "headers", "oauth", "dev"],
            Self::Codex => &[
                "command",
                "args",
                "env",
                "env_vars",
                "cwd",
                "url",
                "bearer_token_env_var",
                "http_headers",
                "env_http_headers",
                "scopes",
                "oauth",
                "oauth_resource",
            ],
            Self::Gemini => {
                &["type", "command", "args", "env", "cwd", "url", "httpUrl", "headers", "oauth", "authProviderType"]
            }
            Self::Goose => &["type", "cmd", "args", "envs", "env_keys", "uri", "headers", "cwd", "socket"],
            Self::Zed => &["source", "command", "args", "env", "url", "headers"],
        };
        names.contains(&member)
    }

    /// What takes the place of those members: the gate's address, and the token as this client refers to one. Claude
    /// Desktop reads no URL from its file, and Zed no reference: both start the bridge, which finds the token itself.
    pub(super) fn entry(self, url: &str, bridge: &Bridge<'_>) -> Vec<(&'static str, Fresh)> {
        let text = |text: &str| Fresh::Text(text.to_owned());
        let authorization =
            |reference: &str| ("headers", Fresh::Map(vec![("Authorization", text(&format!("Bearer {reference}")))]));
        match self {
            Self::ClaudeCode => {
                vec![("type", text("http")), ("url", text(url)), authorization(&format!("${{{TOKEN}}}"))]
            }
            Self::Cursor => vec![("url", text(url)), authorization(&format!("${{env:{TOKEN}}}"))],
            Self::VsCode => {
                vec![("type", text("http")), ("url", text(url)), authorization(&format!("${{input:{INPUT}}}"))]
            }
            Self::Codex => vec![("url", text(url)), ("bearer_token_env_var", text(TOKEN))],
            Self::Gemini => vec![("type", text("http")), ("url", text(url)), authorization(&format!("${{{TOKEN}}}"))],
            Self::Goose => vec![
                ("type", text("streamable_http")),
                ("uri", text(url)),
                ("env_keys", Fresh::List(vec![text(TOKEN)])),
                authorization(&format!("${{{TOKEN}}}")),
            ],
            Self::ClaudeDesktop | Self::Zed => {
                let args = bridge.args.iter().map(|arg| text(arg)).collect();
                vec![("command", text(bridge.program)), ("args", Fresh::List(args))]
            }
        }
    }

    /// Whether it reaches the gate through `wicketgate stdio`.
    pub(super) fn is_bridged(self) -> bool {
        matches!(self, Self::ClaudeDesktop | Self::Zed)
    }
}

/// How the bridge is started.
#[derive(Debug)]
pub(super) struct Bridge<'a> {
    pub(super) program: &'a str,
    pub(super) args: &'a [String],
}
