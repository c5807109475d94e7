//! What a JSON Schema lets through, by kind of JSON value: the step between a reviewed schema and Cedar types.
//!
//! Only what decides a type is read. Bounds, patterns and conditions narrow values, not types, and stay the schema
//! validator's. Where a schema says nothing, loops or cannot be followed, anything is let through, with the reason why.
//! This module knows nothing of Cedar.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::{Map, Value};

use super::form::Form;

/// What a schema lets through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Admits {
    /// Any value, and why nothing more is known.
    Anything(Why),
    /// Values of these kinds alone.
    Only(Box<Kinds>),
}

/// Why an argument, or a part of one, has no type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The schema names no type.
    AnyType,
    /// Its forms cannot be told apart, or have no type in common.
    Mixed,
    /// It refers to itself.
    Recursive,
    /// Its reference leads nowhere, or out of the schema.
    Reference,
    /// It nests too deep, or the whole schema is too large.
    TooLarge,
    /// The schema lets nothing through.
    Nothing,
}

/// The kinds of JSON values that are let through.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kinds {
    pub(super) null: bool,
    pub(super) boolean: bool,
    pub(super) text: Option<Texts>,
    pub(super) number: Option<Numbers>,
    pub(super) list: Option<Lists>,
    pub(super) object: Option<Objects>,
}

/// Which strings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Texts {
    /// Any, written in this form.
    Free(Form),
    /// These words.
    Words(BTreeSet<String>),
}

/// Which numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Numbers {
    /// Integers.
    Whole,
    /// Any.
    Decimal,
}

/// Which arrays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lists {
    /// Of any number of such items.
    Of(Box<Admits>),
    /// Of these items in this order, so many of them at least.
    Tuple(Vec<Admits>, usize),
    /// Of items that are not known.
    Unknown(Why),
}

/// Which objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Objects {
    pub(super) members: BTreeMap<String, Admits>,
    pub(super) required: BTreeSet<String>,
    pub(super) rest: Rest,
}

/// Members that are not named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rest {
    /// Any.
    Open,
    /// None.
    Closed,
    /// Such.
    Of(Box<Admits>),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AnyType => "any type is allowed",
            Self::Mixed => "its forms differ",
            Self::Recursive => "it refers to itself",
            Self::Reference => "its reference leads nowhere",
            Self::TooLarge => "it is too large",
            Self::Nothing => "no value is allowed",
        })
    }
}

/// How deep types nest at most. Real schemas stay below ten.
const DEPTH_MAX: usize = 24;
/// How many schemas are read for one tool: references can make a small text stand for a huge type.
const SCHEMAS_MAX: usize = 4_000;

impl Admits {
    /// What an input schema lets through.
    pub(super) fn of(schema: &Value) -> Self {
        // The whole is above itself: `#` refers to what is being read.
        Reader { root: schema, above: vec!["#"], left: SCHEMAS_MAX, depth: 0 }.read(schema, "")
    }

    fn nothing() -> Self {
        Self::Only(Box::default())
    }

    /// What both let through.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            // The more telling reason stays.
            (Self::Anything(one), Self::Anything(other)) => {
                Self::Anything(if one == Why::AnyType { other } else { one })
            }
            (Self::Anything(_), only) | (only, Self::Anything(_)) => only,
            (Self::Only(one), Self::Only(other)) => Self::Only(Box::new(one.and(*other))),
        }
    }

    /// What either lets through.
    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Anything(why), _) | (_, Self::Anything(why)) => Self::Anything(why),
            (Self::Only(one), Self::Only(other)) => Self::Only(Box::new(one.or(*other))),
        }
    }
}

impl Kinds {
    fn all() -> Self {
        Self {
            null: true,
            boolean: true,
            text: Some(Texts::Free(Form::Any)),
            number: Some(Numbers::Decimal),
            list: Some(Lists::Unknown(Why::AnyType)),
            object: Some(Objects::open()),
        }
    }

    /// Whether every kind is let through: such a value says no more than one of no type.
    pub(super) fn are_all(&self) -> bool {
        self.boolean && self.text.is_some() && self.number.is_some() && self.list.is_some() && self.object.is_some()
    }

    fn and(self, other: Self) -> Self {
        Self {
            null: self.null && other.null,
            boolean: self.boolean && other.boolean,
            text: both(self.text, other.text, Texts::and),
            number: both(self.number, other.number, |a, b| if a == b { a } else { Numbers::Whole }),
            list: both(self.list, other.list, Lists::and),
            object: both(self.object, other.object, Objects::and),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            null: self.null || other.null,
            boolean: self.boolean || other.boolean,
            text: either(self.text, other.text, Texts::or),
            number: either(self.number, other.number, |a, b| if a == b { a } else { Numbers::Decimal }),
            list: either(self.list, other.list, Lists::or),
            object: either(self.object, other.object, Objects::or),
        }
    }
}

fn both<T>(one: Option<T>, other: Option<T>, and: impl Fn(T, T) -> T) -> Option<T> {
    one.zip(other).map(|(one, other)| and(one, other))
}

fn either<T>(one: Option<T>, other: Option<T>, or: impl Fn(T, T) -> T) -> Option<T> {
    match (one, other) {
        (Some(one), Some(other)) => Some(or(one, other)),
        (one, other) => one.or(other),
    }
}

impl Texts {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Words(one), Self::Words(other)) => Self::Words(one.intersection(&other).cloned().collect()),
            (Self::Words(words), Self::Free(_)) | (Self::Free(_), Self::Words(words)) => Self::Words(words),
            (Self::Free(one), Self::Free(other)) => Self::Free(if one == Form::Any { other } else { one }),
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Words(mut one), Self::Words(other)) => {
                one.extend(other);
                Self::Words(one)
            }
            (Self::Words(_), Self::Free(form)) | (Self::Free(form), Self::Words(_)) => Self::Free(form),
            (Self::Free(one), Self::Free(other)) => Self::Free(if one == other { one } else { Form::Any }),
        }
    }
}

impl Lists {
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Unknown(_), known) | (known, Self::Unknown(_)) => known,
            (Self::Of(one), Self::Of(other)) => Self::Of(Box::new(one.and(*other))),
            (tuple @ Self::Tuple(..), _) | (_, tuple @ Self::Tuple(..)) => tuple,
        }
    }

    fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Of(one), Self::Of(other)) => Self::Of(Box::new(one.or(*other))),
            (one, other) if one == other => one,
            (Self::Unknown(why), _) | (_, Self::Unknown(why)) => Self::Unknown(why),
            (Self::Of(_) | Self::Tuple(..), Self::Of(_) | Self::Tuple(..)) => Self::Unknown(Why::Mixed),
        }
    }
}

impl Objects {
    fn open() -> Self {
        Self { members: BTreeMap::new(), required: BTreeSet::new(), rest: Rest::Open }
    }

    fn and(self, other: Self) -> Self {
        let mut required = self.required;
        required.extend(other.required);
        let rest = match (self.rest, other.rest) {
            (Rest::Closed, _) | (_, Rest::Closed) => Rest::Closed,
            (Rest::Open, rest) | (rest, Rest::Open) => rest,
            (Rest::Of(one), Rest::Of(other)) => Rest::Of(Box::new(one.and(*other))),
        };
        Self { members: merged(self.members, other.members, Admits::and), required, rest }
    }

    /// A member that one side alone names keeps its type: a value of another type is a call that cannot be judged. Its
    /// words count no more where the other side lets any text through.
    fn or(mut self, mut other: Self) -> Self {
        self.widen_beside(&other);
        other.widen_beside(&self);
        let mut required: BTreeSet<String> = self.required.intersection(&other.required).cloned().collect();
        // What the other side requires without a type may be null there.
        required.retain(|name| self.members.contains_key(name) == other.members.contains_key(name));
        let rest = match (self.rest, other.rest) {
            (Rest::Open, _) | (_, Rest::Open) => Rest::Open,
            (Rest::Closed, rest) | (rest, Rest::Closed) => rest,
            (Rest::Of(one), Rest::Of(other)) => Rest::Of(Box::new(one.or(*other))),
        };
        Self { members: merged(self.members, other.members, Admits::or), required, rest }
    }

    /// Lets any text be a member that the other side does not name and does not refuse.
    fn widen_beside(&mut self, other: &Self) {
        if other.rest == Rest::Closed {
            return;
        }
        for (name, member) in self.members.iter_mut().filter(|(name, _)| !other.members.contains_key(*name)) {
            if let Admits::Only(kinds) = member
                && let Some(text @ Texts::Words(_)) = &mut kinds.text
            {
                *text = Texts::Free(Form::of(name, ""));
            }
        }
    }
}

fn merged(
    mut one: BTreeMap<String, Admits>,
    other: BTreeMap<String, Admits>,
    merge: impl Fn(Admits, Admits) -> Admits,
) -> BTreeMap<String, Admits> {
    for (name, theirs) in other {
        let member = match one.remove(&name) {
            Some(ours) => merge(ours, theirs),
            None => theirs,
        };
        one.insert(name, member);
    }
    one
}

/// Reads one tool's schema.
struct Reader<'a> {
    root: &'a Value,
    /// The references that are being followed.
    above: Vec<&'a str>,
    /// How many more schemas are read.
    left: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// The schema of an argument, or of a part of one; `name` is the last member's, which may tell its form.
    fn read(&mut self, schema: &'a Value, name: &str) -> Admits {
        let Some(left) = self.left.checked_sub(1).filter(|_| self.depth < DEPTH_MAX) else {
            return Admits::Anything(Why::TooLarge);
        };
        self.left = left;
        self.depth += 1;
        let found = match schema {
            Value::Object(members) => self.object(members, name),
            Value::Bool(false) => Admits::nothing(),
            // No other value is a schema; the validator refuses it.
            Value::Bool(true) | Value::Null | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Admits::Anything(Why::AnyType)
            }
        };
        self.depth -= 1;
        found
    }

    fn object(&mut self, members: &'a Map<String, Value>, name: &str) -> Admits {
        let mut found = self.own(members, name);
        if let Some(target) = members.get("$ref").and_then(Value::as_str) {
            found = found.and(self.referred(target, name));
        }
        if members.contains_key("$dynamicRef") || members.contains_key("$recursiveRef") {
            found = found.and(Admits::Anything(Why::Reference));
        }
        for part in listed(members, "allOf") {
            found = found.and(self.read(part, name));
        }
        for keyword in ["anyOf", "oneOf"] {
            let joined = listed(members, keyword).iter().map(|part| self.read(part, name)).reduce(Admits::or);
            found = match joined {
                Some(joined) => found.and(joined),
                None => found,
            };
        }
        found
    }

    /// The schema that a reference leads to: a JSON pointer (RFC 6901) in a URI's fragment, hence percent-encoded.
    fn referred(&mut self, target: &'a str, name: &str) -> Admits {
        if self.above.contains(&target) {
            return Admits::Anything(Why::Recursive);
        }
        let pointer = target.strip_prefix('#').and_then(decoded);
        let Some(found) = pointer.and_then(|pointer| self.root.pointer(&pointer)) else {
            return Admits::Anything(Why::Reference);
        };
        self.above.push(target);
        let found = self.read(found, name);
        self.above.pop();
        found
    }

    /// What the schema's own keywords let through.
    fn own(&mut self, members: &'a Map<String, Value>, name: &str) -> Admits {
        let typed = self.typed(members, name);
        let fixed = match (members.get("const"), members.get("enum")) {
            (Some(one), _) => std::slice::from_ref(one),
            (None, Some(Value::Array(several))) => several,
            (None, Some(_) | None) => return typed,
        };
        fixed.iter().map(of_value).reduce(Admits::or).unwrap_or_else(Admits::nothing).and(typed)
    }

    fn typed(&mut self, members: &'a Map<String, Value>, name: &str) -> Admits {
        let has = |keywords: &[&str]| keywords.iter().any(|keyword| members.contains_key(*keyword));
        let types: Vec<&str> = match members.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            // Without a type such keywords ask nothing of other kinds of values; their author meant this one.
            Some(_) | None if has(&["properties", "additionalProperties", "patternProperties"]) => vec!["object"],
            Some(_) | None if has(&["items", "prefixItems"]) => vec!["array"],
            Some(_) | None if has(&["required"]) => {
                let object = Some(self.objects(members));
                return Admits::Only(Box::new(Kinds { object, ..Kinds::all() }));
            }
            Some(_) | None => return Admits::Anything(Why::AnyType),
        };
        let mut kinds = Kinds::default();
        for kind in types {
            match kind {
                "null" => kinds.null = true,
                "boolean" => kinds.boolean = true,
                "string" => {
                    let format = members.get("format").and_then(Value::as_str).unwrap_or_default();
                    kinds.text = Some(Texts::Free(Form::of(name, format)));
                }
                "integer" => kinds.number = kinds.number.or(Some(Numbers::Whole)),
                "number" => kinds.number = Some(Numbers::Decimal),
                "array" => kinds.list = Some(self.lists(members, name)),
                "object" => kinds.object = Some(self.objects(members)),
                _ => {}
            }
        }
        Admits::Only(Box::new(kinds))
    }

    fn lists(&mut self, members: &'a Map<String, Value>, name: &str) -> Lists {
        let places = [listed(members, "prefixItems"), listed(members, "items")];
        if let Some(places) = places.into_iter().find(|places| !places.is_empty()) {
            let least = members.get("minItems").and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
            let items = places.iter().map(|place| self.read(place, name)).collect();
            return Lists::Tuple(items, least.unwrap_or_default());
        }
        match members.get("items").map(|items| self.read(items, name)) {
            Some(Admits::Anything(why)) => Lists::Unknown(why),
            Some(items @ Admits::Only(_)) => Lists::Of(Box::new(items)),
            None => Lists::Unknown(Why::AnyType),
        }
    }

    fn objects(&mut self, members: &'a Map<String, Value>) -> Objects {
        let properties = members.get("properties").and_then(Value::as_object);
        let named = properties.into_iter().flatten();
        let patterns = members.get("patternProperties").and_then(Value::as_object).is_some_and(|p| !p.is_empty());
        Objects {
            members: named.map(|(name, member)| (name.clone(), self.read(member, name))).collect(),
            required: listed(members, "required").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            rest: match members.get("additionalProperties") {
                _ if patterns => Rest::Open,
                Some(Value::Bool(false)) => Rest::Closed,
                Some(rest @ Value::Object(_)) => match self.read(rest, "") {
                    Admits::Anything(_) => Rest::Open,
                    rest @ Admits::Only(_) => Rest::Of(Box::new(rest)),
                },
                Some(_) | None => Rest::Open,
            },
        }
    }
}

/// The items of a keyword that holds a list; none where it holds something else.
fn listed<'a>(members: &'a Map<String, Value>, keyword: &str) -> &'a [Value] {
    members.get(keyword).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// What lets exactly this value's kind through; of strings, this string alone.
fn of_value(value: &Value) -> Admits {
    let mut kinds = Kinds::default();
    match value {
        Value::Null => kinds.null = true,
        Value::Bool(_) => kinds.boolean = true,
        Value::String(word) => kinds.text = Some(Texts::Words(BTreeSet::from([word.clone()]))),
        Value::Number(number) => {
            let whole = number.is_i64() || number.is_u64();
            kinds.number = Some(if whole { Numbers::Whole } else { Numbers::Decimal });
        }
        Value::Array(_) => kinds.list = Some(Lists::Unknown(Why::AnyType)),
        Value::Object(_) => kinds.object = Some(Objects::open()),
    }
    Admits::Only(Box::new(kinds))
}

/// A text without its percent-encoding (RFC 3986); nothing where that is no text.
fn decoded(text: &str) -> Option<String> {
    percent_encoding::percent_decode_str(text).decode_utf8().ok().map(std::borrow::Cow::into_owned)
}
