//! What surrounds a tool's call, as its reviewer fixed it: what it costs, what shows beforehand what it would do, what its
//! result must be, and what undoes it. Places in arguments and results are JSON pointers (RFC 6901).
//!
//! Pure data. Carrying it out is the enforcement point's work.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::json::Json;
use crate::json::pointer::Pointer;
use crate::policy::{ImpactKind, ten_thousandths};

/// What surrounds a tool's call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Around {
    /// What a call costs.
    #[serde(skip_serializing_if = "Cost::is_none")]
    pub cost: Cost,
    /// What shows beforehand what a call would do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<Preview>,
    /// What its result must be.
    #[serde(skip_serializing_if = "Checks::is_none")]
    pub checks: Checks,
    /// What undoes a call whose result is not as it must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
}

impl Around {
    /// Whether nothing surrounds it.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Whether a result must be read whole before any of it is handed over.
    #[must_use]
    pub fn reads_results(&self) -> bool {
        !self.checks.is_none() || self.rollback.is_some() || self.cost.result.is_some()
    }
}

/// What a call costs, in the unit of this registry's own: whole numbers, never below zero.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cost {
    /// What each call costs.
    pub call: u64,
    /// An argument whose value it costs beyond that, rounded up.
    pub argument: Option<Pointer>,
    /// Where its result says what it did cost, all in all: that counts then, rounded up.
    pub result: Option<Pointer>,
}

impl Cost {
    /// Whether it costs nothing.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What a call with these arguments costs at the most, as far as is known beforehand. An argument that is no number
    /// below the greatest that can be counted costs more than anybody has.
    #[must_use]
    pub fn reserved(&self, arguments: &Json<'_>) -> u64 {
        let named =
            self.argument.as_ref().and_then(|at| at.of(arguments)).map_or(0, |value| units(value).unwrap_or(u64::MAX));
        self.call.saturating_add(named)
    }

    /// What a call did cost, as its result says; nothing where that says no number.
    #[must_use]
    pub fn told(&self, result: &Json<'_>) -> Option<u64> {
        self.result.as_ref().and_then(|at| at.of(result)).and_then(units)
    }
}

/// A number as whole units, rounded up; nothing for a negative one, or what is no number of at most four places.
fn units(value: &Json<'_>) -> Option<u64> {
    let Json::Number(digits) = value else { return None };
    let exact = u64::try_from(ten_thousandths(digits)?).ok()?;
    Some(exact.div_ceil(10_000))
}

/// What shows beforehand what a call would do, and changes nothing itself: the same tool with an argument that makes it a
/// dry run, or a companion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// How it is asked for.
    pub by: PreviewBy,
    /// What its result tells, by the names policies know it by: where, and as what.
    pub finds: BTreeMap<String, Finding>,
}

/// How a preview is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PreviewBy {
    /// The call itself, with this argument set to `true`.
    Argument(String),
    /// Another tool of the same server that only reads.
    Companion {
        /// Its name.
        tool: String,
        /// Its arguments, each from a place in the call's own.
        arguments: BTreeMap<String, Pointer>,
    },
}

/// One thing a preview finds out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Where in the result it stands.
    pub at: Pointer,
    /// What it is read as.
    pub is: ImpactKind,
}

/// What a result must be. A result that says its call failed is not held against it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Checks {
    /// How many bytes the answer may have.
    pub bytes_max: Option<u64>,
    /// What must stand in it.
    pub fields: Vec<Field>,
}

impl Checks {
    /// Whether nothing is asked.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// What is wrong with a result, without any value of it; nothing where it is as it must be.
    #[must_use]
    pub fn fault(&self, result: &Json<'_>, arguments: &Json<'_>) -> Option<String> {
        self.fields.iter().find_map(|field| field.fault(result, arguments))
    }
}

/// What one field of a result must be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Where it stands.
    pub at: Pointer,
    /// Whether it may be missing.
    pub optional: bool,
    /// The least it may be, in ten-thousandths.
    pub min: Option<i64>,
    /// The most it may be, in ten-thousandths.
    pub max: Option<i64>,
    /// The place of the argument it must equal.
    pub same_as: Option<Pointer>,
    /// The texts it may be; empty for any.
    pub one_of: Vec<String>,
}

impl Field {
    fn fault(&self, result: &Json<'_>, arguments: &Json<'_>) -> Option<String> {
        let at = &self.at;
        let Some(found) = self.at.of(result) else {
            return (!self.optional).then(|| format!("{at} is missing"));
        };
        if self.min.is_some() || self.max.is_some() {
            let Some(number) = number(found) else { return Some(format!("{at} is no number that can be compared")) };
            if self.min.is_some_and(|min| number < min) {
                return Some(format!("{at} is below what it may be"));
            }
            if self.max.is_some_and(|max| number > max) {
                return Some(format!("{at} is above what it may be"));
            }
        }
        if let Some(same) = &self.same_as
            && !same.of(arguments).is_some_and(|given| equal(given, found))
        {
            return Some(format!("{at} is not what the argument {same} is"));
        }
        let listed = |text: &str| self.one_of.iter().any(|one| one == text);
        match found {
            _ if self.one_of.is_empty() => None,
            Json::Text(text) if listed(text) => None,
            Json::Text(_) | Json::Null | Json::Bool(_) | Json::Number(_) | Json::List(_) | Json::Object(_) => {
                Some(format!("{at} is none of what it may be"))
            }
        }
    }
}

fn number(value: &Json<'_>) -> Option<i64> {
    match value {
        Json::Number(digits) => ten_thousandths(digits),
        Json::Null | Json::Bool(_) | Json::Text(_) | Json::List(_) | Json::Object(_) => None,
    }
}

/// Numbers are equal by value, everything else as written canonically.
fn equal(a: &Json<'_>, b: &Json<'_>) -> bool {
    match (number(a), number(b)) {
        (Some(a), Some(b)) => a == b,
        (Some(_) | None, Some(_) | None) => crate::json::canonical(a) == crate::json::canonical(b),
    }
}

/// What undoes a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rollback {
    /// A tool of the same server.
    pub tool: String,
    /// Its arguments, and where each is taken from.
    pub arguments: BTreeMap<String, Taken>,
}

/// Where an argument of a rollback is taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// From the call's arguments.
    Argument(Pointer),
    /// From its result.
    Result(Pointer),
    /// It is always this text.
    Text(String),
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn at(text: &str) -> Pointer {
        text.parse().unwrap()
    }

    fn json(text: &str) -> Json<'_> {
        Json::read(text, 8).unwrap()
    }

    #[test]
    fn a_call_costs_what_it_names_and_never_less_than_nothing() {
        let cost = Cost { call: 2, argument: Some(at("/amount")), result: Some(at("/fee")) };
        for (arguments, want) in [
            ("{}", 2),
            (r#"{"amount":3}"#, 5),
            (r#"{"amount":3.0001}"#, 6),
            (r#"{"amount":-3}"#, u64::MAX),
            (r#"{"amount":"3"}"#, u64::MAX),
            (r#"{"amount":1e300}"#, u64::MAX),
        ] {
            assert_eq!(cost.reserved(&json(arguments)), want, "{arguments}");
        }
        for (result, want) in [(r#"{"fee":0.5}"#, Some(1)), (r#"{"fee":-1}"#, None), ("{}", None)] {
            assert_eq!(cost.told(&json(result)), want, "{result}");
        }
    }

    #[test]
    fn a_field_is_held_against_what_it_must_be() {
        let field = |change: fn(&mut Field)| {
            let mut field = Field { at: at("/x"), ..Field::default() };
            change(&mut field);
            Checks { bytes_max: None, fields: vec![field] }
        };
        type Change = fn(&mut Field);
        let cases: [(Change, &str, Option<&str>); 13] = [
            (|_| {}, r#"{"x":null}"#, None),
            (|_| {}, "{}", Some("/x is missing")),
            (|f| f.optional = true, "{}", None),
            (|f| f.max = Some(20_000), r#"{"x":2.0}"#, None),
            (|f| f.max = Some(20_000), r#"{"x":2.0001}"#, Some("/x is above what it may be")),
            (|f| f.min = Some(20_000), r#"{"x":1.9999}"#, Some("/x is below what it may be")),
            (|f| f.min = Some(0), r#"{"x":"1"}"#, Some("/x is no number that can be compared")),
            (|f| f.min = Some(0), r#"{"x":1.00001}"#, Some("/x is no number that can be compared")),
            (|f| f.one_of = vec!["a".into()], r#"{"x":"a"}"#, None),
            (|f| f.one_of = vec!["a".into()], r#"{"x":"b"}"#, Some("/x is none of what it may be")),
            (|f| f.same_as = Some(at("/y")), r#"{"x":7.0}"#, None),
            (|f| f.same_as = Some(at("/y")), r#"{"x":8}"#, Some("/x is not what the argument /y is")),
            (|f| f.same_as = Some(at("/z")), r#"{"x":8}"#, Some("/x is not what the argument /z is")),
        ];
        for (change, result, want) in cases {
            assert_eq!(field(change).fault(&json(result), &json(r#"{"y":7}"#)).as_deref(), want, "{result}");
        }
    }
}
