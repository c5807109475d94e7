//! A bundle's policies as data: what each says, where it stands in its file, and what it looks at.
//!
//! Read off the compiled policies in Cedar's JSON form, so what is told of a rule is what judges calls. Decides nothing.

pub mod expression;
pub mod words;

use std::collections::{BTreeMap, BTreeSet};

use pdp::fault::SourceFile;
use pdp::origin::UNGIVEN;
use pdp::registry::{Server, Tool};
use pdp::snapshot::Snapshot;
use pdp::{method, policy};
use serde_json::Value;

/// Whether a policy permits or forbids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// `permit`.
    Permit,
    /// `forbid`.
    Forbid,
}

/// An entity named in a policy, such as `Gate::Team::"sales"`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entity {
    /// Its type with its namespace.
    pub kind: String,
    /// Its id.
    pub id: String,
}

impl Entity {
    /// An action or an action group of the gate's own namespace.
    #[must_use]
    pub fn action(id: &str) -> Self {
        Self { kind: "Gate::Action".to_owned(), id: id.to_owned() }
    }

    /// Reads `{"type": .., "id": ..}`, also below `__entity`.
    #[must_use]
    pub fn read(value: &Value) -> Option<Self> {
        let inner = value.get("__entity").unwrap_or(value);
        let text = |name: &str| inner.get(name).and_then(Value::as_str).map(str::to_owned);
        Some(Self { kind: text("type")?, id: text("id")? })
    }
}

impl std::fmt::Display for Entity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}::{:?}", self.kind, self.id)
    }
}

/// What a part of a policy's scope fits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything.
    Any,
    /// Whatever is of this type.
    Of(String),
    /// This one.
    One(Entity),
    /// Whatever is one of these or below one of them.
    Below(Vec<Entity>),
    /// Whatever the first fits, but for what is one of these or below one of them.
    But(Box<Self>, BTreeSet<Entity>),
}

impl Scope {
    fn read(value: Option<&Value>) -> Self {
        let Some(value) = value else { return Self::Any };
        let entity = |value: &Value| value.get("entity").and_then(Entity::read);
        match value.get("op").and_then(Value::as_str) {
            Some("==") => entity(value).map_or(Self::Any, Self::One),
            Some("in") => {
                let several = value.get("entities").and_then(Value::as_array).into_iter().flatten();
                Self::Below(several.filter_map(Entity::read).chain(entity(value)).collect())
            }
            Some("is") => match value.get("in").and_then(entity) {
                Some(above) => Self::Below(vec![above]),
                None => Self::Of(value.get("entity_type").and_then(Value::as_str).unwrap_or_default().to_owned()),
            },
            Some(_) | None => Self::Any,
        }
    }

    /// The entities it names.
    #[must_use]
    pub fn named(&self) -> &[Entity] {
        match self {
            Self::Any | Self::Of(_) => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Below(several) => several,
            Self::But(scope, _) => scope.named(),
        }
    }

    /// The same without these.
    fn but(self, others: BTreeSet<Entity>) -> Self {
        if others.is_empty() { self } else { Self::But(Box::new(self), others) }
    }

    /// Whether it fits an entity, or one of those above it.
    #[must_use]
    pub fn fits(&self, one: &Entity, above: &BTreeSet<Entity>) -> bool {
        match self {
            Self::Any => true,
            Self::Of(kind) => *kind == one.kind,
            Self::One(this) => this == one,
            Self::Below(several) => several.iter().any(|entity| entity == one || above.contains(entity)),
            Self::But(scope, others) => scope.fits(one, above) && !others.contains(one) && others.is_disjoint(above),
        }
    }
}

/// One condition of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// Whether it is an `unless`.
    pub unless: bool,
    /// The expression, in Cedar's JSON form.
    pub body: Value,
}

impl Clause {
    /// The actions that it takes out of the policy's scope: `unless { action in [...] }`. None of any other condition.
    #[must_use]
    pub fn excepted(&self) -> BTreeSet<Entity> {
        let is_action = |value: &Value| value.get("Var").is_some_and(|name| name == "action");
        let within = self.body.get("in").filter(|within| self.unless && within.get("left").is_some_and(is_action));
        within.and_then(|within| within.get("right")).map(expression::entities).unwrap_or_default()
    }
}

/// Where something stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as shown to the author.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// `@id`.
    pub id: String,
    /// Whether it permits or forbids.
    pub effect: Effect,
    /// `@reason`, or nothing.
    pub reason: String,
    /// `@approval`: the grant that lifts it.
    pub approval: Option<String>,
    /// Whom it is about.
    pub principal: Scope,
    /// What for.
    pub action: Scope,
    /// Where.
    pub resource: Scope,
    /// Its conditions as written, without the one that `@approval` is compiled into.
    pub clauses: Vec<Clause>,
    /// The whole policy as compiled, in Cedar's JSON form.
    pub compiled: Value,
    /// Where it stands, where that is known.
    pub place: Option<Place>,
}

impl Written {
    fn read(id: &str, compiled: &Value, place: Option<Place>) -> Self {
        let note = |name: &str| {
            compiled.get("annotations").and_then(|a| a.get(name)).and_then(Value::as_str).map(str::to_owned)
        };
        let clauses = compiled.get("conditions").and_then(Value::as_array).into_iter().flatten();
        let clauses = clauses.filter_map(|clause| {
            let unless = clause.get("kind").is_some_and(|kind| kind == "unless");
            Some(Clause { unless, body: clause.get("body")?.clone() })
        });
        let clauses: Vec<Clause> = clauses.collect();
        let excepted = clauses.iter().flat_map(Clause::excepted).collect();
        let asks_grants =
            |clause: &Clause| expression::paths(&clause.body).iter().any(|path| path.as_str() == "context.gate.grants");
        Self {
            id: id.to_owned(),
            effect: if compiled.get("effect").is_some_and(|e| e == "forbid") { Effect::Forbid } else { Effect::Permit },
            reason: note("reason").unwrap_or_default(),
            approval: note("approval"),
            principal: Scope::read(compiled.get("principal")),
            action: Scope::read(compiled.get("action")).but(excepted),
            resource: Scope::read(compiled.get("resource")),
            // Hand-written uses of the grants are load errors, so this can only be the compiled approval.
            clauses: clauses.into_iter().filter(|clause| !asks_grants(clause)).collect(),
            compiled: compiled.clone(),
            place,
        }
    }

    /// What it looks at, as `args.to` or `gate.labels`.
    #[must_use]
    pub fn looks_at(&self) -> BTreeSet<String> {
        self.clauses.iter().flat_map(|clause| expression::paths(&clause.body)).collect()
    }

    /// Its name with its place, as people are shown it.
    #[must_use]
    pub fn shown(&self) -> String {
        match &self.place {
            Some(place) => format!("`{}` ({place})", self.id),
            None => format!("`{}`", self.id),
        }
    }
}

/// The policies of one bundle by their id.
#[derive(Debug, Clone, Default)]
pub struct Law {
    policies: BTreeMap<String, Written>,
}

impl Law {
    /// The policies of a snapshot; their places are looked up in the files it was built from.
    #[must_use]
    pub fn of(snapshot: &Snapshot, files: &[SourceFile]) -> Self {
        let mut places: BTreeMap<String, Place> = files.iter().flat_map(places).collect();
        let compiled = snapshot.policies().compiled();
        let policies = compiled
            .iter()
            .map(|(id, compiled)| (id.clone(), Written::read(id, compiled, places.remove(id))))
            .collect();
        Self { policies }
    }

    /// The policy of this id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<&Written> {
        self.policies.get(id)
    }

    /// All of them, by id.
    pub fn iter(&self) -> impl Iterator<Item = &Written> {
        self.policies.values()
    }

    /// The labels that policies name.
    #[must_use]
    pub fn labels(&self) -> BTreeSet<String> {
        // Nothing that is read carries it, so no task does.
        self.named("Gate::Label").into_iter().filter(|label| label != UNGIVEN).collect()
    }

    /// The grants that lift a forbid.
    #[must_use]
    pub fn grants(&self) -> BTreeSet<String> {
        self.iter().filter_map(|policy| policy.approval.clone()).collect()
    }

    /// The ids of this type that policies name, in scopes or in conditions.
    #[must_use]
    pub fn named(&self, kind: &str) -> BTreeSet<String> {
        let mut out = BTreeSet::new();
        for policy in self.iter() {
            let scopes = [&policy.principal, &policy.action, &policy.resource].into_iter().flat_map(Scope::named);
            let within = policy.clauses.iter().flat_map(|clause| expression::entities(&clause.body));
            out.extend(scopes.cloned().chain(within).filter(|e| e.kind == kind).map(|e| e.id));
        }
        out
    }
}

/// Where each policy of a file stands, by id. A file that cannot be read has no policies.
fn places(file: &SourceFile) -> Vec<(String, Place)> {
    let found = policy::written(std::slice::from_ref(file)).unwrap_or_default();
    found.into_iter().map(|one| (one.id, Place { file: one.file, line: one.line })).collect()
}

/// A tool's action, and the groups above it.
#[must_use]
pub fn tool_action(server: &Server, tool: &Tool) -> (Entity, BTreeSet<Entity>) {
    let own = Entity { kind: format!("{}::Action", server.namespace), id: tool.name.clone() };
    (own, policy::groups(&tool.effects).map(Entity::action).collect())
}

/// A method's action, and the groups above it.
#[must_use]
pub fn method_action(name: &str) -> (Entity, BTreeSet<Entity>) {
    let known = method::find(name);
    let above = policy::groups_above(known.map(|known| known.feature));
    (
        Entity::action(known.map_or(method::OTHER_ACTION, |known| known.action)),
        above.into_iter().map(Entity::action).collect(),
    )
}
