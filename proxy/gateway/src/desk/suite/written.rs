//! Test files as written: the TOML shapes, before any meaning is given to them.
//!
//! Unknown members are refused, so that a typo is a fault and not a case that tests something else.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

/// Calls and what the policies beside them must decide of each: a whole `*.test.toml`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Tests of Wicketgate's policies")]
pub(super) struct SuiteFile {
    /// What every case of the file is given unless it says otherwise.
    #[serde(default)]
    pub(super) defaults: Given,
    /// The cases.
    #[serde(default)]
    #[schemars(with = "Vec<Given>")]
    pub(super) case: Vec<Spanned<Given>>,
}

/// What is given and what is expected: of a whole file, of a case, or of one row of a case's `for`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Given {
    /// What the case shows, in words.
    #[schemars(with = "Option<String>")]
    pub(super) name: Option<Spanned<String>>,
    /// The agent that calls.
    pub(super) agent: Option<String>,
    /// The teams it belongs to.
    pub(super) teams: Option<Vec<String>>,
    /// The person it acts for.
    pub(super) user: Option<String>,
    /// Its tenant, `default` unless said.
    pub(super) tenant: Option<String>,
    /// The server.
    pub(super) server: Option<String>,
    /// The tool; either this or `method`.
    pub(super) tool: Option<String>,
    /// The tool's arguments: a table, or JSON as a string.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) arguments: Option<Spanned<toml::Value>>,
    /// The method, such as `resources/read`; either this or `tool`.
    pub(super) method: Option<String>,
    /// What the method acts on, such as a URI.
    #[schemars(with = "Option<String>")]
    pub(super) target: Option<Spanned<String>>,
    /// The labels the task has gathered.
    pub(super) labels: Option<Vec<String>>,
    /// For each argument the labels of what its value was found in; `user` where the user gave it. An argument that is not
    /// here was found nowhere.
    pub(super) origin: Option<BTreeMap<String, Vec<String>>>,
    /// The labels of the values that say where the effect goes and that the user did not give. Unless said, they follow
    /// from `origin`, `labels` and the registry's `sinks`, as they do of a live call.
    pub(super) unvouched: Option<Vec<String>>,
    /// The grants the call holds.
    pub(super) grants: Option<Vec<String>>,
    /// The task's id.
    pub(super) task: Option<String>,
    /// The profile of the task that a host opened; without it, nobody opened the task.
    pub(super) profile: Option<String>,
    /// Whether the call matches no open step of the task's plan.
    pub(super) off_plan: Option<bool>,
    /// Who may read what the task has gathered; everyone unless said.
    pub(super) readers: Option<Vec<String>>,
    /// How many calls the task has made.
    pub(super) calls: Option<u64>,
    /// When the call is made: a date and time.
    #[schemars(with = "Option<serde_json::Value>")]
    pub(super) now: Option<Spanned<toml::Value>>,
    /// The decision.
    pub(super) expect: Option<Expect>,
    /// The names of exactly the policies that spoke.
    pub(super) rules: Option<Vec<String>>,
    /// What the reason must contain.
    pub(super) reason: Option<String>,
    /// The duties that come with an allowance.
    #[schemars(with = "Option<Vec<String>>")]
    pub(super) obligations: Option<Vec<Spanned<String>>>,
    /// One case for each row; a row is given what the case is, unless it says otherwise.
    #[serde(default, rename = "for")]
    #[schemars(with = "Vec<Given>")]
    pub(super) rows: Vec<Spanned<Given>>,
}

/// `"allow"`, `"deny"` or `{ escalate = ["owner"] }`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Expect {
    /// It may proceed.
    Allow,
    /// It may not.
    Deny,
    /// It may proceed with exactly these grants, which it does not hold.
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
            origin: self.origin.or_else(|| base.origin.clone()),
            unvouched: self.unvouched.or_else(|| base.unvouched.clone()),
            grants: self.grants.or_else(|| base.grants.clone()),
            task: self.task.or_else(|| base.task.clone()),
            profile: self.profile.or_else(|| base.profile.clone()),
            off_plan: self.off_plan.or(base.off_plan),
            readers: self.readers.or_else(|| base.readers.clone()),
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
