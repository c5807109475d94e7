//! Test files as written: the TOML shapes, before any meaning is given to them.
//!
//! Unknown members are refused, so that a typo is a fault and not a case that tests something else.

use serde::Deserialize;
use toml::Spanned;

/// A whole `*.test.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SuiteFile {
    /// What every case of the file is given unless it says otherwise.
    #[serde(default)]
    pub(super) defaults: Given,
    #[serde(default)]
    pub(super) case: Vec<Spanned<Given>>,
}

/// What is given and what is expected: of a whole file, of a case, or of one row of a case's `for`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    pub(super) name: Option<Spanned<String>>,
    pub(super) agent: Option<String>,
    pub(super) teams: Option<Vec<String>>,
    pub(super) user: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) server: Option<String>,
    pub(super) tool: Option<String>,
    pub(super) arguments: Option<Spanned<toml::Value>>,
    pub(super) method: Option<String>,
    pub(super) target: Option<Spanned<String>>,
    pub(super) labels: Option<Vec<String>>,
    pub(super) grants: Option<Vec<String>>,
    pub(super) task: Option<String>,
    pub(super) calls: Option<u64>,
    pub(super) now: Option<Spanned<toml::Value>>,
    pub(super) expect: Option<Expect>,
    pub(super) rules: Option<Vec<String>>,
    pub(super) reason: Option<String>,
    pub(super) obligations: Option<Vec<Spanned<String>>>,
    /// One case for each row; a row is given what the case is, unless it says otherwise.
    #[serde(default, rename = "for")]
    pub(super) rows: Vec<Spanned<Given>>,
}

/// `"allow"`, `"deny"` or `{ escalate = ["owner"] }`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expect {
    Allow,
    Deny,
    Escalate(Vec<String>),
}

impl Given {
    /// What this says, and where it is silent, what `base` says. What is asked for and what is expected are each said as a
    /// whole: a row with an `expect` of its own does not inherit rules that belong to another. Arguments are joined member
    /// by member.
    pub(super) fn over(self, base: &Self) -> Self {
        let own_act = self.tool.is_some() || self.method.is_some();
        let own_expectation = self.expect.is_some();
        let act = |own: Option<String>, base: &Option<String>| if own_act { own } else { base.clone() };
        // What a tool is given means nothing to a method, and the other way round.
        let base_arguments = base.arguments.as_ref().filter(|_| self.method.is_none());
        let base_target = base.target.clone().filter(|_| self.tool.is_none());
        Self {
            name: self.name.or_else(|| base.name.clone()),
            agent: self.agent.or_else(|| base.agent.clone()),
            teams: self.teams.or_else(|| base.teams.clone()),
            user: self.user.or_else(|| base.user.clone()),
            tenant: self.tenant.or_else(|| base.tenant.clone()),
            server: self.server.or_else(|| base.server.clone()),
            tool: act(self.tool, &base.tool),
            arguments: joined(self.arguments, base_arguments),
            method: act(self.method, &base.method),
            target: self.target.or(base_target),
            labels: self.labels.or_else(|| base.labels.clone()),
            grants: self.grants.or_else(|| base.grants.clone()),
            task: self.task.or_else(|| base.task.clone()),
            calls: self.calls.or(base.calls),
            now: self.now.or_else(|| base.now.clone()),
            expect: self.expect.or_else(|| base.expect.clone()),
            rules: self.rules.or_else(|| base.rules.clone().filter(|_| !own_expectation)),
            reason: self.reason.or_else(|| base.reason.clone().filter(|_| !own_expectation)),
            obligations: self.obligations.or_else(|| base.obligations.clone().filter(|_| !own_expectation)),
            rows: self.rows,
        }
    }
}

/// Arguments with those of the base, where both are tables.
fn joined(own: Option<Spanned<toml::Value>>, base: Option<&Spanned<toml::Value>>) -> Option<Spanned<toml::Value>> {
    let Some(own) = own else { return base.cloned() };
    let span = own.span();
    let both = match (own.into_inner(), base.map(Spanned::get_ref)) {
        (toml::Value::Table(own), Some(toml::Value::Table(base))) => {
            let mut both = base.clone();
            both.extend(own);
            toml::Value::Table(both)
        }
        (own, _) => own,
    };
    Some(Spanned::new(span, both))
}
