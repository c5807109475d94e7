//! JSON with comments, by `jsonc-parser`, into the common tree.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::tree::{Map, Member, Node, Style, Unreadable, Value};

/// Comments and trailing commas are read; what else JSON5 allows is not, as no client would read it.
const OPTIONS: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

pub(super) fn read(text: &str) -> Result<Node, Unreadable> {
    let parsed = parse_to_ast(text, &CollectOptions::default(), &OPTIONS);
    let parsed = parsed.map_err(|e| Unreadable::at(text, e.range().start, e.kind().to_string()))?;
    Ok(match parsed.value {
        Some(value) => node(&value),
        None => Node { at: text.len()..text.len(), value: Value::Map(Map::default()) },
    })
}

fn node(value: &ast::Value<'_>) -> Node {
    let range = value.range();
    let at = range.start..range.end;
    let value = match value {
        ast::Value::StringLit(text) => Value::Text(text.value.to_string()),
        ast::Value::NumberLit(number) => Value::Number(number.value.to_owned()),
        ast::Value::BooleanLit(yes) => Value::Bool(yes.value),
        ast::Value::NullKeyword(_) => Value::Null,
        ast::Value::Array(list) => Value::List(list.elements.iter().map(node).collect()),
        ast::Value::Object(object) => {
            let members = object.properties.iter().map(|property| Member {
                name: match &property.name {
                    ast::ObjectPropName::String(text) => text.value.to_string(),
                    ast::ObjectPropName::Word(word) => word.value.to_owned(),
                },
                at: property.range.start..property.range.end,
                section: false,
                node: node(&property.value),
            });
            Value::Map(Map { members: members.collect(), style: Style::Braces })
        }
    };
    Node { at, value }
}
