//! `context.gate`: the circumstances of a call as Cedar values, as far as its policies look at them.

use std::collections::{BTreeMap, BTreeSet};

use cedar_policy::{EntityUid, RestrictedExpression};

use super::evaluate::{Act, Query};
use super::facts::{Impact, Looked, TaskFacts};
use super::load::Policies;
use super::names::Names;
use super::needs::{Members, Needs};
use crate::decision::Reason;
use crate::json::Json;
use crate::label::LabelSet;
use crate::registry::{Server, Tool};

type Value = Result<RestrictedExpression, Reason>;

impl Policies {
    /// The circumstances as far as they are looked at.
    pub(super) fn gate(&self, query: Query<'_>, grants: &BTreeSet<String>, needs: &Needs) -> Value {
        let facts = query.facts;
        let mut members = Vec::with_capacity(10);
        let mut member = |name: &str, value: &dyn Fn() -> Value| {
            if needs.gate.has(name) {
                members.push((name.to_owned(), value()?));
            }
            Ok(())
        };
        member("labels", &|| Ok(labels(&self.names, &facts.labels)))?;
        member("grants", &|| Ok(entities(grants.iter().map(|g| self.names.grant(g)).collect())))?;
        member("task", &|| task(&facts.task))?;
        member("calls", &|| Ok(long(facts.calls)))?;
        member("tenant", &|| Ok(text(&query.principal.tenant)))?;
        member("now", &|| {
            let now = jiff::Timestamp::from_millisecond(facts.now_ms).map_err(|e| fault(&e))?;
            Ok(RestrictedExpression::new_datetime(now.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()))
        })?;
        if let Some(readers) = facts.readers.names().filter(|_| needs.gate.has("readers")) {
            members.push(("readers".to_owned(), RestrictedExpression::new_set(readers.iter().map(|r| text(r)))));
        }
        if let Act::Tool { tool, arguments } = query.act {
            if needs.gate.has("unvouched") {
                members.push(("unvouched".to_owned(), labels(&self.names, &facts.unvouched)));
            }
            if !needs.origin.is_empty() {
                members.push(("origin".to_owned(), self.origin(tool, arguments, &facts.origin, &needs.origin)?));
            }
            if let Some(found) = facts.impact.as_ref().filter(|_| !needs.impact.is_empty()) {
                members.push(("impact".to_owned(), impact(tool, found, &needs.impact)?));
            }
        }
        RestrictedExpression::new_record(members).map_err(|e| fault(&e))
    }

    /// The origin of each declared argument that is given and looked at.
    fn origin(&self, tool: &Tool, given: &Json<'_>, found: &BTreeMap<String, LabelSet>, needed: &Members) -> Value {
        let nothing = LabelSet::default();
        let names = tool.shape.names().filter(|name| needed.has(name));
        let there = names.filter(|name| given.get(name).is_some_and(|value| !matches!(value, Json::Null)));
        let members = there
            .map(|name| (name.to_owned(), labels(&self.names, found.get(name).unwrap_or(&nothing))))
            .collect::<Vec<_>>();
        RestrictedExpression::new_record(members).map_err(|e| fault(&e))
    }

    /// What the policies of a tool look at beyond what is known of every call. Nothing for a tool that is not called.
    #[must_use]
    pub fn looks_at(&self, server: &Server, tool: &Tool) -> &Looked {
        let unit = self.tools.get(&server.name).and_then(|tools| tools.get(&tool.name));
        unit.map_or(Looked::NOTHING, |unit| &unit.parts().looked)
    }
}

fn task(task: &TaskFacts) -> Value {
    let flag = RestrictedExpression::new_bool;
    let members = [
        ("id", text(&task.id)),
        ("profile", text(&task.profile)),
        ("explicit", flag(task.explicit)),
        ("off_plan", flag(task.off_plan)),
        ("depth", long(task.depth)),
        ("cost", long(task.cost)),
        ("bytes_out", long(task.bytes_out)),
    ];
    RestrictedExpression::new_record(members.map(|(name, value)| (name.to_owned(), value))).map_err(|e| fault(&e))
}

/// What a preview found, of the names and types its reviewer declared. What is of another type is left out, so that a
/// policy that looks at it has to ask whether it is there.
fn impact(tool: &Tool, found: &BTreeMap<String, Impact>, needed: &Members) -> Value {
    let members = found.iter().filter(|(name, _)| needed.has(name)).filter_map(|(name, value)| {
        let kind = tool.impact.get(name)?;
        (value.kind() == *kind).then(|| (name.clone(), value.cedar()))
    });
    RestrictedExpression::new_record(members.collect::<Vec<_>>()).map_err(|e| fault(&e))
}

impl Impact {
    fn cedar(&self) -> RestrictedExpression {
        match self {
            Self::Bool(value) => RestrictedExpression::new_bool(*value),
            Self::Decimal(digits) => RestrictedExpression::new_decimal(digits),
            Self::Long(value) => RestrictedExpression::new_long(*value),
            Self::String(value) => text(value),
        }
    }
}

fn labels(names: &Names, labels: &LabelSet) -> RestrictedExpression {
    entities(labels.iter().map(|label| names.label(label.as_str())).collect())
}

fn entities(uids: Vec<EntityUid>) -> RestrictedExpression {
    RestrictedExpression::new_set(uids.into_iter().map(RestrictedExpression::new_entity_uid))
}

fn text(text: &str) -> RestrictedExpression {
    RestrictedExpression::new_string(text.to_owned())
}

fn long(count: u64) -> RestrictedExpression {
    RestrictedExpression::new_long(i64::try_from(count).unwrap_or(i64::MAX))
}

fn fault(e: &dyn std::fmt::Display) -> Reason {
    Reason::Fault(e.to_string())
}
