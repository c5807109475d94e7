//! TOML, by `toml_edit`'s reader that keeps places, into the common tree.

use toml_edit::{Document, Item, Key, Table};

use super::tree::{Map, Member, Node, Style, Unreadable, Value};

pub(super) fn read(text: &str) -> Result<Node, Unreadable> {
    let document = Document::parse(text)
        .map_err(|e| Unreadable::at(text, e.span().map_or(0, |span| span.start), e.message().to_owned()))?;
    Ok(Node { at: 0..text.len(), value: Value::Map(table(document.as_table())) })
}

fn table(table: &Table) -> Map {
    let members = table.iter().filter_map(|(name, item)| member(table.key(name)?, item));
    Map { members: members.collect(), style: Style::Lines }
}

fn member(key: &Key, item: &Item) -> Option<Member> {
    let name_at = key.span().unwrap_or_default();
    let name = key.get().to_owned();
    Some(match item {
        Item::None => return None,
        Item::Value(written) => {
            let node = value(written);
            Member { name, at: name_at.start..node.at.end, section: false, node }
        }
        Item::Table(inner) => {
            // Made by dotted keys, or by the header of a table below it, a table has no header of its own.
            let at = inner.span().filter(|_| !inner.is_implicit() && !inner.is_dotted());
            let at = at.unwrap_or(name_at.start..name_at.start);
            let node = Node { at: at.clone(), value: Value::Map(table(inner)) };
            Member { name, at, section: true, node }
        }
        Item::ArrayOfTables(_) => {
            Member { name, at: name_at.clone(), section: true, node: Node { at: name_at, value: Value::Other } }
        }
    })
}

fn value(written: &toml_edit::Value) -> Node {
    let at = written.span().unwrap_or_default();
    let value = match written {
        toml_edit::Value::String(text) => Value::Text(text.value().clone()),
        toml_edit::Value::Integer(number) => Value::Number(number.value().to_string()),
        toml_edit::Value::Float(number) => Value::Number(number.value().to_string()),
        toml_edit::Value::Boolean(yes) => Value::Bool(*yes.value()),
        toml_edit::Value::Datetime(_) => Value::Other,
        toml_edit::Value::Array(list) => Value::List(list.iter().map(value).collect()),
        toml_edit::Value::InlineTable(table) => {
            let members = table.iter().filter_map(|(name, inner)| {
                let node = value(inner);
                let start = table.key(name).and_then(Key::span)?.start;
                Some(Member { name: name.to_owned(), at: start..node.at.end, section: false, node })
            });
            Value::Map(Map { members: members.collect(), style: Style::Braces })
        }
    };
    Node { at, value }
}
