//! The file of definitions beside a server's entry: a JSON array with one tool on each line, every token as it came.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::draft::DraftFault;
use super::fault::quoted;

/// The name of a tool object; nothing where it has none.
pub(crate) fn name_of(tool: &RawValue) -> Option<String> {
    #[derive(Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }
    serde_json::from_str::<Named<'_>>(tool.get()).ok().map(|named| named.name.into_owned())
}

/// The definitions of a file, in its order: names and texts.
///
/// # Errors
/// [`DraftFault::Tools`] when it is no array of tools, or names one twice.
pub(crate) fn read(text: &str) -> Result<Vec<(String, String)>, DraftFault> {
    let read: Vec<Box<RawValue>> = serde_json::from_str(text).map_err(|error| DraftFault::Tools(error.to_string()))?;
    let mut tools = Vec::new();
    let mut names = BTreeSet::new();
    for (index, tool) in read.into_iter().enumerate() {
        let name = name_of(&tool).ok_or_else(|| DraftFault::Tools(format!("element {} has no `name`", index + 1)))?;
        if !names.insert(name.clone()) {
            return Err(DraftFault::Tools(format!("it has the tool `{}` twice", quoted(&name))));
        }
        tools.push((name, tool.get().to_owned()));
    }
    Ok(tools)
}

/// A file of definitions: names and texts, each in one line already.
pub(crate) fn written(tools: &[(String, String)]) -> String {
    let lines: Vec<&str> = tools.iter().map(|(_, text)| text.as_str()).collect();
    if lines.is_empty() { "[]\n".to_owned() } else { format!("[\n{}\n]\n", lines.join(",\n")) }
}

/// JSON text without the white space between its tokens, every token as it was.
pub(crate) fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut in_string, mut escaped) = (false, false);
    for character in text.chars() {
        if in_string {
            in_string = escaped || character != '"';
            escaped = !escaped && character == '\\';
        } else if character.is_ascii_whitespace() {
            continue;
        } else {
            in_string = character == '"';
        }
        out.push(character);
    }
    out
}
