//! The law and one question as any Cedar engine reads them: the compiled policies as text, a request and its entities as
//! JSON in the form of the `cedar` command line. So what the gate decided can be decided once more without the gate.
//!
//! ```text
//! cedar authorize --schema gate.cedarschema --policies gate.cedar --entities entities.json --request-json request.json
//! ```
//!
//! One difference remains, and it is why the gate asks its own way: Cedar skips a policy that errs, and the gate denies.

use cedar_policy::{Policy, PolicyId};
use serde_json::{Value, json};

use super::evaluate::Query;
use super::load::Policies;
use super::needs::Needs;
use crate::decision::Reason;

/// One question for a Cedar engine.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// Principal, action, resource and the whole context.
    pub request: Value,
    /// The principal with its teams, the servers and the actions with their groups.
    pub entities: Value,
}

/// A compiled policy that has no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy `{id}` cannot be written as text: {why}")]
pub struct PrintFault {
    /// Its `@id`.
    pub id: String,
    /// What Cedar says.
    pub why: String,
}

impl Policies {
    /// The compiled policies as Cedar text, in the order of their names: `@approval` stands as the condition that it means.
    ///
    /// # Errors
    /// A policy that Cedar compiled and does not write. None is left out in silence.
    pub fn compiled_text(&self) -> Result<String, PrintFault> {
        let mut out = String::new();
        let mut compiled = self.compiled();
        for id in self.projection().into_keys() {
            let fault = |why: String| PrintFault { id: id.clone(), why };
            let json = compiled.remove(&id).ok_or_else(|| fault("it has no form as data".to_owned()))?;
            let policy = Policy::from_json(Some(PolicyId::new(&id)), json).map_err(|e| fault(e.to_string()))?;
            let text = policy.to_cedar().ok_or_else(|| fault("it is made of a template".to_owned()))?;
            out.push_str(text.trim_end());
            out.push_str("\n\n");
        }
        Ok(out)
    }

    /// A question with its whole context, as the facts say it, grants included.
    ///
    /// # Errors
    /// Why it cannot be put: an argument without an exact form, or a name that Cedar's JSON keeps for itself.
    pub fn question(&self, query: Query<'_>) -> Result<Question, Reason> {
        let fault = |e: &dyn std::fmt::Display| Reason::Fault(e.to_string());
        let unit = self.unit(query).ok_or_else(|| fault(&"the snapshot has no such action"))?;
        let context = self.context(query, &Needs::all(), &query.facts.grants)?;
        let entities = self.entities(query.principal).map_err(|e| fault(&e))?;
        let request = json!({
            "principal": self.names.agent(query.principal).to_string(),
            "action": unit.action.to_string(),
            "resource": self.names.server(&query.server.name).to_string(),
            "context": context.to_json_value().map_err(|e| fault(&e))?,
        });
        Ok(Question { request, entities: entities.to_json_value().map_err(|e| fault(&e))? })
    }
}
