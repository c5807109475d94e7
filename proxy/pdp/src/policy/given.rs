//! A call's arguments as Cedar values of their tool's [`Shape`].
//!
//! Values are built as restricted expressions by hand. Cedar's own JSON reader honours `__entity` and `__extn` inside
//! data, which a caller controls. What a shape does not name is left out, and told by `context.args_opaque`. What has no
//! exact form is a fault, hence a denial: nothing is rounded, and no reading is chosen among several.

use cedar_policy::RestrictedExpression;

use super::canonical::{self, Doubt};
use super::form::Form;
use super::needs::{Members, Needs};
use super::number;
use super::shape::{Field, Kind, Shape, View};
use crate::json::{self, Json};

/// A call's arguments as Cedar sees them, as far as they are looked at.
pub(super) struct Arguments {
    pub(super) args: RestrictedExpression,
    pub(super) canonical: RestrictedExpression,
    /// Nothing where no policy looks at it.
    pub(super) host: Option<RestrictedExpression>,
}

/// An argument that cannot be given to Cedar without loss.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ArgumentFault {
    /// A number with no exact Cedar form: which argument, and the number as it was written.
    #[error("the number `{value}` in `{at}` has no exact form that policies can judge")]
    Number { at: String, value: String },
    /// A name that differs from a declared one only in case: some servers read it as the same argument.
    #[error("the argument `{found}` differs from `{declared}` only in case")]
    CaseVariant { found: String, declared: String },
    /// A value that is not of the declared type.
    #[error("`{at}` is not of the type its reviewed schema declares")]
    Type { at: String },
    /// A text of which a policy asks for the canonical form or the host, and that two readers could read differently.
    #[error("`{at}` can be read in more than one way: {doubt}")]
    Doubt { at: String, doubt: Doubt },
}

impl ArgumentFault {
    /// The fault of a part, seen from the whole that holds it under this name.
    fn below(mut self, name: &str) -> Self {
        match &mut self {
            Self::Number { at, .. } | Self::Type { at } | Self::Doubt { at, .. } => {
                *at = if at.is_empty() { name.to_owned() } else { format!("{name}.{at}") };
            }
            Self::CaseVariant { .. } => {}
        }
        self
    }

    fn of_type() -> Self {
        Self::Type { at: String::new() }
    }

    fn of_number(digits: &str) -> Self {
        Self::Number { at: String::new(), value: digits.to_owned() }
    }
}

impl Shape {
    /// Whether a call's arguments can be represented exactly, also those that no policy looks at.
    ///
    /// # Errors
    /// The first that cannot.
    pub(super) fn check(&self, args: &Json<'_>) -> Result<(), ArgumentFault> {
        self.hides(args).map(drop)
    }

    /// The names of the outermost arguments of which something is given that policies cannot see by value.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(super) fn hidden<'j>(&self, args: &'j Json<'_>) -> Result<Vec<&'j str>, ArgumentFault> {
        let Json::Object(members) = args else { return Err(ArgumentFault::of_type()) };
        let mut names = Vec::new();
        for (name, value) in members {
            if self.field(name)?.map_or(Ok(true), |field| field.kind.hides(value))? {
                names.push(name.as_ref());
            }
        }
        Ok(names)
    }

    /// A call's arguments as Cedar values, as far as they are needed; they were checked before.
    ///
    /// # Errors
    /// The first argument that cannot be represented exactly.
    pub(super) fn arguments(&self, args: &Json<'_>, needs: &Needs) -> Result<Arguments, ArgumentFault> {
        let host = if needs.host.is_empty() { None } else { Some(self.view(View::Host, args, &needs.host)?) };
        let canonical = self.view(View::Canonical, args, &needs.canonical)?;
        Ok(Arguments { args: self.record(args, &needs.args)?, canonical, host })
    }

    /// The field of a member's name; nothing for one that is not declared.
    fn field(&self, name: &str) -> Result<Option<&Field>, ArgumentFault> {
        if let Some(field) = self.fields.iter().find(|field| field.name == name) {
            return Ok(Some(field));
        }
        match self.fields.iter().find(|field| json::alike(&field.name, name)) {
            Some(near) => Err(ArgumentFault::CaseVariant { found: name.to_owned(), declared: near.name.clone() }),
            None => Ok(None),
        }
    }

    /// Whether something is given that policies cannot see by value.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub(super) fn hides(&self, value: &Json<'_>) -> Result<bool, ArgumentFault> {
        let Json::Object(members) = value else { return Err(ArgumentFault::of_type()) };
        let mut hides = false;
        for (name, value) in members {
            hides |= match self.field(name)? {
                Some(field) => field.kind.hides(value).map_err(|fault| fault.below(name))?,
                None => true,
            };
        }
        Ok(hides)
    }

    fn record(&self, value: &Json<'_>, needed: &Members) -> Result<RestrictedExpression, ArgumentFault> {
        let Json::Object(members) = value else { return Err(ArgumentFault::of_type()) };
        let mut out = Vec::new();
        for (name, value) in members.iter().filter(|(name, _)| needed.has(name)) {
            if let Some(field) = self.field(name)?
                && let Some(value) = field.kind.value(value).map_err(|fault| fault.below(name))?
            {
                out.push((field.name.clone(), value));
            }
        }
        RestrictedExpression::new_record(out).map_err(|_| ArgumentFault::of_type())
    }

    /// The outermost record of a view.
    fn view(&self, view: View, args: &Json<'_>, needed: &Members) -> Result<RestrictedExpression, ArgumentFault> {
        let mut out = Vec::new();
        for field in self.fields.iter().filter(|field| needed.has(&field.name)) {
            let given: Vec<&Json<'_>> = args.get(&field.name).into_iter().collect();
            if let Some(value) = field.kind.view(view, &given, false).map_err(|fault| fault.below(&field.name))? {
                out.push((field.name.clone(), value));
            }
        }
        RestrictedExpression::new_record(out).map_err(|_| ArgumentFault::of_type())
    }

    /// Of several types, the one of this value.
    fn alternative(&self, value: &Json<'_>) -> Option<&Field> {
        let names: &[&str] = match value {
            Json::Null => &[],
            Json::Bool(_) => &["bool"],
            Json::Number(_) => &["long", "decimal"],
            Json::Text(_) => &["string"],
            Json::List(_) => &["set"],
            Json::Object(_) => &["record"],
        };
        self.fields.iter().find(|field| names.contains(&field.name.as_str()))
    }
}

impl Kind {
    /// Whether a part of the value is hidden, if the whole can be represented.
    fn hides(&self, value: &Json<'_>) -> Result<bool, ArgumentFault> {
        let of_all = |kind: &Self, values: &mut dyn Iterator<Item = &Json<'_>>| {
            let mut hides = false;
            for value in values {
                hides |= kind.hides(value)?;
            }
            Ok(hides)
        };
        match (self, value) {
            (Self::Opaque(_), _) => Ok(true),
            // A listed word has no canonical form but itself, so nothing else may stand where words are listed.
            (Self::Text(_, Some(words)), Json::Text(text)) if !words.contains(text.as_ref()) => {
                Err(ArgumentFault::of_type())
            }
            (_, Json::Null) | (Self::Text(..), Json::Text(_)) | (Self::Bool, Json::Bool(_)) => Ok(false),
            (Self::Long, Json::Number(digits)) if number::long(digits).is_some() => Ok(false),
            (Self::Decimal, Json::Number(digits)) if number::ten_thousandths(digits).is_some() => Ok(false),
            (Self::Long | Self::Decimal, Json::Number(digits)) => Err(ArgumentFault::of_number(digits)),
            (Self::Set(inner), Json::List(list)) => of_all(inner, &mut list.iter()),
            (Self::Map(inner), Json::Object(members)) => of_all(inner, &mut members.iter().map(|(_, value)| value)),
            (Self::Record(shape), Json::Object(_)) => shape.hides(value),
            (Self::Tuple(shape), Json::List(list)) => {
                let more = list.len() > shape.fields.len();
                let mut places = shape.fields.iter().zip(list);
                places.try_fold(more, |hides, (place, value)| Ok(place.kind.hides(value)? | hides))
            }
            (Self::Either(shape), value) => match shape.alternative(value) {
                Some(field) => field.kind.hides(value),
                None => Err(ArgumentFault::of_type()),
            },
            _ => Err(ArgumentFault::of_type()),
        }
    }

    /// The value, or nothing where it is null or opaque.
    fn value(&self, value: &Json<'_>) -> Result<Option<RestrictedExpression>, ArgumentFault> {
        let record = |members| RestrictedExpression::new_record(members).map_err(|_| ArgumentFault::of_type());
        let set = |kind: &Self, values: &mut dyn Iterator<Item = &Json<'_>>| {
            let items: Result<Vec<_>, _> = values.map(|value| kind.value(value)).collect();
            Ok(RestrictedExpression::new_set(items?.into_iter().flatten()))
        };
        let found = match (self, value) {
            (Self::Opaque(_), _) | (_, Json::Null) => return Ok(None),
            (Self::Text(..), Json::Text(text)) => RestrictedExpression::new_string(text.to_string()),
            (Self::Bool, Json::Bool(value)) => RestrictedExpression::new_bool(*value),
            (Self::Long, Json::Number(digits)) => {
                RestrictedExpression::new_long(number::long(digits).ok_or_else(|| ArgumentFault::of_number(digits))?)
            }
            (Self::Decimal, Json::Number(digits)) => RestrictedExpression::new_decimal(
                number::decimal(digits).ok_or_else(|| ArgumentFault::of_number(digits))?,
            ),
            (Self::Set(inner), Json::List(list)) => set(inner, &mut list.iter())?,
            (Self::Map(inner), Json::Object(members)) => {
                let keys = members.iter().map(|(name, _)| RestrictedExpression::new_string(name.to_string()));
                let mut out = vec![("keys".to_owned(), RestrictedExpression::new_set(keys))];
                if !matches!(**inner, Self::Opaque(_)) {
                    out.push(("values".to_owned(), set(inner, &mut members.iter().map(|(_, value)| value))?));
                }
                record(out)?
            }
            (Self::Record(shape), Json::Object(_)) => shape.record(value, &Members::All)?,
            (Self::Tuple(shape), Json::List(list)) => {
                let mut out = Vec::new();
                for (place, value) in shape.fields.iter().zip(list) {
                    out.extend(place.kind.value(value)?.map(|value| (place.name.clone(), value)));
                }
                record(out)?
            }
            (Self::Either(shape), value) => {
                let field = shape.alternative(value).ok_or_else(ArgumentFault::of_type)?;
                record(field.kind.value(value)?.map(|value| (field.name.clone(), value)).into_iter().collect())?
            }
            _ => return Err(ArgumentFault::of_type()),
        };
        Ok(Some(found))
    }

    /// What a view shows of the values that stand at one place: of one at most, or of many below a set.
    fn view(&self, view: View, given: &[&Json<'_>], many: bool) -> Result<Option<RestrictedExpression>, ArgumentFault> {
        let given: Vec<&Json<'_>> = given.iter().copied().filter(|value| !matches!(value, Json::Null)).collect();
        if !self.is_in(view) || (given.is_empty() && !many) {
            return Ok(None);
        }
        match self {
            Self::Text(form, words) => {
                let texts = given.iter().filter_map(|value| text_of(value)).map(|text| match words {
                    // A word that the schema lists is what it is.
                    Some(_) => Ok(RestrictedExpression::new_string(text.to_owned())),
                    None => view.of(text, *form),
                });
                let mut texts: Vec<RestrictedExpression> = texts.collect::<Result<_, _>>()?;
                Ok(if many { Some(RestrictedExpression::new_set(texts)) } else { texts.pop() })
            }
            Self::Set(inner) => {
                let items: Vec<&Json<'_>> = given.into_iter().flat_map(items_of).collect();
                inner.view(view, &items, true)
            }
            Self::Map(inner) => {
                let values: Vec<&Json<'_>> = given.into_iter().flat_map(members_of).map(|(_, value)| value).collect();
                record_of(inner.view(view, &values, true)?.map(|values| ("values".to_owned(), values)))
            }
            Self::Record(shape) => {
                shape.columns(view, many, |field| given.iter().filter_map(|value| value.get(&field.name)).collect())
            }
            Self::Tuple(shape) => shape.columns(view, many, |field| {
                let at = shape.fields.iter().position(|place| place.name == field.name).unwrap_or(usize::MAX);
                given.iter().filter_map(|value| items_of(value).get(at)).collect()
            }),
            Self::Either(shape) => shape.columns(view, many, |field| {
                let is_its = |value: &&Json<'_>| shape.alternative(value).is_some_and(|one| one.name == field.name);
                given.iter().copied().filter(is_its).collect()
            }),
            Self::Long | Self::Decimal | Self::Bool | Self::Opaque(_) => Ok(None),
        }
    }
}

impl Shape {
    /// A record of a view, field by field, of what stands there.
    fn columns<'j, 't: 'j>(
        &self,
        view: View,
        many: bool,
        given: impl Fn(&Field) -> Vec<&'j Json<'t>>,
    ) -> Result<Option<RestrictedExpression>, ArgumentFault> {
        let mut out = Vec::new();
        for field in &self.fields {
            let shown = field.kind.view(view, &given(field), many).map_err(|fault| fault.below(&field.name))?;
            out.extend(shown.map(|value| (field.name.clone(), value)));
        }
        record_of(out)
    }
}

impl View {
    fn of(self, text: &str, form: Form) -> Result<RestrictedExpression, ArgumentFault> {
        let found = match self {
            Self::Canonical => canonical::canonical(text, form),
            Self::Host => canonical::host(text, form),
        };
        found.map(RestrictedExpression::new_string).map_err(|doubt| ArgumentFault::Doubt { at: String::new(), doubt })
    }
}

fn record_of(
    members: impl IntoIterator<Item = (String, RestrictedExpression)>,
) -> Result<Option<RestrictedExpression>, ArgumentFault> {
    RestrictedExpression::new_record(members).map(Some).map_err(|_| ArgumentFault::of_type())
}

fn text_of<'j>(value: &'j Json<'_>) -> Option<&'j str> {
    match value {
        Json::Text(text) => Some(text),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => None,
    }
}

fn items_of<'j, 't>(value: &'j Json<'t>) -> &'j [Json<'t>] {
    match value {
        Json::List(items) => items,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::Object(_) => &[],
    }
}

fn members_of<'j, 't>(value: &'j Json<'t>) -> &'j [(std::borrow::Cow<'t, str>, Json<'t>)] {
    match value {
        Json::Object(members) => members,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Text(_) | Json::List(_) => &[],
    }
}
