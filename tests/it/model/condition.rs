//! What a policy may ask about a call, each as Cedar text and as a few lines of reading.

use std::collections::BTreeSet;

use super::dice::Dice;
use super::law::{Field, Form, Kind, LABELS, Labels, Server, Tool};
use super::methods::{self, TARGETS};
use super::step::{Arguments, Given, Person};

/// A condition that could not be evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Erred;

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked<'a> {
    Tool(&'a Tool, &'a Arguments),
    Method(&'a str, &'a str),
}

/// Everything a policy can look at.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts<'a> {
    pub(super) person: &'a Person,
    pub(super) server: &'a Server,
    pub(super) asked: Asked<'a>,
    pub(super) labels: &'a Labels,
    pub(super) calls: i64,
    /// Seconds since the history began.
    pub(super) now_s: i64,
}

/// One condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Condition {
    Label(&'static str),
    Labels(Vec<&'static str>),
    AnyLabel(Vec<&'static str>),
    Clean,
    Tenant(&'static str),
    User(&'static str),
    InTeam(&'static str),
    CallsBelow(i64),
    BeforeSecond(i64),
    Has(Field),
    TextIs(Field, &'static str),
    TextLike(Field, &'static str),
    CanonicalLike(Field, &'static str),
    MoreThan(Field, i64),
    SumMoreThan(Field, i64, i64),
    AtMost(Field, i64),
    Flag(Field),
    Contains(Field, &'static str),
    MethodIs(&'static str),
    TargetIs(&'static str),
    TargetLike(&'static str),
    CanonicalTargetLike(&'static str),
    HostIs(&'static str),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Facts<'_> {
    pub(super) fn is_unjudgeable(&self) -> bool {
        match self.asked {
            Asked::Tool(tool, arguments) => !arguments.can_be_judged(tool.form),
            Asked::Method(..) => false,
        }
    }

    pub(super) fn is_tool(&self, server: &str, name: &str) -> bool {
        match self.asked {
            Asked::Tool(tool, _) => self.server.name == server && tool.name == name,
            Asked::Method(..) => false,
        }
    }

    pub(super) fn is_action(&self, action: &str) -> bool {
        match self.asked {
            Asked::Tool(..) => false,
            Asked::Method(name, _) => methods::find(name).map_or("method", |method| method.action) == action,
        }
    }

    pub(super) fn groups(&self) -> BTreeSet<&'static str> {
        match self.asked {
            Asked::Tool(tool, _) => tool.effects.iter().copied().chain(["call"]).collect(),
            Asked::Method(name, _) => match methods::find(name).map(|method| method.group) {
                Some("lifecycle") => BTreeSet::from(["lifecycle"]),
                Some(group) => BTreeSet::from([group, "feature"]),
                None => BTreeSet::from(["feature"]),
            },
        }
    }

    fn given(&self, field: Field) -> Option<&Given> {
        match self.asked {
            Asked::Tool(_, arguments) => arguments.of(field.name),
            Asked::Method(..) => None,
        }
    }

    fn text(&self, field: Field) -> Option<&'static str> {
        match self.given(field) {
            Some(Given::Text(at)) => Some(super::step::TEXTS[*at].0),
            _ => None,
        }
    }

    fn canonical(&self, field: Field) -> Option<&'static str> {
        match self.given(field) {
            Some(Given::Text(at)) => Some(super::step::TEXTS[*at].1),
            _ => None,
        }
    }

    fn whole(&self, field: Field) -> Option<i64> {
        match self.given(field) {
            Some(Given::Whole(_, value)) => *value,
            _ => None,
        }
    }

    fn target(&self) -> (&str, &str, &str) {
        match self.asked {
            Asked::Tool(..) => ("", "", ""),
            Asked::Method(_, target) => {
                // What is given and leads to no host is told from what is not given.
                let nowhere = if target.is_empty() { "" } else { "?" };
                TARGETS.into_iter().find(|(raw, _, _)| *raw == target).unwrap_or((target, target, nowhere))
            }
        }
    }
}

/// Whether a text is like a pattern, in which `*` stands for anything.
fn is_like(text: &str, pattern: &str) -> bool {
    match pattern.split_once('*') {
        None => text == pattern,
        Some((head, rest)) => text.strip_prefix(head).is_some_and(|tail| {
            (0..=tail.len()).filter(|at| tail.is_char_boundary(*at)).any(|at| is_like(&tail[at..], rest))
        }),
    }
}

impl Condition {
    /// Whether it holds. What stands right of an `and` or `or` is read only where it matters.
    pub(super) fn holds(&self, facts: &Facts<'_>) -> Result<bool, Erred> {
        Ok(match self {
            Self::Label(label) => facts.labels.contains(label),
            Self::Labels(labels) => labels.iter().all(|label| facts.labels.contains(label)),
            Self::AnyLabel(labels) => labels.iter().any(|label| facts.labels.contains(label)),
            Self::Clean => facts.labels.is_empty(),
            Self::Tenant(tenant) => facts.person.tenant == *tenant,
            Self::User(user) => facts.person.user == *user,
            Self::InTeam(team) => facts.person.teams.contains(team),
            Self::CallsBelow(bound) => facts.calls < *bound,
            Self::BeforeSecond(second) => facts.now_s < *second,
            Self::Has(field) => facts.given(*field).is_some(),
            Self::TextIs(field, text) => facts.text(*field) == Some(text),
            Self::TextLike(field, pattern) => facts.text(*field).is_some_and(|text| is_like(text, pattern)),
            Self::CanonicalLike(field, pattern) => facts.canonical(*field).is_some_and(|text| is_like(text, pattern)),
            Self::MoreThan(field, bound) => facts.whole(*field).is_some_and(|value| value > *bound),
            Self::SumMoreThan(field, more, bound) => match facts.whole(*field) {
                Some(value) => value.checked_add(*more).ok_or(Erred)? > *bound,
                None => false,
            },
            Self::AtMost(field, bound) => {
                matches!(facts.given(*field), Some(Given::Decimal(_, Some(value))) if value <= bound)
            }
            Self::Flag(field) => matches!(facts.given(*field), Some(Given::Flag(true))),
            Self::Contains(field, text) => matches!(facts.given(*field), Some(Given::Texts(all)) if all.contains(text)),
            Self::MethodIs(name) => matches!(facts.asked, Asked::Method(method, _) if method == *name),
            Self::TargetIs(target) => facts.target().0 == *target,
            Self::TargetLike(pattern) => is_like(facts.target().0, pattern),
            Self::CanonicalTargetLike(pattern) => is_like(facts.target().1, pattern),
            Self::HostIs(host) => facts.target().2 == *host,
            Self::Not(inner) => !inner.holds(facts)?,
            Self::And(one, two) => one.holds(facts)? && two.holds(facts)?,
            Self::Or(one, two) => one.holds(facts)? || two.holds(facts)?,
        })
    }

    /// The condition in Cedar.
    pub(super) fn text(&self) -> String {
        let all = |labels: &[&str]| {
            labels.iter().map(|label| format!("Gate::Label::\"{label}\"")).collect::<Vec<_>>().join(", ")
        };
        let of = |field: &Field, test: String| match field.required {
            true => format!("context.args.{}{test}", field.name),
            false => format!("(context.args has {0} && context.args.{0}{test})", field.name),
        };
        match self {
            Self::Label(label) => format!("context.gate.labels.contains({})", all(&[label])),
            Self::Labels(labels) => format!("context.gate.labels.containsAll([{}])", all(labels)),
            Self::AnyLabel(labels) => format!("context.gate.labels.containsAny([{}])", all(labels)),
            Self::Clean => "context.gate.labels.isEmpty()".to_owned(),
            Self::Tenant(tenant) => format!("context.gate.tenant == \"{tenant}\""),
            Self::User(user) => format!("principal.user == \"{user}\""),
            Self::InTeam(team) => format!("principal in Gate::Team::\"{team}\""),
            Self::CallsBelow(bound) => format!("context.gate.calls < {bound}"),
            Self::BeforeSecond(second) => {
                let (hours, minutes, seconds) = (second / 3600, second / 60 % 60, second % 60);
                format!("context.gate.now < datetime(\"2026-11-20T{hours:02}:{minutes:02}:{seconds:02}Z\")")
            }
            Self::Has(field) => format!("context.args has {}", field.name),
            Self::TextIs(field, text) => of(field, format!(" == \"{text}\"")),
            Self::TextLike(field, pattern) => of(field, format!(" like \"{pattern}\"")),
            Self::CanonicalLike(field, pattern) => {
                format!("(context.args_canonical has {0} && context.args_canonical.{0} like \"{pattern}\")", field.name)
            }
            Self::MoreThan(field, bound) => of(field, format!(" > {bound}")),
            Self::SumMoreThan(field, more, bound) => of(field, format!(" + {more} > {bound}")),
            Self::AtMost(field, bound) => {
                of(field, format!(".lessThanOrEqual(decimal(\"{}.{:04}\"))", bound / 10_000, bound % 10_000))
            }
            Self::Flag(field) => of(field, String::new()),
            Self::Contains(field, text) => of(field, format!(".contains(\"{text}\")")),
            Self::MethodIs(name) => format!("context.method == \"{name}\""),
            Self::TargetIs(target) => format!("context.target == \"{target}\""),
            Self::TargetLike(pattern) => format!("context.target like \"{pattern}\""),
            Self::CanonicalTargetLike(pattern) => format!("context.target_canonical like \"{pattern}\""),
            Self::HostIs(host) => format!("context.target_host == \"{host}\""),
            Self::Not(inner) => format!("!({})", inner.text()),
            Self::And(one, two) => format!("(({}) && ({}))", one.text(), two.text()),
            Self::Or(one, two) => format!("(({}) || ({}))", one.text(), two.text()),
        }
    }

    /// A condition, by chance: about arguments where a tool's form is given, about targets where a method is.
    pub(super) fn any(dice: &mut Dice, form: Option<Form>, is_method: bool, depth: usize) -> Self {
        if depth > 0 && dice.percent(35) {
            let mut inner = || Box::new(Self::any(dice, form, is_method, depth - 1));
            let (one, two) = (inner(), inner());
            return match dice.below(3) {
                0 => Self::Not(one),
                1 => Self::And(one, two),
                _ => Self::Or(one, two),
            };
        }
        if let Some(form) = form
            && !form.fields().is_empty()
            && dice.percent(60)
        {
            let field = dice.one(form.fields());
            return Self::of_argument(dice, field);
        }
        if is_method && dice.percent(60) {
            return match dice.below(5) {
                0 => {
                    Self::MethodIs(dice.one(&["resources/read", "prompts/get", "resources/subscribe", "vendor/thing"]))
                }
                1 => Self::TargetIs(dice.one(&["", "file:///a", "greet", "t1"])),
                2 => Self::TargetLike(dice.one(&["file:*", "*keys*", "g*t"])),
                3 => Self::CanonicalTargetLike(dice.one(&["file:///keys/*", "https://evil*"])),
                _ => Self::HostIs(dice.one(&["", "?", "good.test", "evil.test"])),
            };
        }
        let labels: Vec<&str> = dice.some(&LABELS, 60);
        match dice.below(10) {
            0..=2 => Self::Label(dice.one(&LABELS)),
            3 if !labels.is_empty() => Self::Labels(labels),
            4 if !labels.is_empty() => Self::AnyLabel(labels),
            5 => Self::Tenant(dice.one(&["default", "other"])),
            6 => Self::User(dice.one(&["ann's person", "bob's person"])),
            7 => Self::InTeam(dice.one(&["staff", "ghosts"])),
            8 => Self::CallsBelow(dice.one(&[0, 1, 3, 6])),
            9 => Self::BeforeSecond(dice.one(&[1, 200, 1000])),
            _ => Self::Clean,
        }
    }

    fn of_argument(dice: &mut Dice, field: Field) -> Self {
        if !field.required && dice.percent(15) {
            return Self::Has(field);
        }
        match field.kind {
            Kind::Text => match dice.below(3) {
                0 => Self::TextIs(field, dice.one(&["joe", "/data/a"])),
                1 => Self::TextLike(field, dice.one(&["/data/*", "*e*", "j*"])),
                _ => Self::CanonicalLike(field, dice.one(&["/data/*", "/etc/*", "joe"])),
            },
            Kind::Whole => match dice.below(2) {
                0 => Self::MoreThan(field, dice.one(&[-1, 0, 100])),
                _ => Self::SumMoreThan(field, dice.one(&[1, 1_000_000, i64::MAX]), dice.one(&[0, 100])),
            },
            Kind::Decimal => Self::AtMost(field, dice.one(&[0, 1_000, 125_000, 10_000_000])),
            Kind::Flag => Self::Flag(field),
            Kind::Texts => Self::Contains(field, dice.one(&["a", "b"])),
        }
    }
}
