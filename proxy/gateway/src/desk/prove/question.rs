//! From claims to questions for the solver: which policies, under which facts, for which action.

use std::collections::BTreeSet;

use cedar_policy::{EntityUid, Policy, PolicyId, PolicySet, RequestEnv, Schema};
use cedar_policy_symcc::{CompiledPolicy, CompiledPolicySet, Env};
use pdp::registry::Registry;
use pdp::snapshot::Snapshot;
use serde_json::{Value, json};

use super::Violation;
use super::claims::{Claim, ClaimKind, Claims};
use super::example::{self, Wanted};
use super::kinds::{self, Kinds};
use super::solver::{Answer, Question, Session, Unsettled, chain};
use crate::desk::law::{Entity, Law, Written};

/// What came of one question.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    /// There was nothing to ask.
    Nothing,
    /// It holds.
    Holds,
    /// It does not.
    Broken(Box<Violation>),
    /// It could not be settled.
    Open(String),
}

/// One action that calls come to a judgement for.
pub(super) struct Scene {
    pub(super) action: Entity,
    pub(super) above: BTreeSet<Entity>,
    pub(super) env: RequestEnv,
    /// What is true of every call of it.
    pub(super) always: Value,
    /// What makes an example look real.
    pub(super) likely: Value,
}

/// One scene per action that calls come to a judgement for.
pub(super) fn scenes(schema: &Schema, kinds: &Kinds, registry: &Registry) -> Result<Vec<Scene>, String> {
    let actions = schema.action_entities().map_err(|e| chain(&e))?;
    let entity = |uid: &EntityUid| Entity { kind: uid.type_name().to_string(), id: uid.id().unescaped().to_owned() };
    let mut scenes = Vec::new();
    for env in schema.request_envs() {
        let action = entity(env.action());
        let Some(always) = kinds::always(&action, registry, kinds) else { continue };
        let above = actions.ancestors(env.action()).into_iter().flatten().map(entity).collect();
        let (always, likely) = (body(&always)?, body(&kinds::likely(&action, kinds))?);
        scenes.push(Scene { action, above, env, always, likely });
    }
    scenes.sort_by(|a, b| a.action.cmp(&b.action));
    Ok(scenes)
}

/// Everything questions are made of.
pub(super) struct Bench<'a> {
    snapshot: &'a Snapshot,
    law: &'a Law,
    claims: &'a Claims,
    schema: Schema,
    scenes: Vec<Scene>,
}

impl<'a> Bench<'a> {
    /// Prepares one scene per action.
    ///
    /// # Errors
    /// In words, where the generated schema cannot be used.
    pub(super) fn new(snapshot: &'a Snapshot, law: &'a Law, claims: &'a Claims) -> Result<Self, String> {
        let text = snapshot.policies().schema_text();
        let (schema, _) = Schema::from_cedarschema_str(text).map_err(|e| chain(&e))?;
        let kinds = Kinds::read(text);
        let scenes = scenes(&schema, &kinds, snapshot.registry())?;
        Ok(Self { snapshot, law, claims, schema, scenes })
    }

    /// Into how many questions a claim falls.
    pub(super) fn items(&self, claim: &Claim) -> usize {
        match claim.kind {
            // One more: whether it claims anything.
            ClaimKind::Invariant(_) => self.scenes.len() + 1,
            ClaimKind::GrantsWiden => self.scenes.len(),
            ClaimKind::NeverErrs | ClaimKind::NoneDead => self.law.iter().count(),
        }
    }

    /// Settles one of them.
    pub(super) async fn settle(&self, session: &mut Session<'_>, claim: &Claim, item: usize) -> Outcome {
        let settled = match &claim.kind {
            ClaimKind::Invariant(written) => match self.scenes.get(item) {
                Some(scene) if written.action.fits(&scene.action, &scene.above) => {
                    self.invariant(session, written, scene).await
                }
                Some(_) => Ok(Outcome::Nothing),
                None => self.claims_something(session, written).await,
            },
            ClaimKind::GrantsWiden => match self.scenes.get(item) {
                Some(scene) => self.grants(session, scene).await,
                None => Ok(Outcome::Nothing),
            },
            ClaimKind::NeverErrs => match self.law.iter().nth(item) {
                Some(policy) => self.errs(session, policy).await,
                None => Ok(Outcome::Nothing),
            },
            ClaimKind::NoneDead => match self.law.iter().nth(item) {
                Some(policy) => self.dead(session, policy).await,
                None => Ok(Outcome::Nothing),
            },
        };
        settled.unwrap_or_else(|Unsettled(why)| Outcome::Open(why))
    }

    /// Whether some call matches the claim, permitted or not. Of one that none matches, every bundle could be "proved".
    async fn claims_something(&self, session: &mut Session<'_>, claim: &Written) -> Result<Outcome, Unsettled> {
        Ok(match self.dead(session, claim).await? {
            Outcome::Broken(_) => Outcome::Open("no call can match this claim: it claims nothing".to_owned()),
            Outcome::Nothing | Outcome::Holds => Outcome::Nothing,
            open @ Outcome::Open(_) => open,
        })
    }

    /// Whether no permitted request of this action matches the claim: whether what the policies allow is allowed by "all
    /// but what the claim forbids".
    async fn invariant(&self, session: &mut Session<'_>, claim: &Written, scene: &Scene) -> Result<Outcome, Unsettled> {
        let told = |Unsettled(why)| Unsettled(format!("{}: {why}", scene.action));
        let allowed = self.allowed(scene, |compiled| compiled.clone()).map_err(told)?;
        let Some(everything) = self.claims.everything() else { return Ok(Outcome::Nothing) };
        // A claim that errs forbids nothing, and whatever it errs for would count as proved.
        let alone = self.alone(scene, claim, &[&scene.always]).map_err(told)?;
        if let Answer::Broken(_) = session.ask(&Question::NeverErrs(&alone)).await.map_err(told)? {
            return Ok(Outcome::Open(format!(
                "{}: the claim itself can err, and then it claims nothing",
                scene.action
            )));
        }
        let but = |facts: &[&Value]| {
            let claimed = (claim.id.as_str(), under(&claim.compiled, facts));
            self.compiled(scene, [(everything.id.as_str(), everything.compiled.clone()), claimed])
        };
        let all_but = but(&[&scene.always]).map_err(told)?;
        let first = match session.ask(&Question::Implies(&allowed, &all_but)).await.map_err(told)? {
            Answer::Holds => return Ok(Outcome::Holds),
            Answer::Broken(env) => env,
        };
        // It is refuted; now for a call that looks like one.
        let likely = but(&[&scene.always, &scene.likely]).map_err(told)?;
        let second = match session.ask(&Question::Implies(&allowed, &likely)).await {
            Ok(Answer::Broken(env)) => env,
            Ok(Answer::Holds) | Err(_) => None,
        };
        let breaks = |case: &_| self.claims.fits(&claim.id, case) && example::is_allowed(self.snapshot, case);
        let wanted = Wanted { snapshot: self.snapshot, laws: &[self.law], action: &scene.action, breaks: &breaks };
        let example = wanted.example(&[second, first].into_iter().flatten().collect()).map(|mut example| {
            example.hints = example::hints(self.snapshot, self.law, claim, scene_of(scene), &example);
            example
        });
        Ok(Outcome::Broken(Box::new(Violation { subject: scene.action.to_string(), example })))
    }

    /// Whether each grant can only widen what is permitted: for each, the policies as without it allow no more than the
    /// policies as with it. Every grant by itself is every set of them, one after the other.
    async fn grants(&self, session: &mut Session<'_>, scene: &Scene) -> Result<Outcome, Unsettled> {
        let concerned = self.law.iter().filter(|policy| policy.action.fits(&scene.action, &scene.above));
        let grants: BTreeSet<String> = concerned.filter_map(|policy| policy.approval.clone()).collect();
        if grants.is_empty() {
            return Ok(Outcome::Nothing);
        }
        for grant in &grants {
            let told = |Unsettled(why)| Unsettled(format!("{}, grant `{grant}`: {why}", scene.action));
            let without = self.allowed(scene, |compiled| held(compiled, grant, false)).map_err(told)?;
            let with = self.allowed(scene, |compiled| held(compiled, grant, true)).map_err(told)?;
            match session.ask(&Question::Implies(&without, &with)).await.map_err(told)? {
                Answer::Holds => {}
                Answer::Broken(_) => {
                    let subject = format!("{}, grant `{grant}`", scene.action);
                    return Ok(Outcome::Broken(Box::new(Violation { subject, example: None })));
                }
            }
        }
        Ok(Outcome::Holds)
    }

    async fn errs(&self, session: &mut Session<'_>, policy: &Written) -> Result<Outcome, Unsettled> {
        let mut outcome = Outcome::Nothing;
        for scene in self.scenes.iter().filter(|scene| policy.action.fits(&scene.action, &scene.above)) {
            let told = |Unsettled(why)| Unsettled(format!("{} for {}: {why}", policy.shown(), scene.action));
            let alone = self.alone(scene, policy, &[&scene.always]).map_err(told)?;
            let first = match session.ask(&Question::NeverErrs(&alone)).await.map_err(told)? {
                Answer::Holds => {
                    outcome = Outcome::Holds;
                    continue;
                }
                Answer::Broken(env) => env,
            };
            let likely = self.alone(scene, policy, &[&scene.always, &scene.likely]).map_err(told)?;
            let second = match session.ask(&Question::NeverErrs(&likely)).await {
                Ok(Answer::Broken(env)) => env,
                Ok(Answer::Holds) | Err(_) => None,
            };
            let breaks = |case: &_| example::errs(self.snapshot, case);
            let wanted = Wanted { snapshot: self.snapshot, laws: &[self.law], action: &scene.action, breaks: &breaks };
            let example = wanted.example(&[second, first].into_iter().flatten().collect());
            let subject = format!("{} for {}", policy.shown(), scene.action);
            return Ok(Outcome::Broken(Box::new(Violation { subject, example })));
        }
        Ok(outcome)
    }

    /// Whether a policy matches no call at all. One whose scope no action is in has nothing to speak of yet.
    async fn dead(&self, session: &mut Session<'_>, policy: &Written) -> Result<Outcome, Unsettled> {
        let mut outcome = Outcome::Nothing;
        for scene in self.scenes.iter().filter(|scene| policy.action.fits(&scene.action, &scene.above)) {
            let told = |Unsettled(why)| Unsettled(format!("{} for {}: {why}", policy.shown(), scene.action));
            let alone = self.alone(scene, policy, &[&scene.always]).map_err(told)?;
            match session.ask(&Question::NeverMatches(&alone)).await.map_err(told)? {
                Answer::Broken(_) => return Ok(Outcome::Holds),
                Answer::Holds => {
                    outcome = Outcome::Broken(Box::new(Violation { subject: policy.shown(), example: None }));
                }
            }
        }
        Ok(outcome)
    }

    /// What the bundle's policies allow for an action, each of them changed first.
    fn allowed(&self, scene: &Scene, change: impl Fn(&Value) -> Value) -> Result<CompiledPolicySet, Unsettled> {
        let slice = self.law.iter().filter(|policy| policy.action.fits(&scene.action, &scene.above));
        self.compiled(scene, slice.map(|policy| (policy.id.as_str(), change(&policy.compiled))))
    }

    fn compiled<'p>(
        &self,
        scene: &Scene,
        policies: impl IntoIterator<Item = (&'p str, Value)>,
    ) -> Result<CompiledPolicySet, Unsettled> {
        compiled(&self.schema, &scene.env, policies)
    }

    fn alone(&self, scene: &Scene, written: &Written, facts: &[&Value]) -> Result<CompiledPolicy, Unsettled> {
        let policy = policy(&written.id, under(&written.compiled, facts))?;
        CompiledPolicy::compile(&policy, &scene.env, &self.schema).map_err(|e| Unsettled(chain(&e)))
    }
}

/// Policies compiled for an action.
pub(super) fn compiled<'p>(
    schema: &Schema,
    env: &RequestEnv,
    policies: impl IntoIterator<Item = (&'p str, Value)>,
) -> Result<CompiledPolicySet, Unsettled> {
    let policies: Result<Vec<Policy>, Unsettled> = policies.into_iter().map(|(id, json)| policy(id, json)).collect();
    let set = PolicySet::from_policies(policies?).map_err(|e| Unsettled(chain(&e)))?;
    CompiledPolicySet::compile(&set, env, schema).map_err(|e| Unsettled(chain(&e)))
}

fn scene_of(scene: &Scene) -> (&Entity, &BTreeSet<Entity>) {
    (&scene.action, &scene.above)
}

/// Requests that show something, the likeliest first.
pub(super) type Found = Vec<Box<Env>>;

fn policy(id: &str, json: Value) -> Result<Policy, Unsettled> {
    Policy::from_json(Some(PolicyId::new(id)), json).map_err(|e| Unsettled(format!("`{id}`: {}", chain(&e))))
}

/// An expression's JSON form.
fn body(text: &str) -> Result<Value, String> {
    let whole = format!("permit (principal, action, resource) when {{ {text} }};");
    let json = Policy::parse(None, &whole).map_err(|e| format!("{}: {text}", chain(&e)))?.to_json();
    let json = json.map_err(|e| chain(&e))?;
    let first = json.get("conditions").and_then(|conditions| conditions.get(0)?.get("body")).cloned();
    first.ok_or_else(|| format!("no expression: {text}"))
}

/// A policy that applies only where these facts hold. They stand first: a policy is not evaluated where they do not.
fn under(compiled: &Value, facts: &[&Value]) -> Value {
    let mut out = compiled.clone();
    let first = facts.iter().map(|fact| json!({ "kind": "when", "body": fact }));
    let written = compiled.get("conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    if let Some(members) = out.as_object_mut() {
        members.insert("conditions".to_owned(), Value::Array(first.chain(written).collect()));
    }
    out
}

/// A policy as if a grant were held, or not, whatever the request says.
fn held(compiled: &Value, grant: &str, is_held: bool) -> Value {
    if let Some(asked) = compiled.get("contains")
        && crate::desk::law::expression::chain(asked.get("left").unwrap_or(&Value::Null))
            .is_some_and(|names| names == ["context", "gate", "grants"])
        && asked.get("right").and_then(|right| Entity::read(right.get("Value")?)).is_some_and(|e| e.id == grant)
    {
        return json!({ "Value": is_held });
    }
    match compiled {
        Value::Object(members) => {
            Value::Object(members.iter().map(|(name, inner)| (name.clone(), held(inner, grant, is_held))).collect())
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| held(item, grant, is_held)).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => compiled.clone(),
    }
}
