//! Label rules: what a result carries beyond, or short of, what the registry says of its source, told by an argument of
//! the call, by a field of the result, by a resource's URI or a prompt's name.
//!
//! A rule adds labels where *any* value it looks at matches, or takes back labels that were only presumed where *every*
//! value does. A value that is missing, of another kind, or readable in two ways is the stricter case of both: what would
//! be added is, and nothing is taken back. So a result never carries more than its presumption, [`Rules::presumed`].

use std::collections::BTreeSet;

use serde::Serialize;

use super::Carried;
use crate::json::pointer::{Met, Pointer};
use crate::json::{Kind, Part};
use crate::label::LabelSet;
use crate::policy::Form;
use crate::task::matches;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// What it looks at.
    pub looks_at: LooksAt,
    /// Which values match, and what follows.
    pub test: Test,
}

/// What a rule looks at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LooksAt {
    /// Values among the arguments of the call.
    Argument {
        /// Where.
        at: Pointer,
        /// What the server takes where the argument is not given.
        absent: Option<String>,
    },
    /// Values in the result.
    Result {
        /// Where.
        at: Pointer,
    },
    /// The URI of a resource, or the name of a prompt.
    Name,
}

/// Which values match, and what follows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Test {
    /// Patterns in which `*` stands for any run of characters; they are held against a value's canonical form.
    pub patterns: BTreeSet<String>,
    /// How such a value is written.
    pub form: Form,
    /// What follows.
    pub then: Then,
}

/// What follows from a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Then {
    /// Where any value matches, the result carries this too.
    Adds(Carried),
    /// Where every value matches, and there is one, the result does not carry these labels of its source's.
    Clears(LabelSet),
}

/// What rules have said so far of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    adds: Carried,
    clears: LabelSet,
}

/// What was met of the values a rule looks at.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    matched: bool,
    other: bool,
    unclear: bool,
}

impl Test {
    /// How a value of this name is written that these patterns are held against, unless the registry says it.
    #[must_use]
    pub fn form_of(name: Option<&str>, patterns: &BTreeSet<String>) -> Form {
        match name.map_or(Form::Any, |name| Form::of(name, "")) {
            Form::Any if patterns.iter().all(|pattern| pattern.contains('@')) && !patterns.is_empty() => Form::Address,
            form @ (Form::Any | Form::Path | Form::Url | Form::Host | Form::Address) => form,
        }
    }

    /// Whether the canonical form of any value can match a pattern, as far as its spelling shows.
    ///
    /// # Errors
    /// What to write instead.
    pub fn can_match(pattern: &str, form: Form) -> Result<(), String> {
        if !pattern.contains('*') {
            return match form.canonical(pattern) {
                Ok(canonical) if canonical == pattern => Ok(()),
                Ok(canonical) => Err(format!("write `{canonical}`")),
                Err(doubt) => Err(format!("write it in a form that can be read in one way: {doubt}")),
            };
        }
        // The part that names a host, which has one spelling.
        let authority = pattern.split_once("://").map(|(scheme, rest)| {
            let rest = rest.split('/').next().unwrap_or_default();
            scheme.len().saturating_add("://".len()).saturating_add(rest.len())
        });
        let named = match (form, authority) {
            (Form::Host, _) => 0..pattern.len(),
            (Form::Address, None) => pattern.rfind('@').unwrap_or(pattern.len())..pattern.len(),
            (_, Some(end)) => 0..end,
            (Form::Url | Form::Path | Form::Any, None) => 0..0,
        };
        let is_other = |c: char| c.is_ascii_uppercase() || !c.is_ascii();
        match pattern.get(named).is_some_and(|host| host.contains(is_other)) {
            true => Err("write the host in lower case and in ASCII (IDNA)".to_owned()),
            false => Ok(()),
        }
    }

    fn text(&self, text: &str, seen: &mut Seen) {
        match self.form.canonical(text) {
            Ok(text) if self.patterns.iter().any(|pattern| matches(pattern, &text)) => seen.matched = true,
            Ok(_) => seen.other = true,
            Err(_) => seen.unclear = true,
        }
    }

    /// Whether the patterns are about truth values alone: only then is one no value of another kind.
    fn is_of_flags(&self) -> bool {
        self.patterns.iter().all(|pattern| pattern == "true" || pattern == "false")
    }

    fn value(&self, value: Part<'_>, seen: &mut Seen) {
        match (value.kind(), value.string()) {
            (Kind::Text, Some(text)) if !self.is_of_flags() => self.text(&text, seen),
            (Kind::Bool, _) if self.is_of_flags() => match self.patterns.contains(value.text()) {
                true => seen.matched = true,
                false => seen.other = true,
            },
            (Kind::Text | Kind::Bool | Kind::Null | Kind::Number | Kind::List | Kind::Object, _) => seen.unclear = true,
        }
    }

    fn values(&self, at: &Pointer, within: Part<'_>) -> Seen {
        let mut seen = Seen::default();
        at.walk(within, &mut |met| match met {
            // An argument that may be one value or several: a list at the end counts item by item.
            Met::Value(list) if list.kind() == Kind::List => {
                list.items().for_each(|item| self.value(item, &mut seen));
            }
            Met::Value(value) => self.value(value, &mut seen),
            Met::Missing => seen.unclear = true,
        });
        // Nothing at all may mean everything, to a server that is asked for it.
        seen.unclear |= !seen.matched && !seen.other;
        seen
    }

    fn say(&self, seen: Seen, said: &mut Said) {
        match &self.then {
            Then::Adds(carried) if seen.matched || seen.unclear => said.adds.raise(carried),
            Then::Clears(labels) if seen.matched && !seen.other && !seen.unclear => {
                said.clears.raise(labels);
            }
            Then::Adds(_) | Then::Clears(_) => {}
        }
    }

    /// What follows where nothing is known of the values.
    fn most(&self, said: &mut Said) {
        self.say(Seen { unclear: true, ..Seen::default() }, said);
    }
}

impl Said {
    /// What both said.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.adds.raise(&other.adds);
        self.clears.raise(&other.clears);
        self
    }

    /// What a result carries of which this was said, and whose source carries `base`.
    #[must_use]
    pub fn of(&self, base: &Carried) -> Carried {
        let kept = base.labels.iter().filter(|label| !self.clears.contains(label.as_str())).map(|label| label.as_str());
        Carried { labels: kept.collect(), readers: base.readers.clone() }.join(&self.adds)
    }
}

/// The rules of one source, in the order written; what follows does not depend on it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Rules(Vec<Rule>);

impl Rules {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them looks at the result, so that it must be read whole.
    #[must_use]
    pub fn read_results(&self) -> bool {
        self.0.iter().any(|rule| matches!(rule.looks_at, LooksAt::Result { .. }))
    }

    /// What the rules say that look at arguments. `arguments` is of a text whose places are all known, nothing where the
    /// call has none.
    #[must_use]
    pub fn of_arguments(&self, arguments: Option<Part<'_>>) -> Said {
        let mut said = Said::default();
        for Rule { looks_at, test } in &self.0 {
            let LooksAt::Argument { at, absent } = looks_at else { continue };
            let given = arguments.filter(|all| at.first().is_none_or(|name| is_given(*all, name)));
            let seen = match (given, absent) {
                (Some(arguments), _) => test.values(at, arguments),
                (None, Some(absent)) => {
                    let mut seen = Seen::default();
                    test.text(absent, &mut seen);
                    seen
                }
                (None, None) => Seen { unclear: true, ..Seen::default() },
            };
            test.say(seen, &mut said);
        }
        said
    }

    /// What the rules say that look at the result. `result` is of a text whose places are all known.
    #[must_use]
    pub fn of_result(&self, result: Part<'_>) -> Said {
        let mut said = Said::default();
        for Rule { looks_at, test } in &self.0 {
            if let LooksAt::Result { at } = looks_at {
                test.say(test.values(at, result), &mut said);
            }
        }
        said
    }

    /// What the rules that look at the result may say at most: what is presumed until it is there.
    #[must_use]
    pub fn of_any_result(&self) -> Said {
        let mut said = Said::default();
        for rule in self.0.iter().filter(|rule| matches!(rule.looks_at, LooksAt::Result { .. })) {
            rule.test.most(&mut said);
        }
        said
    }

    /// What the rules may say at most, whatever the call and its result are.
    #[must_use]
    pub fn most(&self) -> Said {
        let mut said = Said::default();
        self.0.iter().for_each(|rule| rule.test.most(&mut said));
        said
    }

    /// What the rules say of a name; nothing where the name cannot be known.
    #[must_use]
    pub fn of_name(&self, name: Option<&str>) -> Said {
        let mut said = Said::default();
        for Rule { looks_at, test } in &self.0 {
            match (looks_at, name) {
                (LooksAt::Name, Some(name)) => {
                    let mut seen = Seen::default();
                    test.text(name, &mut seen);
                    test.say(seen, &mut said);
                }
                (LooksAt::Name, None) => test.most(&mut said),
                (LooksAt::Argument { .. } | LooksAt::Result { .. }, _) => {}
            }
        }
        said
    }

    /// What a call is presumed to bring whose source carries `base`, and of whose arguments this was said.
    #[must_use]
    pub fn presumed(&self, base: &Carried, arguments: &Said) -> Carried {
        self.of_any_result().and(arguments).of(base)
    }
}

impl FromIterator<Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = Rule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

/// Whether an argument is given: `null` says that it is not.
fn is_given(arguments: Part<'_>, name: &str) -> bool {
    arguments.get(name).is_some_and(|value| value.kind() != Kind::Null)
}

#[cfg(test)]
mod tests;
