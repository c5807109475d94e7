//! What the policies of one slice can look at. The rest of a call's context is not built: what nobody can see changes no
//! answer, and building it costs more than judging.
//!
//! Read off the compiled policies in Cedar's JSON form. Whatever is not a plain chain of member names below `context`
//! counts as looking at everything, so this can only err towards too much.

use std::collections::BTreeSet;

use cedar_policy::Policy;
use serde_json::Value;

/// The members of `context` that are looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Needs {
    /// Members of `context.gate`.
    pub(super) gate: Members,
    /// Arguments of `context.gate.origin`.
    pub(super) origin: Members,
    /// Members of `context.gate.impact`.
    pub(super) impact: Members,
    /// Members of `context.args`.
    pub(super) args: Members,
    /// Members of `context.args_canonical`.
    pub(super) canonical: Members,
    /// Members of `context.args_host`.
    pub(super) host: Members,
    /// Other members of `context`, by name.
    pub(super) plain: Members,
}

/// Which members of a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Members {
    /// These.
    Some(BTreeSet<String>),
    /// All of them.
    All,
}

impl Default for Members {
    fn default() -> Self {
        Self::Some(BTreeSet::new())
    }
}

impl Members {
    /// Whether this member is one.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Some(names) => names.contains(name),
            Self::All => true,
        }
    }

    /// Whether no member is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Some(names) => names.is_empty(),
            Self::All => false,
        }
    }

    fn join(&mut self, other: &Self) {
        match (self, other) {
            (Self::Some(names), Self::Some(more)) => names.extend(more.iter().cloned()),
            (whole @ Self::Some(_), Self::All) => *whole = Self::All,
            (Self::All, Self::Some(_) | Self::All) => {}
        }
    }

    fn add(&mut self, name: Option<&&str>) {
        match (self, name) {
            (Self::Some(names), Some(name)) => {
                names.insert((*name).to_owned());
            }
            (whole @ Self::Some(_), None) => *whole = Self::All,
            (Self::All, Some(_) | None) => {}
        }
    }
}

impl Needs {
    /// Everything.
    pub(super) fn all() -> Self {
        Self {
            gate: Members::All,
            origin: Members::All,
            impact: Members::All,
            args: Members::All,
            canonical: Members::All,
            host: Members::All,
            plain: Members::All,
        }
    }

    /// What a policy looks at.
    pub(super) fn of(policy: &Policy) -> Self {
        let Ok(json) = policy.to_json() else { return Self::all() };
        let mut needs = Self::default();
        json.get("conditions").into_iter().for_each(|conditions| needs.walk(conditions));
        needs
    }

    /// What several policies look at.
    pub(super) fn joined<'n>(all: impl IntoIterator<Item = &'n Self>) -> Self {
        let mut joined = Self::default();
        for needs in all {
            joined.gate.join(&needs.gate);
            joined.origin.join(&needs.origin);
            joined.impact.join(&needs.impact);
            joined.args.join(&needs.args);
            joined.canonical.join(&needs.canonical);
            joined.host.join(&needs.host);
            joined.plain.join(&needs.plain);
        }
        joined
    }

    /// Whether the answer depends on nothing but who asks, the task's labels, the grants and the tenant.
    pub(super) fn are_standing(&self) -> bool {
        let standing = ["labels", "grants", "tenant"];
        let gate = match &self.gate {
            Members::Some(names) => names.iter().all(|name| standing.contains(&name.as_str())),
            Members::All => false,
        };
        let call = [&self.origin, &self.impact, &self.args, &self.canonical, &self.host, &self.plain];
        gate && call.into_iter().all(Members::is_empty)
    }

    fn walk(&mut self, value: &Value) {
        if let Some(chain) = chain(value) {
            self.note(&chain);
            return;
        }
        match value {
            Value::Object(members) => members.values().for_each(|inner| self.walk(inner)),
            Value::Array(items) => items.iter().for_each(|item| self.walk(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    /// A chain of names below `context`, the outermost first.
    fn note(&mut self, chain: &[&str]) {
        match chain {
            [] => *self = Self::all(),
            ["gate"] => {
                self.gate.add(None);
                self.origin.add(None);
                self.impact.add(None);
            }
            ["gate", "origin", rest @ ..] => self.origin.add(rest.first()),
            ["gate", "impact", rest @ ..] => self.impact.add(rest.first()),
            ["gate", name, ..] => self.gate.add(Some(name)),
            ["args", rest @ ..] => self.args.add(rest.first()),
            ["args_canonical", rest @ ..] => self.canonical.add(rest.first()),
            ["args_host", rest @ ..] => self.host.add(rest.first()),
            [name, ..] => self.plain.add(Some(name)),
        }
    }
}

/// The names of a chain of accesses that begins at `context`; nothing for another expression.
pub(super) fn chain(value: &Value) -> Option<Vec<&str>> {
    if value.get("Var").is_some_and(|name| name == "context") {
        return Some(Vec::new());
    }
    let access = value.get(".").or_else(|| value.get("has"))?;
    let mut names = chain(access.get("left")?)?;
    match access.get("attr").or_else(|| access.get("attrs"))? {
        Value::String(one) => names.push(one),
        Value::Array(several) => names.extend(several.iter().filter_map(Value::as_str)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => return None,
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::str::FromStr;

    use cedar_policy::PolicySet;

    use super::*;

    fn check(conditions: &str, want: &str) {
        let slice = PolicySet::from_str(&format!("permit (principal, action, resource) {conditions};")).unwrap();
        let each: Vec<Needs> = slice.policies().map(Needs::of).collect();
        let needs = Needs::joined(&each);
        let words = |members: &Members| match members {
            Members::All => "*".to_owned(),
            Members::Some(names) => names.iter().cloned().collect::<Vec<_>>().join(","),
        };
        let Needs { gate, origin, impact, args, canonical, host, plain } = &needs;
        let found = [gate, args, canonical, host, plain].map(words).join(" | ");
        let beside = [origin, impact].map(words).join(" | ");
        let found = if beside == " | " { found } else { format!("{found} | {beside}") };
        assert_eq!(found, want, "{conditions}");
    }

    #[test]
    fn what_a_condition_names_is_needed_and_nothing_else() {
        check("", " |  |  |  | ");
        check("when { principal.user == \"context\" }", " |  |  |  | ");
        check("when { context.gate.labels.contains(Gate::Label::\"x\") }", "labels |  |  |  | ");
        check("when { context.args.amount > 3 } unless { context.gate.task.id == \"t\" }", "task | amount |  |  | ");
        check("when { context.args has to && context.args.to like \"a*\" }", " | to |  |  | ");
        check("when { context has args.nested.deep }", " | nested |  |  | ");
        check("when { context.args_canonical[\"odd name\"] == \"\" }", " |  | odd name |  | ");
        check("when { context.args_host.url == \"h\" }", " |  |  | url | ");
        check("when { context.gate.origin.to.contains(Gate::Label::\"x\") }", " |  |  |  |  | to | ");
        check("when { context.gate has impact.rows && context.gate.impact.rows > 3 }", " |  |  |  |  |  | rows");
        check("when { context.gate has impact }", " |  |  |  |  |  | *");
        check("when { context.args_opaque || context.method == \"m\" }", " |  |  |  | args_opaque,method");
        check("when { [1, context.gate.calls].contains(2) }", "calls |  |  |  | ");
        check("when { if context.args.b then context.args.c == 1 else false }", " | b,c |  |  | ");
    }

    #[test]
    fn whoever_takes_a_record_whole_may_see_all_of_it() {
        check("when { context.gate == context.gate }", "* |  |  |  |  | * | *");
        check("when { context has gate }", "* |  |  |  |  | * | *");
        check("when { [context.args].isEmpty() }", " | * |  |  | ");
        check("when { {a: context}.a.gate.labels.isEmpty() }", "* | * | * | * | * | * | *");
        check("when { (if true then context else context).args.x }", "* | * | * | * | * | * | *");
    }
}
