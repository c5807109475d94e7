//! What authors write: policy text, its annotations, its rules of writing; and the pure Cedar it is compiled into.
//!
//! `@approval("x")` on a forbid becomes `unless { context.gate.grants.contains(Gate::Grant::"x") }`, added through
//! Cedar's public syntax tree. Hand-written uses of `gate.grants` are refused. An approval can therefore only switch a
//! forbid off; it can never create a permit. Does not read files.

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;
use std::sync::Arc;

use cedar_policy::{Effect, Policy, PolicyId, PolicySet, Schema, ValidationMode, Validator, pst};
use miette::Diagnostic;

use super::words::{Never, nearest, never};
use crate::decision::Obligation;
use crate::fault::{Fault, SourceFile};
use crate::registry::Registry;

/// What a policy says of itself beside its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Notes {
    /// `@reason`: the words an agent and an approver are told.
    pub(super) reason: String,
    /// `@approval`: the grant that switches this forbid off.
    pub(super) grant: Option<String>,
    /// `@obligation`: the duty that comes with this permit.
    pub(super) obligation: Option<Obligation>,
}

/// Policies as compiled, with their notes.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) policies: PolicySet,
    pub(super) notes: HashMap<PolicyId, Notes>,
    pub(super) warnings: Vec<Fault>,
}

/// The annotations an author may write.
const ANNOTATIONS: [&str; 5] = ["id", "reason", "approval", "obligation", "description"];

/// Reads, checks and compiles every policy file.
///
/// # Errors
/// Every fault found.
pub(super) fn compile(
    files: &[SourceFile],
    schema: &Schema,
    registry: &Registry,
) -> Result<Compiled, Vec<Fault>> {
    let mut faults = Vec::new();
    let mut desk = Desk { registry, policies: PolicySet::new(), places: HashMap::new(), notes: HashMap::new() };
    for file in files {
        desk.file(file, &mut faults);
    }
    if desk.places.is_empty() && faults.is_empty() {
        let remedy = "write at least one `permit` in a `.cedar` file; without one every call is denied";
        faults.push(Fault::of_file("policies", "there is no policy at all", remedy));
    }
    let warnings = desk.validate(schema, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let policies = desk.with_approvals().map_err(|fault| vec![fault])?;
    Ok(Compiled { policies, notes: desk.notes, warnings })
}

/// Where policies lie while they are read.
struct Desk<'a> {
    registry: &'a Registry,
    policies: PolicySet,
    places: HashMap<PolicyId, (SourceFile, usize)>,
    notes: HashMap<PolicyId, Notes>,
}

impl Desk<'_> {
    fn file(&mut self, file: &SourceFile, faults: &mut Vec<Fault>) {
        let parsed = match PolicySet::from_str(&file.text) {
            Ok(parsed) => parsed,
            Err(errors) => {
                faults.extend(errors.iter().map(|e| fault_of(file, e, 0)));
                return;
            }
        };
        for template in parsed.templates() {
            let words = format!("`{}` is a template", template.id());
            faults.push(Fault::of_file(&file.path, words, "write a policy without `?principal` and `?resource`"));
        }
        for policy in parsed.policies() {
            self.policy(file, policy, faults);
        }
    }

    fn policy(&mut self, file: &SourceFile, policy: &Policy, faults: &mut Vec<Fault>) {
        let Some(id) = policy.annotation("id").filter(|id| !id.is_empty()) else {
            let words = "a policy without `@id(\"...\")`";
            let at = offset_of_policy(&file.text, policy);
            faults.push(Fault::at(
                file,
                at,
                words,
                "give each policy a name of its own: it stands in every record it decides",
            ));
            return;
        };
        let at = offset_of_policy(&file.text, policy);
        let mut fault = |words: String, remedy: &str| faults.push(Fault::at(file, at, words, remedy));
        for (name, _) in policy.annotations().filter(|(name, _)| !ANNOTATIONS.contains(name)) {
            let meant = nearest(name, ANNOTATIONS).map(|known| format!("did you mean `@{known}`? ")).unwrap_or_default();
            fault(
                format!("`{id}` has the unknown annotation `@{name}`"),
                &format!("{meant}known are @id, @reason, @approval, @obligation and @description"),
            );
        }
        let grant = policy.annotation("approval").map(str::to_owned);
        if let Some(grant) = &grant {
            approval(id, policy, grant, &self.registry.grants, &mut fault);
        }
        let obligation = policy.annotation("obligation").and_then(Obligation::named);
        if let Some(word) = policy.annotation("obligation") {
            if obligation.is_none() {
                fault(format!("`{id}` asks for the unknown obligation `{word}`"), "known is `quote`");
            }
            if policy.effect() == Effect::Forbid {
                fault(
                    format!("`{id}` is a forbid with `@obligation`"),
                    "an obligation comes with what is permitted: write it on the permit",
                );
            }
        }
        conditions(id, policy, self.registry, &mut fault);
        let name = PolicyId::new(id);
        if let Some((other, first)) = self.places.get(&name) {
            // Of two policies with one text the second stands further on.
            let own = policy.to_cedar().filter(|_| other.path == file.path && *first == at).unwrap_or_default();
            let again = file.text.match_indices(own.trim()).map(|(at, _)| at).find(|place| *place > at);
            let words = format!("the name `{id}` is taken by a policy in {}", other.path);
            let at = again.filter(|_| !own.is_empty()).unwrap_or(at);
            faults.push(Fault::at(file, at, words, "give each policy a name of its own"));
            return;
        }
        let reason = policy.annotation("reason").unwrap_or_default().to_owned();
        if let Err(e) = self.policies.add(policy.new_id(name.clone())) {
            fault(format!("`{id}`: {e}"), "");
        }
        self.notes.insert(name.clone(), Notes { reason, grant, obligation });
        self.places.insert(name, (file.clone(), at));
    }

    fn validate(&self, schema: &Schema, faults: &mut Vec<Fault>) -> Vec<Fault> {
        let result = Validator::new(schema.clone()).validate(&self.policies, ValidationMode::Strict);
        let placed = |id: &PolicyId, finding: &dyn Diagnostic| {
            self.places.get(id).map(|(file, at)| fault_of(file, finding, *at))
        };
        faults.extend(result.validation_errors().filter_map(|e| placed(e.policy_id(), e)));
        result.validation_warnings().filter_map(|w| placed(w.policy_id(), w)).collect()
    }

    fn with_approvals(&self) -> Result<PolicySet, Fault> {
        let mut out = PolicySet::new();
        for policy in self.policies.policies() {
            let grant = self.notes.get(policy.id()).and_then(|n| n.grant.as_deref());
            let broken = |e: &dyn std::fmt::Display| {
                Fault::of_file("policies", format!("`{}` cannot be compiled: {e}", policy.id()), "")
            };
            let compiled = match grant {
                Some(grant) => unless_granted(policy, grant).map_err(|e| broken(&e))?,
                None => policy.clone(),
            };
            out.add(compiled).map_err(|e| broken(&e))?;
        }
        Ok(out)
    }
}

/// What is wrong with an `@approval`.
fn approval(
    id: &str,
    policy: &Policy,
    grant: &str,
    grants: &BTreeSet<String>,
    fault: &mut impl FnMut(String, &str),
) {
    if policy.effect() == Effect::Permit {
        fault(
            format!("`{id}` is a permit with `@approval`"),
            "an approval switches a forbid off: write the forbid",
        );
    }
    let known = grants.iter().map(|g| format!("`{g}`")).collect::<Vec<_>>().join(", ");
    if grant.is_empty() {
        fault(format!("`{id}` has `@approval` without a grant"), &format!("say whose approval: one of {known}"));
    } else if !grants.contains(grant) {
        let meant = nearest(grant, grants.iter().map(String::as_str));
        let meant = meant.map(|known| format!("did you mean `{known}`? ")).unwrap_or_default();
        fault(
            format!("`{id}` asks for the unknown grant `{grant}`"),
            &format!("{meant}use one of {known}, or add it to `vocabulary.toml`"),
        );
    }
}

/// What is wrong with a policy's conditions that Cedar's validator cannot know.
fn conditions(id: &str, policy: &Policy, registry: &Registry, fault: &mut impl FnMut(String, &str)) {
    // What cannot be looked through cannot be vouched for.
    let Ok(json) = policy.to_json() else {
        fault(format!("`{id}` cannot be read back"), "write its conditions otherwise");
        return;
    };
    if touches_grants(&json) {
        fault(
            format!("`{id}` reads `context.gate.grants`, or `context` or `context.gate` as a whole"),
            "write `@approval(\"...\")` on a forbid instead",
        );
    }
    for Never { argument, word, words } in never(policy, &json, registry) {
        let meant = nearest(&word, words.iter().map(String::as_str));
        let meant = meant.map(|known| format!("did you mean `{known}`? ")).unwrap_or_default();
        let words = words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        fault(
            format!("`{id}` compares `{argument}` with `{word}`, which it never is"),
            &format!("{meant}it may be {words}"),
        );
    }
}

/// The forbid, switched off where the call holds the grant.
fn unless_granted(policy: &Policy, grant: &str) -> Result<Policy, pst::PstConstructionError> {
    let attribute = |expr: pst::Expr, attr: &str| pst::Expr::GetAttr { expr: Arc::new(expr), attr: attr.into() };
    let grants = attribute(attribute(pst::Expr::Var(pst::Var::Context), "gate"), "grants");
    let kind = pst::Name::qualified(["Gate"], "Grant")?;
    let entity = pst::EntityUID { ty: pst::EntityType::from_name(kind), eid: grant.into() };
    let held = pst::Expr::BinaryOp {
        op: pst::BinaryOp::Contains,
        left: Arc::new(grants),
        right: Arc::new(pst::Expr::Literal(pst::Literal::EntityUID(entity))),
    };
    let pst::Policy::Static(source) = policy.to_pst()? else { return Ok(policy.clone()) };
    let mut body = source.body().clone();
    body.try_add_clause(pst::Clause::Unless(Arc::new(held)))?;
    Policy::from_pst(pst::Policy::Static(pst::StaticPolicy::try_from(body)?))
}

/// Whether a policy, in Cedar's JSON form, could look at the grants: `context.gate.grants` itself, or `context` or
/// `context.gate` used whole, through which an alias could look.
fn touches_grants(json: &serde_json::Value) -> bool {
    fn is_context(value: &serde_json::Value) -> bool {
        value.get("Var").is_some_and(|v| v == "context")
    }
    fn is_gate(value: &serde_json::Value) -> bool {
        let access = value.get(".");
        access.is_some_and(|a| a.get("left").is_some_and(is_context) && a.get("attr").is_some_and(|n| n == "gate"))
    }
    fn walk(value: &serde_json::Value) -> bool {
        if is_context(value) || is_gate(value) {
            return true;
        }
        for operator in [".", "has"] {
            if let Some(access) = value.get(operator)
                && let Some(left) = access.get("left")
            {
                let named = access.get("attr").or_else(|| access.get("attrs"));
                let names: Vec<&str> = match named {
                    Some(serde_json::Value::String(one)) => vec![one],
                    Some(serde_json::Value::Array(several)) => several.iter().filter_map(|v| v.as_str()).collect(),
                    Some(_) | None => Vec::new(),
                };
                if is_gate(left) {
                    return names.contains(&"grants");
                }
                if is_context(left) {
                    // `context has gate.grants` names the path in one step.
                    return names.first() == Some(&"gate") && (names.len() > 1 || operator == ".");
                }
                return walk(left);
            }
        }
        match value {
            serde_json::Value::Object(members) => members.values().any(walk),
            serde_json::Value::Array(items) => items.iter().any(walk),
            serde_json::Value::Null
            | serde_json::Value::Bool(_)
            | serde_json::Value::Number(_)
            | serde_json::Value::String(_) => false,
        }
    }
    json.get("conditions").is_some_and(walk)
}

/// A fault at the first place a finding names, or at `otherwise`.
fn fault_of(file: &SourceFile, finding: &dyn Diagnostic, otherwise: usize) -> Fault {
    let offset = finding.labels().and_then(|mut labels| labels.next()).map_or(otherwise, |label| label.offset());
    let remedy = finding.help().map(|h| h.to_string()).unwrap_or_default();
    Fault::at(file, offset, finding.to_string(), remedy)
}

/// Where a policy without a name stands: its own text is part of the file's.
fn offset_of_policy(text: &str, policy: &Policy) -> usize {
    policy.to_cedar().and_then(|own| text.find(own.trim())).unwrap_or(0)
}
