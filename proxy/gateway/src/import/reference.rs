//! What clients write in place of a value: references to variables, to what a user is asked for, to folders. Each client
//! has its own spelling; here they become one.
//!
//! A reference to a secret stays a reference. Only what is known when the file is read, folders, is filled in.

use std::path::PathBuf;

use super::client::Client;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    /// As it stands.
    Text(String),
    /// A variable of the environment, and what stands in where it is not set.
    Variable {
        /// Its name.
        name: String,
        /// What stands in.
        otherwise: Option<String>,
    },
}

/// A text and the references in it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Words(pub(super) Vec<Piece>);

// Written by hand: a literal may be a secret.
impl std::fmt::Debug for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Words(..)")
    }
}

/// The folders a client's words may mean.
#[derive(Debug, Clone, Default)]
pub(super) struct Folders {
    /// The project the file belongs to; nothing for a file of the user's.
    pub(super) project: Option<PathBuf>,
    /// The user's home.
    pub(super) home: Option<PathBuf>,
}

/// How a client spells references.
enum Spelling {
    /// It knows none.
    None,
    /// `${NAME}` and `${NAME:-otherwise}`.
    Braced,
    /// `$NAME` as well.
    Shell,
    /// `${env:NAME}`, `${input:id}`, `${workspaceFolder}` and the like.
    Editor,
}

fn spelling(client: Client) -> Spelling {
    match client {
        Client::ClaudeCode => Spelling::Braced,
        Client::Cursor | Client::VsCode => Spelling::Editor,
        Client::Gemini | Client::Goose => Spelling::Shell,
        Client::ClaudeDesktop | Client::Codex | Client::Zed => Spelling::None,
    }
}

impl Words {
    /// Reads a text as this client does. `asked` is told of each value the client would ask its user for.
    ///
    /// # Errors
    /// In words, when it refers to something that the gate cannot know.
    pub(super) fn read(
        text: &str,
        client: Client,
        folders: &Folders,
        asked: &mut dyn FnMut(&str, &str),
    ) -> Result<Self, String> {
        let spelling = spelling(client);
        let mut words = Self(Vec::new());
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            words.push_text(before);
            let braced = after.strip_prefix('{').and_then(|inner| inner.split_once('}'));
            rest = match (&spelling, braced) {
                (Spelling::Braced | Spelling::Shell, Some((inner, after))) if variable(inner, folders).is_some() => {
                    words.0.extend(variable(inner, folders));
                    after
                }
                (Spelling::Editor, Some((inner, after))) => {
                    words.0.push(editor(inner, folders, asked)?);
                    after
                }
                (Spelling::Shell, None) if after.starts_with(begins_name) => {
                    let length = after.find(|c| !in_name(c)).unwrap_or(after.len());
                    let (name, after) = after.split_at_checked(length).unwrap_or((after, ""));
                    words.0.push(Piece::Variable { name: name.to_owned(), otherwise: None });
                    after
                }
                (Spelling::None | Spelling::Braced | Spelling::Shell | Spelling::Editor, _) => {
                    words.push_text("$");
                    after
                }
            };
        }
        words.push_text(rest);
        Ok(words)
    }

    fn push_text(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        if let Some(Piece::Text(last)) = self.0.last_mut() {
            last.push_str(text);
        } else {
            self.0.push(Piece::Text(text.to_owned()));
        }
    }

    /// The text, where it refers to nothing.
    pub(super) fn literal(&self) -> Option<String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Variable { .. } => return None,
            }
        }
        Some(out)
    }

    /// The variables it refers to.
    pub(super) fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Variable { name, .. } => Some(name.as_str()),
        })
    }

    /// What stands before the one reference it ends with, and the variable; nothing where it has another form.
    pub(super) fn ends_with_variable(&self) -> Option<(String, &str)> {
        let (last, before) = self.0.split_last()?;
        let Piece::Variable { name, otherwise: None } = last else { return None };
        let before = Words(before.to_vec()).literal()?;
        Some((before, name))
    }

    /// As the registry's `expand` reads it.
    pub(super) fn expandable(&self) -> String {
        let piece = |piece: &Piece| match piece {
            Piece::Text(text) => text.replace('$', "$$"),
            Piece::Variable { name, otherwise: None } => format!("${{{name}}}"),
            Piece::Variable { name, otherwise: Some(text) } => format!("${{{name}:-{text}}}"),
        };
        self.0.iter().map(piece).collect()
    }

    /// Everything in it that stands as it is, stand-ins included: what would be copied with it.
    pub(super) fn literals(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Text(text) | Piece::Variable { otherwise: Some(text), .. } => Some(text.as_str()),
            Piece::Variable { otherwise: None, .. } => None,
        })
    }
}

fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_'
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn is_name(text: &str) -> bool {
    text.starts_with(begins_name) && text.chars().all(in_name)
}

/// `NAME` or `NAME:-otherwise`.
fn variable(inner: &str, folders: &Folders) -> Option<Piece> {
    let (name, otherwise) = match inner.split_once(":-") {
        Some((name, otherwise)) => (name, Some(otherwise.to_owned())),
        None => (inner, None),
    };
    if !is_name(name) {
        return None;
    }
    // Claude Code sets this one itself, for what it starts.
    let project = folders.project.as_ref().filter(|_| name == "CLAUDE_PROJECT_DIR");
    Some(match project {
        Some(folder) => Piece::Text(folder.display().to_string()),
        None => Piece::Variable { name: name.to_owned(), otherwise },
    })
}

/// What Cursor and VS Code write between `${` and `}`.
fn editor(inner: &str, folders: &Folders, asked: &mut dyn FnMut(&str, &str)) -> Result<Piece, String> {
    let unknown = || format!("it refers to `${{{inner}}}`, which only the editor knows");
    let folder = |folder: &Option<PathBuf>| folder.as_ref().map(|f| f.display().to_string()).ok_or_else(unknown);
    if let Some(name) = inner.strip_prefix("env:").filter(|name| is_name(name)) {
        return Ok(Piece::Variable { name: name.to_owned(), otherwise: None });
    }
    if let Some(id) = inner.strip_prefix("input:") {
        let name = variable_of_input(id);
        asked(id, &name);
        return Ok(Piece::Variable { name, otherwise: None });
    }
    Ok(Piece::Text(match inner {
        "workspaceFolder" => folder(&folders.project)?,
        "workspaceFolderBasename" => {
            let name = folders.project.as_ref().and_then(|folder| folder.file_name());
            name.map(|name| name.to_string_lossy().into_owned()).ok_or_else(unknown)?
        }
        "userHome" => folder(&folders.home)?,
        "/" | "pathSeparator" => std::path::MAIN_SEPARATOR_STR.to_owned(),
        _ => return Err(unknown()),
    }))
}

/// The variable in which the gate finds what an editor asked its user for: the input's id in capitals.
fn variable_of_input(id: &str) -> String {
    let name: String = id.chars().map(|c| if in_name(c) { c.to_ascii_uppercase() } else { '_' }).collect();
    if name.starts_with(begins_name) { name } else { format!("INPUT_{name}") }
}

impl Words {
    /// A variable with a text before it.
    pub(super) fn variable(before: &str, name: &str) -> Self {
        let mut words = Self(Vec::new());
        words.push_text(before);
        words.0.push(Piece::Variable { name: name.to_owned(), otherwise: None });
        words
    }
}
