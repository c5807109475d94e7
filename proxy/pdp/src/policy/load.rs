//! Policies ready to judge: the generated schema, the compiled set cut into one slice per action, the base entities.
//!
//! Cedar scans every policy of the set it is given. A policy whose action scope cannot match is false and cannot err,
//! so leaving it out changes no answer; the slices are cut here, once, and not per call. Does not read files.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Display;
use std::sync::{Arc, PoisonError, RwLock};

use cedar_policy::{
    ActionConstraint, Entities, Entity, EntityUid, PolicyId, PolicySet, RestrictedExpression, Schema, Validator,
};

use super::author::{self, Compiled, Notes};
use super::facts::Looked;
use super::known::{Examined, Known, Placed};
use super::memory::Memory;
use super::names::{Names, tool_action};
use super::needs::Needs;
use super::schema;
use super::validate::Bench;
use crate::digest::Digest;
use crate::fault::{Fault, SourceFile};
use crate::method::{Feature, METHODS, OTHER_ACTION};
use crate::principal::Principal;
use crate::registry::Registry;

/// One action with the policies whose scope can match it.
#[derive(Debug)]
pub(super) struct Unit {
    pub(super) action: EntityUid,
    /// All of them.
    pub(super) slice: Arc<PolicySet>,
    parts: Arc<Parts>,
    /// What the standing ones said before.
    pub(super) known: Memory,
}

/// The policies of a slice, by what their answers can depend on.
#[derive(Debug)]
pub(super) struct Parts {
    /// Those that look at nothing but standing facts.
    pub(super) standing: Part,
    /// Those that look at the call itself, its task or the time.
    pub(super) varying: Part,
    /// What all of them look at.
    needs: Needs,
    /// What is found out for them alone.
    pub(super) looked: Looked,
}

/// Some policies of a slice, and what they look at.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) policies: PolicySet,
    pub(super) needs: Needs,
}

impl Unit {
    pub(super) fn parts(&self) -> &Parts {
        &self.parts
    }
}

/// The compiled policies of one snapshot. What a snapshot before it had too, it shares with it.
#[derive(Debug)]
pub struct Policies {
    /// Has the whole schema.
    validator: Arc<Validator>,
    schema_text: String,
    /// The schema of the contexts that are really built.
    pub(super) lean: Arc<Schema>,
    lean_text: String,
    pub(super) names: Names,
    written: HashMap<PolicyId, Arc<Examined>>,
    known: Known,
    warned: BTreeSet<PolicyId>,
    pub(super) tools: HashMap<String, HashMap<String, Unit>>,
    pub(super) methods: HashMap<&'static str, Unit>,
    warnings: Vec<Fault>,
    people: Arc<People>,
    /// Whether any policy can see where a value came from.
    looks_at_origin: bool,
}

/// The entity stores: nothing in them changes from call to call.
#[derive(Debug)]
struct People {
    /// Server to system, and the schema's text: all that the base follows from.
    of: (BTreeMap<String, String>, String),
    base: Entities,
    principals: RwLock<HashMap<Principal, Arc<Entities>>>,
}

/// Beyond this many remembered principals the memory is emptied: it only saves time, and must stay bounded.
const PRINCIPALS_MAX: usize = 10_000;

impl Policies {
    /// Compiles policies against a registry. What `before` has found out and still holds is not found out again.
    ///
    /// # Errors
    /// Every fault found.
    pub fn load(files: &[SourceFile], registry: &Registry, before: Option<&Self>) -> Result<Self, Vec<Fault>> {
        let broken =
            |e: &dyn Display| vec![Fault::of_file("registry", format!("no Cedar schema can be made: {e}"), "")];
        let schema_text = schema::text(registry);
        let same = before.filter(|before| before.schema_text == schema_text);
        let validator = match same {
            Some(same) => Arc::clone(&same.validator),
            None => {
                let (schema, _) = Schema::from_cedarschema_str(&schema_text).map_err(|e| broken(&e))?;
                Arc::new(Validator::new(schema))
            }
        };
        let sound = |written: &Arc<Examined>| same.is_some_and(|same| same.is_sound(written));
        let bench = Bench { registry, whole: &validator };
        let known = before.map(|before| &before.known);
        let compiled = author::compile(files, &bench, &registry.grants, known, &sound)?;
        let names = Names::new().map_err(|e| broken(&e))?;
        let people = people(&names, registry, validator.schema(), &schema_text, same).map_err(|e| broken(&e))?;
        let (tools, methods) = units(&names, registry, &compiled.policies).map_err(|e| broken(&*e))?;
        let needs = |server: Option<&str>, action: &str| match server {
            Some(server) => tools.get(server).and_then(|tools| tools.get(action)).map(|unit: &Unit| &unit.parts.needs),
            None => methods.get(action).map(|unit: &Unit| &unit.parts.needs),
        };
        let lean_text = schema::lean(registry, &needs);
        let lean = match before.filter(|before| before.lean_text == lean_text) {
            Some(same) => Arc::clone(&same.lean),
            None => Arc::new(Schema::from_cedarschema_str(&lean_text).map_err(|e| broken(&e))?.0),
        };
        let looks_at_origin = looks_at_origin(registry, &tools);
        let Compiled { policies, warnings, known, warned } = compiled;
        let written = policies.into_iter().map(|placed| (placed.policy.id().clone(), placed.policy)).collect();
        let policies = Self {
            validator,
            schema_text,
            lean,
            lean_text,
            names,
            written,
            known,
            warned,
            tools,
            methods,
            warnings,
            people,
            looks_at_origin,
        };
        Ok(policies)
    }

    /// Whether the validator found nothing in this very policy, under this schema.
    fn is_sound(&self, written: &Arc<Examined>) -> bool {
        let id = written.id();
        self.written.get(id).is_some_and(|known| Arc::ptr_eq(known, written)) && !self.warned.contains(id)
    }

    /// What a policy says of itself.
    pub(super) fn notes(&self, id: &PolicyId) -> Option<&Notes> {
        self.written.get(id).map(|written| &written.notes)
    }

    /// Whether any policy can see where an argument's value came from: only then is what tasks read worth remembering.
    #[must_use]
    pub fn looks_at_origin(&self) -> bool {
        self.looks_at_origin
    }

    /// The grants that some policy asks for with `@approval`.
    #[must_use]
    pub fn grants_asked(&self) -> BTreeSet<String> {
        self.written.values().filter_map(|policy| policy.notes.grant.clone()).collect()
    }

    /// The generated Cedar schema, as text.
    #[must_use]
    pub fn schema_text(&self) -> &str {
        &self.schema_text
    }

    /// Each policy's name, and the digest of its compiled form as data: comments and white space are not in it.
    #[must_use]
    pub fn projection(&self) -> BTreeMap<String, Digest> {
        self.written.iter().map(|(id, written)| (id.to_string(), written.digest)).collect()
    }

    /// Each policy's compiled form as data (Cedar's JSON form of a policy), by its name. Made anew each time.
    #[must_use]
    pub fn compiled(&self) -> BTreeMap<String, serde_json::Value> {
        self.written.iter().filter_map(|(id, policy)| Some((id.to_string(), policy.compiled.to_json().ok()?))).collect()
    }

    /// What the validator warns of without refusing.
    #[must_use]
    pub fn warnings(&self) -> &[Fault] {
        &self.warnings
    }

    /// The entity store of this principal: built once, then shared. Nothing that changes per call is an entity.
    pub(super) fn entities(&self, principal: &Principal) -> Result<Arc<Entities>, String> {
        let people = &self.people;
        if let Some(found) = people.principals.read().unwrap_or_else(PoisonError::into_inner).get(principal) {
            return Ok(Arc::clone(found));
        }
        let text = |t: &str| RestrictedExpression::new_string(t.to_owned());
        let attributes =
            HashMap::from([("user".to_owned(), text(&principal.user)), ("tenant".to_owned(), text(&principal.tenant))]);
        let teams: HashSet<EntityUid> = principal.teams.iter().map(|t| self.names.team(t)).collect();
        let agent = Entity::new(self.names.agent(principal), attributes, teams.clone()).map_err(|e| e.to_string())?;
        let teams = teams.into_iter().map(|team| Entity::new_no_attrs(team, HashSet::new()));
        let entities = people.base.clone().upsert_entities(teams.chain([agent]), Some(self.validator.schema()));
        let entities = Arc::new(entities.map_err(|e| e.to_string())?);
        let mut known = people.principals.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= PRINCIPALS_MAX {
            known.clear();
        }
        known.insert(principal.clone(), Arc::clone(&entities));
        Ok(entities)
    }
}

/// Whether the answer of any policy can depend on what a value was found in: its origin, or the labels of a sink that is
/// looked for. A tool without sinks has the task's labels, for which nothing is looked for.
fn looks_at_origin(registry: &Registry, tools: &HashMap<String, HashMap<String, Unit>>) -> bool {
    let seen = |server: &str, tool: &str, has_sinks: bool| {
        let looked = tools.get(server).and_then(|tools| tools.get(tool)).map(|unit| &unit.parts.looked);
        looked.is_some_and(|looked| !looked.origin.is_empty() || (has_sinks && looked.unvouched))
    };
    registry.servers.values().any(|server| {
        let has_sinks = |tool: &crate::registry::Tool| tool.sinks.as_ref().is_some_and(|sinks| !sinks.is_empty());
        server.tools.values().any(|tool| seen(&server.name, &tool.name, has_sinks(tool)))
    })
}

/// The entity stores: those of before, where they would be the same.
fn people(
    names: &Names,
    registry: &Registry,
    schema: &Schema,
    schema_text: &str,
    before: Option<&Policies>,
) -> Result<Arc<People>, Box<cedar_policy::entities_errors::EntitiesError>> {
    let systems = registry.servers.values().map(|server| (server.name.clone(), server.system.clone()));
    let of = (systems.collect(), schema_text.to_owned());
    if let Some(before) = before.filter(|before| before.people.of == of) {
        return Ok(Arc::clone(&before.people));
    }
    Ok(Arc::new(People { of, base: base_entities(names, registry, schema)?, principals: RwLock::default() }))
}

/// Servers and systems, with the schema's actions: without those, forbids on groups would silently stop matching.
fn base_entities(
    names: &Names,
    registry: &Registry,
    schema: &Schema,
) -> Result<Entities, Box<cedar_policy::entities_errors::EntitiesError>> {
    let mut entities = BTreeMap::new();
    for server in registry.servers.values() {
        let system = names.system(&server.system);
        let above = HashSet::from([system.clone()]);
        entities.insert(system.to_string(), Entity::new_no_attrs(system, HashSet::new()));
        let server = names.server(&server.name);
        entities.insert(server.to_string(), Entity::new_no_attrs(server, above));
    }
    Entities::from_entities(entities.into_values(), Some(schema)).map_err(Box::new)
}

/// The groups above a method's action; without a feature, of a method that is not known.
#[must_use]
pub fn groups_above(feature: Option<Feature>) -> Vec<&'static str> {
    match feature {
        Some(Feature::Lifecycle) => vec!["lifecycle"],
        Some(feature) => vec![feature.name(), "feature"],
        None => vec!["feature"],
    }
}

type Units = (HashMap<String, HashMap<String, Unit>>, HashMap<&'static str, Unit>);

/// The slices of every action: of tools by server and name, and of methods.
fn units(names: &Names, registry: &Registry, policies: &[Placed]) -> Result<Units, Box<dyn std::error::Error>> {
    let mut slicer = Slicer::new(policies);
    let mut tools: HashMap<String, HashMap<String, Unit>> = HashMap::new();
    for server in registry.servers.values() {
        let of_server = tools.entry(server.name.clone()).or_default();
        for tool in server.tools.values().filter(|t| t.withheld.is_none()) {
            let action = tool_action(&server.namespace, &tool.name)?;
            let above = schema::groups(&tool.effects).map(|g| names.action(g));
            of_server.insert(tool.name.clone(), slicer.unit(action, above)?);
        }
    }
    let mut methods = HashMap::new();
    let known = METHODS.iter().map(|m| (m.action, Some(m.feature))).chain([(OTHER_ACTION, None)]);
    for (name, feature) in known {
        let above = groups_above(feature).into_iter().map(|g| names.action(g));
        methods.insert(name, slicer.unit(names.action(name), above)?);
    }
    Ok((tools, methods))
}

/// Cuts the policy set by action.
struct Slicer<'a> {
    policies: &'a [Placed],
    /// The policies whose scope names any action, and those that name one or a group, by what they name.
    any: Vec<usize>,
    named: HashMap<EntityUid, Vec<usize>>,
    known: HashMap<Vec<usize>, (Arc<PolicySet>, Arc<Parts>)>,
}

impl<'a> Slicer<'a> {
    fn new(policies: &'a [Placed]) -> Self {
        let mut slicer = Self { policies, any: Vec::new(), named: HashMap::new(), known: HashMap::new() };
        for (at, placed) in policies.iter().enumerate() {
            match placed.policy.compiled.action_constraint() {
                ActionConstraint::Any => slicer.any.push(at),
                ActionConstraint::Eq(one) => slicer.named.entry(one).or_default().push(at),
                ActionConstraint::In(several) => {
                    several.into_iter().for_each(|one| slicer.named.entry(one).or_default().push(at));
                }
            }
        }
        slicer
    }

    /// The unit of one action; equal slices are shared.
    fn unit(
        &mut self,
        action: EntityUid,
        above: impl Iterator<Item = EntityUid>,
    ) -> Result<Unit, Box<cedar_policy::PolicySetError>> {
        let of = |name: &EntityUid| self.named.get(name).into_iter().flatten().copied();
        let mut chosen: Vec<usize> = self.any.iter().copied().chain(of(&action)).collect();
        above.for_each(|group| chosen.extend(of(&group)));
        chosen.sort_unstable();
        chosen.dedup();
        if let Some((slice, parts)) = self.known.get(&chosen) {
            let (slice, parts) = (Arc::clone(slice), Arc::clone(parts));
            return Ok(Unit { action, slice, parts, known: Memory::default() });
        }
        let policies = chosen.iter().filter_map(|at| self.policies.get(*at)).map(|placed| placed.policy.as_ref());
        let set = |policies: Vec<&Examined>| {
            let needs = Needs::joined(policies.iter().map(|written| &written.needs));
            let policies = PolicySet::from_policies(policies.into_iter().map(|written| written.compiled.clone()));
            Ok::<_, Box<cedar_policy::PolicySetError>>(Part { policies: policies.map_err(Box::new)?, needs })
        };
        let Part { policies: slice, needs } = set(policies.clone().collect())?;
        let (standing, varying) = policies.partition(|written| written.needs.are_standing());
        let looked = Looked::of(&needs);
        let parts = Parts { standing: set(standing)?, varying: set(varying)?, needs, looked };
        let (slice, parts) = (Arc::new(slice), Arc::new(parts));
        self.known.insert(chosen, (Arc::clone(&slice), Arc::clone(&parts)));
        Ok(Unit { action, slice, parts, known: Memory::default() })
    }
}
