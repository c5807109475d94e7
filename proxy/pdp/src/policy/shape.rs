//! The shape of a tool's arguments in Cedar: from the reviewed JSON Schema to types, from a call's arguments to values.
//!
//! Values are built as restricted expressions by hand. Cedar's own JSON reader honours `__entity` and `__extn` inside
//! data, which a caller controls. What has no Cedar type is opaque: left out, and told by `context.args_opaque`.

use std::collections::BTreeSet;

use cedar_policy::RestrictedExpression;
use serde_json::Value;

use super::canonical::canonical;
use super::needs::{Members, Needs};
use super::number;
use crate::json::Json;

/// The members of a record of arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: String,
    required: bool,
    kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Text { host: bool },
    Long,
    Decimal,
    Bool,
    Set(Box<Kind>),
    Record(Shape),
    Opaque,
}

/// A call's arguments as Cedar sees them.
pub(super) struct Arguments {
    pub(super) args: RestrictedExpression,
    pub(super) canonical: RestrictedExpression,
    pub(super) opaque: bool,
}

/// An argument that cannot be given to Cedar without loss.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ArgumentFault {
    /// A number with no exact Cedar form.
    #[error("the number `{value}` in `{at}` has no exact form that policies can judge")]
    Number {
        /// Which argument.
        at: String,
        /// As it was written.
        value: String,
    },
    /// A name that differs from a declared one only in case: some servers read it as the same argument.
    #[error("the argument `{found}` differs from `{declared}` only in case")]
    CaseVariant {
        /// The name in the call.
        found: String,
        /// The name in the reviewed schema.
        declared: String,
    },
    /// A value that is not of the declared type.
    #[error("`{at}` is not of the type its reviewed schema declares")]
    Type {
        /// Which argument.
        at: String,
    },
}

/// How deep references are followed before a type counts as recursive, hence opaque.
const REFERENCE_DEPTH_MAX: usize = 8;

impl Shape {
    /// The shape of an input schema.
    #[must_use]
    pub fn of_schema(schema: &Value) -> Self {
        match Kind::of(schema, schema, "", REFERENCE_DEPTH_MAX) {
            Kind::Record(shape) => shape,
            Kind::Text { .. } | Kind::Long | Kind::Decimal | Kind::Bool | Kind::Set(_) | Kind::Opaque => {
                Self::default()
            }
        }
    }

    /// The record type in Cedar's schema language; only of what is needed, which then may be missing.
    pub(super) fn cedar_type(&self, needed: Option<&Members>) -> String {
        self.written(needed, Kind::cedar_type)
    }

    /// The record type of the canonical forms: the strings alone.
    pub(super) fn canonical_type(&self, needed: Option<&Members>) -> String {
        self.written(needed, |kind| match kind {
            Kind::Text { .. } => Some("String".to_owned()),
            Kind::Set(inner) if matches!(**inner, Kind::Text { .. }) => Some("Set<String>".to_owned()),
            Kind::Set(_) | Kind::Long | Kind::Decimal | Kind::Bool | Kind::Record(_) | Kind::Opaque => None,
        })
    }

    fn written(&self, needed: Option<&Members>, kind: impl Fn(&Kind) -> Option<String>) -> String {
        let is_needed = |field: &&Field| needed.is_none_or(|needed| needed.has(&field.name));
        let members = self.fields.iter().filter(is_needed).filter_map(|field| {
            let optional = if field.required && needed.is_none() { "" } else { "?" };
            Some(format!("{:?}{optional}: {}", field.name, kind(&field.kind)?))
        });
        format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
    }

    /// The names of arguments that policies cannot see by value.
    #[must_use]
    pub fn opaque_names(&self) -> BTreeSet<&str> {
        self.fields.iter().filter(|f| f.kind == Kind::Opaque).map(|f| f.name.as_str()).collect()
    }

    /// A call's arguments as Cedar values, as far as they are needed. All of them are looked at.
    ///
    /// # Errors
    /// The first argument that cannot be represented exactly.
    pub(super) fn arguments(&self, args: &Json<'_>, needs: &Needs) -> Result<Arguments, ArgumentFault> {
        let mut opaque = false;
        let record = self.record(args, "", &needs.args, &mut opaque)?;
        Ok(Arguments { args: record, canonical: self.canonical_record(args, &needs.canonical), opaque })
    }

    fn record(
        &self,
        value: &Json<'_>,
        at: &str,
        needed: &Members,
        opaque: &mut bool,
    ) -> Result<RestrictedExpression, ArgumentFault> {
        let Json::Object(members) = value else { return Err(ArgumentFault::Type { at: at.to_owned() }) };
        let mut out = Vec::new();
        for (name, value) in members {
            let Some(field) = self.fields.iter().find(|f| f.name == *name) else {
                if let Some(near) = self.fields.iter().find(|f| f.name.eq_ignore_ascii_case(name)) {
                    return Err(ArgumentFault::CaseVariant { found: name.to_string(), declared: near.name.clone() });
                }
                *opaque = true;
                continue;
            };
            let nested;
            let path = if at.is_empty() {
                field.name.as_str()
            } else {
                nested = format!("{at}.{}", field.name);
                nested.as_str()
            };
            if let Some(value) = field.kind.value(value, path, opaque)?
                && needed.has(&field.name)
            {
                out.push((field.name.clone(), value));
            }
        }
        RestrictedExpression::new_record(out).map_err(|_| ArgumentFault::Type { at: at.to_owned() })
    }

    /// Whether a call's arguments can be represented exactly, also those that no policy looks at.
    ///
    /// # Errors
    /// The first that cannot.
    pub(super) fn check(&self, args: &Json<'_>) -> Result<(), ArgumentFault> {
        self.record(args, "", &Members::default(), &mut false).map(drop)
    }

    fn canonical_record(&self, value: &Json<'_>, needed: &Members) -> RestrictedExpression {
        let text = |value: &Json<'_>, host| match value {
            Json::Text(text) => Some(RestrictedExpression::new_string(canonical(text, host))),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => None,
        };
        let members = self.fields.iter().filter(|field| needed.has(&field.name)).filter_map(|field| {
            let found = value.get(&field.name)?;
            let form = match (&field.kind, found) {
                (Kind::Text { host }, found) => text(found, *host)?,
                (Kind::Set(inner), Json::List(list)) => match **inner {
                    Kind::Text { host } => RestrictedExpression::new_set(list.iter().filter_map(|v| text(v, host))),
                    Kind::Long | Kind::Decimal | Kind::Bool | Kind::Set(_) | Kind::Record(_) | Kind::Opaque => {
                        return None;
                    }
                },
                (Kind::Set(_) | Kind::Long | Kind::Decimal | Kind::Bool | Kind::Record(_) | Kind::Opaque, _) => {
                    return None;
                }
            };
            Some((field.name.clone(), form))
        });
        RestrictedExpression::new_record(members).unwrap_or_else(|_| RestrictedExpression::new_string(String::new()))
    }
}

impl Kind {
    fn of(schema: &Value, root: &Value, name: &str, left: usize) -> Self {
        let Some(left) = left.checked_sub(1) else { return Self::Opaque };
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let found = target.strip_prefix('#').and_then(|pointer| root.pointer(pointer));
            return found.map_or(Self::Opaque, |found| Self::of(found, root, name, left));
        }
        if let Some(choices) = schema.get("enum").and_then(Value::as_array) {
            return if choices.iter().all(Value::is_string) { Self::Text { host: false } } else { Self::Opaque };
        }
        let (kind, _) = declared(schema);
        match kind {
            Some("string") => Self::Text { host: names_host(schema, name) },
            Some("integer") => Self::Long,
            Some("number") => Self::Decimal,
            Some("boolean") => Self::Bool,
            Some("array") => match schema.get("items").map(|items| Self::of(items, root, name, left)) {
                Some(Self::Opaque) | None => Self::Opaque,
                Some(item) => Self::Set(Box::new(item)),
            },
            Some("object") => match schema.get("properties").and_then(Value::as_object) {
                Some(members) => Self::Record(Shape { fields: fields(members, schema, root, left) }),
                // The outermost object is a record even when it declares no argument.
                None if name.is_empty() => Self::Record(Shape::default()),
                None => Self::Opaque,
            },
            Some(_) | None => Self::Opaque,
        }
    }

    fn cedar_type(&self) -> Option<String> {
        match self {
            Self::Text { .. } => Some("String".to_owned()),
            Self::Long => Some("Long".to_owned()),
            Self::Decimal => Some("decimal".to_owned()),
            Self::Bool => Some("Bool".to_owned()),
            Self::Set(inner) => inner.cedar_type().map(|t| format!("Set<{t}>")),
            Self::Record(shape) => Some(shape.cedar_type(None)),
            Self::Opaque => None,
        }
    }

    /// The value, or nothing where it is null or opaque.
    fn value(
        &self,
        value: &Json<'_>,
        at: &str,
        opaque: &mut bool,
    ) -> Result<Option<RestrictedExpression>, ArgumentFault> {
        let number = |digits: &str| ArgumentFault::Number { at: at.to_owned(), value: digits.to_owned() };
        let found = match (self, value) {
            (Self::Opaque, _) => {
                *opaque = true;
                None
            }
            (_, Json::Null) => None,
            (Self::Text { .. }, Json::Text(text)) => Some(RestrictedExpression::new_string(text.to_string())),
            (Self::Bool, Json::Bool(value)) => Some(RestrictedExpression::new_bool(*value)),
            (Self::Long, Json::Number(digits)) => {
                Some(RestrictedExpression::new_long(number::long(digits).ok_or_else(|| number(digits))?))
            }
            (Self::Decimal, Json::Number(digits)) => {
                Some(RestrictedExpression::new_decimal(number::decimal(digits).ok_or_else(|| number(digits))?))
            }
            (Self::Set(inner), Json::List(list)) => {
                let items: Result<Vec<_>, _> = list.iter().map(|item| inner.value(item, at, opaque)).collect();
                Some(RestrictedExpression::new_set(items?.into_iter().flatten()))
            }
            (Self::Record(shape), Json::Object(_)) => Some(shape.record(value, at, &Members::All, opaque)?),
            (Self::Text { .. } | Self::Bool | Self::Long | Self::Decimal | Self::Set(_) | Self::Record(_), _) => {
                return Err(ArgumentFault::Type { at: at.to_owned() });
            }
        };
        Ok(found)
    }
}

fn fields(members: &serde_json::Map<String, Value>, schema: &Value, root: &Value, left: usize) -> Vec<Field> {
    let required: BTreeSet<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    let mut fields: Vec<Field> = members
        .iter()
        .map(|(name, member)| Field {
            name: name.clone(),
            required: required.contains(name.as_str()) && !declared(member).1,
            kind: Kind::of(member, root, name, left),
        })
        .map(|field| Field { required: field.required && field.kind != Kind::Opaque, ..field })
        .collect();
    // Sorted, so that the generated schema does not depend on how an author or a server ordered the members.
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    fields
}

/// The one type a schema declares beside `null`, and whether `null` is allowed.
fn declared(schema: &Value) -> (Option<&str>, bool) {
    match schema.get("type") {
        Some(Value::String(one)) => (Some(one), one == "null"),
        Some(Value::Array(several)) => {
            let mut real = several.iter().filter_map(Value::as_str).filter(|t| *t != "null");
            let nullable = several.iter().any(|t| t == "null");
            match (real.next(), real.next()) {
                (Some(one), None) => (Some(one), nullable),
                (Some(_), Some(_)) | (None, _) => (None, nullable),
            }
        }
        Some(_) | None if schema.get("properties").is_some_and(Value::is_object) => (Some("object"), false),
        Some(_) | None => (None, true),
    }
}

fn names_host(schema: &Value, name: &str) -> bool {
    let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
    ["hostname", "idn-hostname"].contains(&format)
        || ["host", "hostname", "domain"].contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn shape(schema: &str) -> Shape {
        Shape::of_schema(&serde_json::from_str(schema).unwrap())
    }

    #[test]
    fn types_come_from_the_reviewed_schema() {
        let shape = shape(
            r##"{"type":"object","required":["to","n","maybe"],"$defs":{"p":{"type":"object","properties":{"x":{"type":"integer"}}}},
            "properties":{"to":{"type":"string"},"n":{"type":"number"},"tags":{"type":"array","items":{"type":"string"}},
            "user-id":{"type":"boolean"},"maybe":{"type":["string","null"]},"p":{"$ref":"#/$defs/p"},"any":{}}}"##,
        );
        assert_eq!(
            shape.cedar_type(None),
            "{ \"maybe\"?: String, \"n\": decimal, \"p\"?: { \"x\"?: Long }, \"tags\"?: Set<String>, \"to\": String, \"user-id\"?: Bool }"
        );
        assert_eq!(shape.opaque_names(), BTreeSet::from(["any"]));
    }

    #[test]
    fn a_reference_to_itself_is_opaque_and_ends() {
        let shape = shape(r##"{"type":"object","properties":{"me":{"$ref":"#"}}}"##);
        assert!(shape.cedar_type(None).len() < 200);
    }

    #[test]
    fn what_cedar_cannot_hold_is_refused_with_its_name() {
        let shape = shape(r#"{"type":"object","properties":{"n":{"type":"integer"},"Name":{"type":"string"}}}"#);
        let fault = |text: &str| shape.arguments(&Json::read(text, 9).unwrap(), &Needs::all()).err();
        assert_eq!(fault(r#"{"n":1,"extra":2}"#), None);
        assert!(matches!(fault(r#"{"n":1e40}"#), Some(ArgumentFault::Number { at, .. }) if at == "n"));
        assert!(matches!(fault(r#"{"name":"x"}"#), Some(ArgumentFault::CaseVariant { .. })));
        assert!(matches!(fault(r#"{"n":"1"}"#), Some(ArgumentFault::Type { .. })));
    }
}
