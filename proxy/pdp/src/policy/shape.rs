//! The shape of a tool's arguments in Cedar: types made of its reviewed JSON Schema, written in Cedar's schema language.
//!
//! | JSON Schema | Cedar |
//! |---|---|
//! | string, integer, number, boolean | `String`, `Long`, `decimal`, `Bool` |
//! | array | `Set` of its items' type; an array of fixed places is a record of `"0"`, `"1"` and so on |
//! | object with named members | record; a member that may be absent or null has a `?` |
//! | object with names of the caller's choice | record of `keys` and, where they have one type, `values`, both sets |
//! | several types | record of the types that are possible, of which one is given: `string`, `long`, `set` and so on |
//! | any type, recursion and the like | nothing: opaque, left out and told by `context.args_opaque` |
//!
//! How a call's arguments become values of these types is the work of `given.rs`.

use std::collections::BTreeSet;

use serde_json::Value;

pub use super::admits::Why;
use super::admits::{Admits, Kinds, Lists, Numbers, Objects, Rest, Texts};
use super::form::Form;
use super::needs::Members;

/// The members of a record of arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shape {
    pub(super) fields: Vec<Field>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Field {
    pub(super) name: String,
    pub(super) required: bool,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text in a form, and the words it may be where they are listed.
    Text(Form, Option<BTreeSet<String>>),
    Long,
    Decimal,
    Bool,
    Set(Box<Kind>),
    /// An array of fixed places, by number.
    Tuple(Shape),
    Record(Shape),
    /// An object with names of the caller's choice, and what its values are.
    Map(Box<Kind>),
    /// Several types, by their names.
    Either(Shape),
    Opaque(Why),
}

/// The texts that are given once more, in another form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Every text, in canonical form: `context.args_canonical`.
    Canonical,
    /// The hosts that URLs, hosts and addresses lead to: `context.args_host`.
    Host,
}

/// A part of the arguments that policies cannot see.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unseen {
    /// Where it stands: `filter.where`, `rows[].cell`, `headers.*`.
    pub path: String,
    /// Why it has no type.
    pub why: Why,
}

impl Shape {
    /// The shape of an input schema.
    #[must_use]
    pub fn of_schema(schema: &Value) -> Self {
        match Admits::of(schema) {
            Admits::Only(kinds) => kinds.object.map(Self::of_objects).unwrap_or_default(),
            Admits::Anything(_) => Self::default(),
        }
    }

    fn of_objects(objects: Objects) -> Self {
        let Objects { members, required, rest: _ } = objects;
        let field = |(name, admits): (String, Admits)| {
            let (kind, nullable) = Kind::of(admits);
            let is_opaque = matches!(kind, Kind::Opaque(_));
            Field { required: required.contains(&name) && !nullable && !is_opaque, name, kind }
        };
        // A map's order: the generated schema does not depend on how an author or a server ordered the members.
        Self { fields: members.into_iter().map(field).collect() }
    }

    /// The record type in Cedar's schema language; only of what is needed, which then may be missing.
    pub(super) fn cedar_type(&self, needed: Option<&Members>) -> String {
        self.written(needed, Kind::cedar_type)
    }

    /// The record type of a view.
    pub(super) fn view_type(&self, view: View, needed: Option<&Members>) -> String {
        self.written(needed, |kind| kind.view_type(view, false))
    }

    /// The record type of where arguments come from: a set of labels for each, also of those that have no type.
    pub(super) fn origin_type(&self, needed: Option<&Members>) -> String {
        let is_needed = |field: &&Field| needed.is_none_or(|needed| needed.has(&field.name));
        let members = self.fields.iter().filter(is_needed).map(|field| {
            let optional = if field.required && needed.is_none() { "" } else { "?" };
            format!("{:?}{optional}: Set<Gate::Label>", field.name)
        });
        format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
    }

    /// Whether this outermost argument is declared as true or false.
    pub(crate) fn is_flag(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name && field.kind == Kind::Bool)
    }

    /// The names of the declared arguments.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.fields.iter().map(|field| field.name.as_str())
    }

    fn written(&self, needed: Option<&Members>, kind: impl Fn(&Kind) -> Option<String>) -> String {
        let is_needed = |field: &&Field| needed.is_none_or(|needed| needed.has(&field.name));
        let members = self.fields.iter().filter(is_needed).filter_map(|field| {
            let optional = if field.required && needed.is_none() { "" } else { "?" };
            Some(format!("{:?}{optional}: {}", field.name, kind(&field.kind)?))
        });
        format!("{{ {} }}", members.collect::<Vec<_>>().join(", "))
    }

    /// The parts of the arguments that policies cannot see by value, each once.
    #[must_use]
    pub fn unseen(&self) -> Vec<Unseen> {
        let mut out = Vec::new();
        self.parts(&mut |path, kind| {
            if let Kind::Opaque(why) = kind {
                out.push(Unseen { path: path.to_owned(), why: *why });
            }
        });
        out
    }

    /// The texts whose words are listed: where each stands, and the words.
    pub(super) fn listed(&self) -> Vec<(String, BTreeSet<String>)> {
        let mut out = Vec::new();
        self.parts(&mut |path, kind| {
            if let Kind::Text(_, Some(words)) = kind {
                out.push((path.to_owned(), words.clone()));
            }
        });
        out
    }

    fn parts(&self, told: &mut dyn FnMut(&str, &Kind)) {
        self.fields.iter().for_each(|field| field.kind.parts(&plain(&field.name), told));
    }

    /// The words that the argument at this path may be, if they are listed; nothing where the path is no text.
    pub(super) fn words(&self, path: &[&str]) -> Option<Option<&BTreeSet<String>>> {
        let (first, rest) = path.split_first()?;
        self.fields.iter().find(|field| field.name == *first)?.kind.words(rest)
    }

    /// Whether Cedar's strings hold every name as it is; names beyond these are tried out when a tool is loaded.
    pub(crate) fn is_plain(&self) -> bool {
        self.fields.iter().all(|field| is_plain(&field.name) && field.kind.is_plain())
    }
}

impl Kind {
    /// The type, and whether null is allowed beside it.
    fn of(admits: Admits) -> (Self, bool) {
        let kinds = match admits {
            Admits::Anything(why) => return (Self::Opaque(why), true),
            Admits::Only(kinds) => *kinds,
        };
        if kinds.are_all() {
            return (Self::Opaque(Why::AnyType), true);
        }
        let Kinds { null, boolean, text, number, list, object } = kinds;
        let text = text.map(|text| match text {
            Texts::Free(form) => Self::Text(form, None),
            Texts::Words(words) => Self::Text(Form::Any, Some(words)),
        });
        let number = number.map(|number| match number {
            Numbers::Whole => ("long", Self::Long),
            Numbers::Decimal => ("decimal", Self::Decimal),
        });
        // In the order of their names.
        let possible = [
            boolean.then_some(("bool", Self::Bool)),
            number,
            object.map(|object| ("record", Self::of_object(object))),
            list.map(|list| ("set", Self::of_list(list))),
            text.map(|text| ("string", text)),
        ];
        let mut possible: Vec<(&str, Self)> = possible.into_iter().flatten().collect();
        let kind = match (possible.len(), possible.pop()) {
            (_, None) => Self::Opaque(Why::Nothing),
            (1, Some((_, kind))) => kind,
            (_, Some(last)) => {
                possible.push(last);
                let field = |(name, kind): (&str, Self)| Field { name: name.to_owned(), required: false, kind };
                Self::Either(Shape { fields: possible.into_iter().map(field).collect() })
            }
        };
        (kind, null)
    }

    fn of_object(object: Objects) -> Self {
        match (object.members.is_empty(), object.rest) {
            (true, Rest::Open) => Self::Map(Box::new(Self::Opaque(Why::AnyType))),
            (true, Rest::Of(values)) => Self::Map(Box::new(Self::of(*values).0.of_many())),
            (_, rest) => Self::Record(Shape::of_objects(Objects { rest, ..object })),
        }
    }

    fn of_list(list: Lists) -> Self {
        match list {
            Lists::Unknown(why) => Self::Opaque(why),
            Lists::Of(items) => match Self::of(*items).0.of_many() {
                Self::Opaque(why) => Self::Opaque(why),
                items @ (Self::Text(..)
                | Self::Long
                | Self::Decimal
                | Self::Bool
                | Self::Set(_)
                | Self::Tuple(_)
                | Self::Map(_)
                | Self::Either(_)
                | Self::Record(_)) => Self::Set(Box::new(items)),
            },
            Lists::Tuple(places, least) => {
                let fields = places.into_iter().enumerate().map(|(at, place)| {
                    let (kind, nullable) = Self::of(place);
                    let required = at < least && !nullable && !matches!(kind, Self::Opaque(_));
                    Field { name: at.to_string(), required, kind }
                });
                Self::Tuple(Shape { fields: fields.collect() })
            }
        }
    }

    /// The type of many such values in one set. Cedar finds a member of a set by equality alone, which values of several
    /// types, each with members that are absent, are of no use for.
    fn of_many(self) -> Self {
        if matches!(self, Self::Either(_)) { Self::Opaque(Why::Mixed) } else { self }
    }

    fn cedar_type(&self) -> Option<String> {
        match self {
            Self::Text(..) => Some("String".to_owned()),
            Self::Long => Some("Long".to_owned()),
            Self::Decimal => Some("decimal".to_owned()),
            Self::Bool => Some("Bool".to_owned()),
            Self::Set(inner) => inner.cedar_type().map(|t| format!("Set<{t}>")),
            Self::Record(shape) | Self::Tuple(shape) | Self::Either(shape) => Some(shape.cedar_type(None)),
            Self::Map(inner) => Some(match inner.cedar_type() {
                Some(values) => format!("{{ \"keys\": Set<String>, \"values\": Set<{values}> }}"),
                None => "{ \"keys\": Set<String> }".to_owned(),
            }),
            Self::Opaque(_) => None,
        }
    }

    /// The type of a view: of texts, and of what holds texts. Below a set (`many`) the members of records become sets, one
    /// for each name: no policy could look into a set of records.
    fn view_type(&self, view: View, many: bool) -> Option<String> {
        if !self.is_in(view) {
            return None;
        }
        match self {
            Self::Text(..) => Some(if many { "Set<String>" } else { "String" }.to_owned()),
            Self::Set(inner) => inner.view_type(view, true),
            Self::Map(inner) => Some(format!("{{ \"values\": {} }}", inner.view_type(view, true)?)),
            Self::Record(shape) | Self::Tuple(shape) | Self::Either(shape) => {
                let members = shape.fields.iter().filter_map(|field| {
                    let optional = if many || field.required { "" } else { "?" };
                    Some(format!("{:?}{optional}: {}", field.name, field.kind.view_type(view, many)?))
                });
                Some(format!("{{ {} }}", members.collect::<Vec<_>>().join(", ")))
            }
            Self::Long | Self::Decimal | Self::Bool | Self::Opaque(_) => None,
        }
    }

    /// Whether a view shows something of it.
    pub(super) fn is_in(&self, view: View) -> bool {
        match self {
            Self::Text(form, words) => match view {
                View::Canonical => true,
                View::Host => words.is_none() && form.leads_somewhere(),
            },
            Self::Set(inner) | Self::Map(inner) => inner.is_in(view),
            Self::Record(shape) | Self::Tuple(shape) | Self::Either(shape) => {
                shape.fields.iter().any(|field| field.kind.is_in(view))
            }
            Self::Long | Self::Decimal | Self::Bool | Self::Opaque(_) => false,
        }
    }

    /// What stands at this path and below, innermost parts alone.
    fn parts(&self, path: &str, told: &mut dyn FnMut(&str, &Self)) {
        match self {
            Self::Text(..) | Self::Long | Self::Decimal | Self::Bool | Self::Opaque(_) => told(path, self),
            Self::Set(inner) => inner.parts(&format!("{path}[]"), told),
            Self::Map(inner) => inner.parts(&format!("{path}.*"), told),
            Self::Record(shape) | Self::Tuple(shape) | Self::Either(shape) => {
                shape.parts(&mut |below, kind| told(&format!("{path}.{below}"), kind));
            }
        }
    }

    fn words(&self, path: &[&str]) -> Option<Option<&BTreeSet<String>>> {
        match (self, path) {
            (Self::Text(_, words), []) => Some(words.as_ref()),
            (Self::Set(inner), []) => inner.words(path),
            (Self::Map(inner), ["values"]) => inner.words(&[]),
            (Self::Record(shape) | Self::Tuple(shape) | Self::Either(shape), path) => shape.words(path),
            (Self::Text(..) | Self::Set(_) | Self::Map(_), _) => None,
            (Self::Long | Self::Decimal | Self::Bool | Self::Opaque(_), _) => None,
        }
    }

    fn is_plain(&self) -> bool {
        match self {
            Self::Text(..) | Self::Long | Self::Decimal | Self::Bool | Self::Opaque(_) => true,
            Self::Set(inner) | Self::Map(inner) => inner.is_plain(),
            Self::Record(shape) | Self::Tuple(shape) | Self::Either(shape) => shape.is_plain(),
        }
    }
}

/// Whether a name is written in a Cedar string as it is.
pub(crate) fn is_plain(name: &str) -> bool {
    name.chars().all(|c| (c.is_ascii_graphic() || c == ' ') && c != '"' && c != '\\')
}

/// A name as a part of a path; quoted where it could be taken for more than one part, or holds what is not printed.
fn plain(name: &str) -> String {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if !name.is_empty() && name.chars().all(is_word) { name.to_owned() } else { format!("{name:?}") }
}

#[cfg(test)]
mod tests;
