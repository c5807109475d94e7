//! One question, one answer of three values.
//!
//! 1. Any evaluation error is a denial: Cedar would have skipped the policy, and a skipped forbid is an open door.
//! 2. Evaluate with the grants this call holds. Allow is Allow. Denied without a forbid means nothing permits it. A
//!    forbid without `@approval` is final. Otherwise evaluate once more with the grants the forbids name: Allow means
//!    Escalate with exactly those grants, anything else Deny.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use cedar_policy::{
    Authorizer, Context, Decision as CedarDecision, Effect as CedarEffect, Entities, EntityUid, PolicyId,
    PrincipalConstraint, Request, RestrictedExpression,
};

use super::canonical::{Doubt, canonical, host};
use super::facts::Facts;
use super::form::Form;
use super::given::ArgumentFault;
use super::load::{Part, Parts, Policies, Unit};
use super::needs::Needs;
use crate::decision::{Decision, Obligation, Reason};
use crate::json::Json;
use crate::method::{Method, OTHER_ACTION};
use crate::principal::Principal;
use crate::registry::{Server, Tool};

/// One question.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// Of which server.
    pub server: &'a Server,
    /// For what.
    pub act: Act<'a>,
    /// Under what circumstances.
    pub facts: &'a Facts,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub enum Act<'a> {
    /// A tool call with its arguments.
    Tool {
        /// The reviewed tool.
        tool: &'a Tool,
        /// The arguments as they will be sent.
        arguments: &'a Json<'a>,
    },
    /// Any other method.
    Method {
        /// Its name.
        name: &'a str,
        /// What the gate knows of it.
        known: Option<&'static Method>,
        /// What it acts on, such as a resource's URI; empty for nothing.
        target: &'a str,
    },
}

/// A policy that spoke.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
pub struct Rule {
    /// Its `@id`.
    pub id: String,
    /// Its `@reason`, or nothing.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// The answer, and the policies that determined it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// The decision.
    pub decision: Decision,
    /// The permits that allowed, or the forbids that denied or escalated.
    pub rules: Vec<Rule>,
}

/// The policies that spoke: where one forbids, no permit counts; where none does, one permit is enough.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard {
    pub(super) permits: Vec<PolicyId>,
    pub(super) forbids: Vec<PolicyId>,
}

impl Judgement {
    fn deny(reason: Reason) -> Self {
        Self { decision: Decision::Deny(reason), rules: Vec::new() }
    }

    /// Two judgements as one: the stricter decides, and its rules are the ones that spoke.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let mut rules = match self.decision.rank().cmp(&other.decision.rank()) {
            Ordering::Greater => self.rules,
            Ordering::Less => other.rules,
            Ordering::Equal => self.rules.into_iter().chain(other.rules).collect(),
        };
        rules.sort();
        rules.dedup();
        Self { decision: self.decision.and(other.decision), rules }
    }
}

impl Policies {
    /// Judges one question.
    #[must_use]
    pub fn judge(&self, query: Query<'_>) -> Judgement {
        let unit = match self.unit(query) {
            Some(unit) => unit,
            // What acts is an entity too, and a missing one is a fault: the question was put to another snapshot's law.
            None => return Judgement::deny(Reason::Fault("the snapshot has no such action".to_owned())),
        };
        // Whether the arguments can be judged at all is asked each time, also of those that no policy looks at.
        if let Err(reason) = checked(query) {
            return Judgement::deny(reason);
        }
        self.evaluate(query, unit)
    }

    fn evaluate(&self, query: Query<'_>, unit: &Unit) -> Judgement {
        let entities = match self.entities(query.principal) {
            Ok(entities) => entities,
            Err(e) => return Judgement::deny(Reason::Fault(e)),
        };
        let ask = |grants: &BTreeSet<String>| self.ask(query, unit, grants, &entities);
        let first = match ask(&query.facts.grants) {
            Ok(heard) => heard,
            Err(reason) => return Judgement::deny(reason),
        };
        if first.forbids.is_empty() {
            if first.permits.is_empty() {
                return Judgement::deny(Reason::NoPermit);
            }
            let decision = Decision::Allow(self.obligations(&first.permits));
            return Judgement { decision, rules: self.rules(&first.permits) };
        }
        let rules = self.rules(&first.forbids);
        let asked: Option<BTreeSet<String>> =
            first.forbids.iter().map(|id| self.notes(id).and_then(|n| n.grant.clone())).collect();
        let Some(asked) = asked else {
            return Judgement { decision: Decision::Deny(Reason::Forbidden), rules };
        };
        let held = query.facts.grants.union(&asked).cloned().collect();
        let decision = match ask(&held) {
            Ok(second) if second.forbids.is_empty() && !second.permits.is_empty() => Decision::Escalate(asked),
            Ok(_) => Decision::Deny(Reason::Forbidden),
            Err(reason) => Decision::Deny(reason),
        };
        Judgement { decision, rules }
    }

    /// Whether a tool is worth telling a refused agent of: some permit's scope fits the principal, and no forbid applies
    /// under the present labels whatever the arguments. It may name too much, never grants anything.
    #[must_use]
    pub fn seems_open(&self, principal: &Principal, server: &Server, tool: &Tool, facts: &Facts) -> bool {
        let Some(unit) = self.tools.get(&server.name).and_then(|tools| tools.get(&tool.name)) else { return false };
        let Ok(entities) = self.entities(principal) else { return false };
        let who = self.names.agent(principal);
        let permitted = unit
            .slice
            .policies()
            .any(|p| p.effect() == CedarEffect::Permit && scope_fits(&p.principal_constraint(), &who, &entities));
        let empty = RestrictedExpression::new_record([]).ok();
        let Some(empty) = empty else { return false };
        let nothing = Json::Object(Vec::new());
        let query = Query { principal, server, act: Act::Tool { tool, arguments: &nothing }, facts };
        let Ok(gate) = self.gate(query, &facts.grants, &Needs::all()) else { return false };
        let nothing = ["args", "args_canonical", "args_host"].map(|name| (name.to_owned(), empty.clone()));
        let pairs = nothing.into_iter().chain([("gate".to_owned(), gate)]);
        let Ok(context) = Context::from_pairs(pairs) else { return false };
        // Not validated against the schema on purpose: the arguments are unknown here, and a rule that errs for want of
        // them has not spoken.
        let resource = self.names.server(&server.name);
        let Ok(request) = Request::new(who, unit.action.clone(), resource, context, None) else { return false };
        let response = Authorizer::new().is_authorized(&request, &unit.slice, &entities);
        let forbidden = response.decision() == CedarDecision::Deny && response.diagnostics().reason().next().is_some();
        permitted && !forbidden
    }

    pub(super) fn unit(&self, query: Query<'_>) -> Option<&Unit> {
        match query.act {
            Act::Tool { tool, .. } => self.tools.get(&query.server.name)?.get(&tool.name),
            Act::Method { known, .. } => self.methods.get(known.map_or(OTHER_ACTION, |m| m.action)),
        }
    }

    /// What the policies of a slice say, part by part: a policy's answer does not depend on its neighbours, and Cedar's
    /// combination of them is [`Heard`]'s.
    fn ask(
        &self,
        query: Query<'_>,
        unit: &Unit,
        grants: &BTreeSet<String>,
        entities: &Entities,
    ) -> Result<Heard, Reason> {
        let Parts { standing, varying, .. } = unit.parts();
        let ask = |part: &Part| self.ask_part(query, unit, part, grants, entities);
        let mut heard = if standing.policies.is_empty() {
            Heard::default()
        } else {
            let server = &query.server.name;
            unit.known.recall(query.principal, server, query.facts, grants, || ask(standing))?
        };
        if !varying.policies.is_empty() {
            let more = ask(varying)?;
            heard.forbids.extend(more.forbids);
            heard.permits.extend(more.permits);
        }
        Ok(heard)
    }

    fn ask_part(
        &self,
        query: Query<'_>,
        unit: &Unit,
        part: &Part,
        grants: &BTreeSet<String>,
        entities: &Entities,
    ) -> Result<Heard, Reason> {
        let context = self.context(query, &part.needs, grants)?;
        let who = self.names.agent(query.principal);
        let resource = self.names.server(&query.server.name);
        let request = Request::new(who, unit.action.clone(), resource, context, Some(&self.lean))
            .map_err(|e| Reason::Fault(e.to_string()))?;
        let response = Authorizer::new().is_authorized(&request, &part.policies, entities);
        if let Some(error) = response.diagnostics().errors().next() {
            return Err(Reason::Fault(error.to_string()));
        }
        let spoke = response.diagnostics().reason().cloned().collect();
        Ok(match response.decision() {
            CedarDecision::Allow => Heard { permits: spoke, forbids: Vec::new() },
            CedarDecision::Deny => Heard { permits: Vec::new(), forbids: spoke },
        })
    }

    /// The context as far as it is looked at.
    pub(super) fn context(
        &self,
        query: Query<'_>,
        needs: &Needs,
        grants: &BTreeSet<String>,
    ) -> Result<Context, Reason> {
        let text = |t: &str| RestrictedExpression::new_string(t.to_owned());
        let gate = self.gate(query, grants, needs)?;
        let mut pairs = vec![("gate".to_owned(), gate)];
        let mut plain = |name: &str, value: &dyn Fn() -> Result<RestrictedExpression, Reason>| {
            if needs.plain.has(name) {
                pairs.push((name.to_owned(), value()?));
            }
            Ok(())
        };
        match query.act {
            Act::Tool { tool, arguments } => {
                let unjudgeable = |e: ArgumentFault| Reason::Unjudgeable(e.to_string());
                plain("args_opaque", &|| {
                    Ok(RestrictedExpression::new_bool(tool.shape.hides(arguments).map_err(unjudgeable)?))
                })?;
                plain("args_opaque_names", &|| {
                    let hidden = tool.shape.hidden(arguments).map_err(unjudgeable)?;
                    Ok(RestrictedExpression::new_set(hidden.into_iter().map(text)))
                })?;
                let given = tool.shape.arguments(arguments, needs).map_err(unjudgeable)?;
                pairs.push(("args".to_owned(), given.args));
                pairs.push(("args_canonical".to_owned(), given.canonical));
                pairs.extend(given.host.map(|host| ("args_host".to_owned(), host)));
            }
            Act::Method { name, target, .. } => {
                let shown = |form: Result<String, Doubt>| match form {
                    Ok(form) => Ok(text(&form)),
                    Err(doubt) => {
                        Err(Reason::Unjudgeable(format!("what it acts on can be read in more than one way: {doubt}")))
                    }
                };
                plain("method", &|| Ok(text(name)))?;
                plain("target", &|| Ok(text(target)))?;
                plain("target_canonical", &|| shown(canonical(target, Form::Any)))?;
                plain("target_host", &|| shown(host(target, Form::Any)))?;
            }
        }
        Context::from_pairs(pairs).map_err(|e| Reason::Fault(e.to_string()))
    }

    /// The duties of every permit that allowed: each of them holds.
    fn obligations(&self, permits: &[PolicyId]) -> BTreeSet<Obligation> {
        let imposed = |id: &PolicyId| Some(self.notes(id)?.obligation.clone()?.imposed_by(id.as_ref()));
        permits.iter().filter_map(imposed).collect()
    }

    fn rules(&self, spoke: &[PolicyId]) -> Vec<Rule> {
        let reason = |id: &PolicyId| self.notes(id).map(|n| n.reason.clone()).unwrap_or_default();
        let mut rules: Vec<Rule> = spoke.iter().map(|id| Rule { id: id.to_string(), reason: reason(id) }).collect();
        rules.sort();
        rules
    }
}

/// Whether a call's arguments have a form that can be judged.
fn checked(query: Query<'_>) -> Result<(), Reason> {
    match query.act {
        Act::Tool { tool, arguments } => tool.shape.check(arguments).map_err(|e| Reason::Unjudgeable(e.to_string())),
        Act::Method { .. } => Ok(()),
    }
}

fn scope_fits(constraint: &PrincipalConstraint, who: &EntityUid, entities: &Entities) -> bool {
    let within = |above: &EntityUid| above == who || entities.is_ancestor_of(above, who);
    match constraint {
        PrincipalConstraint::Any => true,
        PrincipalConstraint::Eq(one) => one == who,
        PrincipalConstraint::In(above) => within(above),
        PrincipalConstraint::Is(kind) => kind == who.type_name(),
        PrincipalConstraint::IsIn(kind, above) => kind == who.type_name() && within(above),
    }
}
