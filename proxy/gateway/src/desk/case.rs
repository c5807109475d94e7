//! One call, imagined or recorded, put to a snapshot: who, what, with which arguments, under which circumstances.
//!
//! It is judged by the code that judges live calls. Stages before and after the decision are not played: no listing is
//! compared, no halt is read.

use std::collections::BTreeSet;

use pdp::decision::Reason;
use pdp::digest::DEPTH_MAX;
use pdp::json::Json;
use pdp::label::LabelSet;
use pdp::method;
use pdp::policy::{Act, Facts, Judgement, Query, Question};
use pdp::principal::Principal;
use pdp::snapshot::Snapshot;

/// A call to be judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Who calls.
    pub principal: Principal,
    /// Which server.
    pub server: String,
    /// What for.
    pub asked: Asked,
    /// Under what circumstances.
    pub facts: Facts,
}

/// What a case asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A tool call.
    Tool {
        /// The tool's name on its server.
        name: String,
        /// The arguments, as JSON text.
        arguments: String,
    },
    /// Any other method.
    Method {
        /// The method, such as `resources/read`.
        name: String,
        /// What it acts on, such as a URI; empty for nothing.
        target: String,
    },
}

/// Why a case cannot be put to a snapshot: at the gate it would be refused before policy is asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CaseFault {
    /// The registry has no such server.
    #[error("there is no server `{0}` in the registry")]
    NoServer(String),
    /// The server has no such tool.
    #[error("`{server}` has no tool `{tool}` in the registry")]
    NoTool {
        /// The server.
        server: String,
        /// The tool.
        tool: String,
    },
    /// The tool is withheld.
    #[error("`{tool}` of `{server}` is withheld: {why}")]
    Withheld {
        /// The server.
        server: String,
        /// The tool.
        tool: String,
        /// Why.
        why: String,
    },
    /// The server's registry entry does not open the method.
    #[error("`{server}` does not open `{method}`")]
    NotOpen {
        /// The server.
        server: String,
        /// The method.
        method: String,
    },
    /// The arguments are no JSON, or do not fit the reviewed schema.
    #[error("the arguments do not fit the schema of `{tool}`: {why}")]
    Arguments {
        /// The tool.
        tool: String,
        /// In what they do not.
        why: String,
    },
    /// A label or a grant that the vocabulary does not have.
    #[error("`{0}` is not in the registry's vocabulary")]
    Word(String),
}

impl Case {
    /// Judges this case by a snapshot.
    ///
    /// # Errors
    /// Why it would not come to a judgement.
    pub fn judge(&self, snapshot: &Snapshot) -> Result<Judgement, CaseFault> {
        self.put(snapshot, |query| snapshot.judge(query))
    }

    /// This case as a question that any Cedar engine can be asked.
    ///
    /// # Errors
    /// Why it would not come to a judgement; within, why it cannot be put to Cedar.
    pub fn question(&self, snapshot: &Snapshot) -> Result<Result<Question, Reason>, CaseFault> {
        self.put(snapshot, |query| snapshot.policies().question(query))
    }

    /// What policies see of this case: Cedar's context as JSON. Nothing where it has none, and then it is not judged by it.
    #[must_use]
    pub fn context(&self, snapshot: &Snapshot) -> Option<serde_json::Value> {
        let question = self.question(snapshot).ok()?.ok()?;
        question.request.get("context").cloned()
    }

    /// Asks of a snapshot as the gate would.
    fn put<T>(&self, snapshot: &Snapshot, ask: impl FnOnce(Query<'_>) -> T) -> Result<T, CaseFault> {
        let server = snapshot.server(&self.server).ok_or_else(|| CaseFault::NoServer(self.server.clone()))?;
        let registry = snapshot.registry();
        let known = |word: &str, words: &BTreeSet<String>| {
            if words.contains(word) { Ok(()) } else { Err(CaseFault::Word(word.to_owned())) }
        };
        let origins = self.facts.origin.values().chain([&self.facts.labels, &self.facts.unvouched]);
        origins.flat_map(LabelSet::iter).try_for_each(|label| known(label.as_str(), &registry.labels))?;
        self.facts.grants.iter().try_for_each(|grant| known(grant, &registry.grants))?;
        let ask = |act| ask(Query { principal: &self.principal, server, act, facts: &self.facts });
        match &self.asked {
            Asked::Method { name, target } => {
                let known = method::find(name);
                if !server.opens(name, known) {
                    return Err(CaseFault::NotOpen { server: server.name.clone(), method: name.clone() });
                }
                Ok(ask(Act::Method { name, known, target }))
            }
            Asked::Tool { name, arguments } => {
                let missing = || CaseFault::NoTool { server: server.name.clone(), tool: name.clone() };
                let tool = server.tools.get(name).ok_or_else(missing)?;
                if let Some(why) = &tool.withheld {
                    let (server, tool) = (server.name.clone(), name.clone());
                    return Err(CaseFault::Withheld { server, tool, why: why.clone() });
                }
                let unfit = |why: String| CaseFault::Arguments { tool: name.clone(), why };
                let value: serde_json::Value = serde_json::from_str(arguments).map_err(|e| unfit(e.to_string()))?;
                let validator = tool.validator.as_ref().ok_or_else(|| unfit("it cannot be used".to_owned()))?;
                validator.validate(&value).map_err(|e| unfit(e.to_string()))?;
                let arguments = Json::read(arguments, DEPTH_MAX).map_err(|e| unfit(e.to_string()))?;
                Ok(ask(Act::Tool { tool, arguments: &arguments }))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn told(asked: Asked, words: &[&str]) -> String {
        let snapshot = Snapshot::build(&crate::reload::read(None).unwrap()).unwrap();
        let principal = Principal {
            agent: "robin".to_owned(),
            method: "token".to_owned(),
            teams: Vec::new(),
            tenant: "default".to_owned(),
            user: String::new(),
        };
        let labels: pdp::label::LabelSet = words.iter().copied().collect();
        // Nothing was given by the user, and nothing found.
        let ungiven: pdp::label::LabelSet = [pdp::origin::UNGIVEN].into_iter().collect();
        let facts = Facts { unvouched: labels.clone().join(&ungiven), labels, ..Facts::default() };
        let case = Case { principal, server: "office".to_owned(), asked, facts };
        match case.judge(&snapshot) {
            Ok(judgement) => judgement.decision.word().to_owned(),
            Err(fault) => fault.to_string(),
        }
    }

    #[test]
    fn a_case_is_judged_as_a_live_call_is() {
        let tool = |name: &str, arguments: &str| Asked::Tool { name: name.to_owned(), arguments: arguments.to_owned() };
        assert_eq!(told(tool("mail_list", "{}"), &[]), "allow");
        assert_eq!(told(tool("files_delete", r#"{"path":"/a"}"#), &[]), "deny");
        let pay = r#"{"recipient":"Acme","amount":1,"reference":"x"}"#;
        assert_eq!(told(tool("payments_send", pay), &["untrusted"]), "escalate");
        assert_eq!(told(tool("none", "{}"), &[]), "`office` has no tool `none` in the registry");
        assert_eq!(told(tool("mail_list", "{}"), &["untrsted"]), "`untrsted` is not in the registry's vocabulary");
        assert!(told(tool("mail_read", r#"{"id":1}"#), &[]).contains("do not fit the schema"));
        let method = Asked::Method { name: "sampling/createMessage".to_owned(), target: String::new() };
        assert_eq!(told(method, &[]), "`office` does not open `sampling/createMessage`");
    }
}
