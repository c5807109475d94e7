//! What people are shown of a call beside what its approval binds: who, in which task, of which server, which tool and its
//! review. Taken when the request is made, so that it is there after a restart too.

use std::collections::BTreeSet;

use pdp::effect::Effect;
use pdp::json::Json;
use pdp::principal::Principal;
use pdp::record::DecisionNote;
use pep::ports::Hold;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use pdp::digest::Digest;

/// How many characters of a task's goal are shown. A host may send a goal with all that its user pasted into it.
const GOAL_CHARS_MAX: usize = 16_384;
/// What a server may say of a tool and people are shown, as its claim.
const CLAIMS: [&str; 3] = ["annotations", "description", "title"];

/// What people are shown of a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct About {
    /// The number of the frame that asked first.
    pub number: u64,
    /// The caller, as it proved who it is.
    pub principal: Principal,
    /// What its client calls itself.
    pub client: String,
    /// Its task.
    pub task: AboutTask,
    /// The server.
    pub server: AboutServer,
    /// What it would do.
    pub action: AboutAction,
    /// The decision as it was recorded, by which the call can be judged again.
    pub decision: DecisionNote,
}

/// The task of a call.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AboutTask {
    /// Its id.
    pub id: String,
    /// Its trace.
    pub trace: String,
    /// Its profile; empty where it has none.
    pub profile: String,
    /// Whether a host opened it.
    pub explicit: bool,
    /// What the user asked for, as the host gave it; a note says how much is left out.
    pub goal: Option<String>,
}

/// The server of a call, as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutServer {
    /// Its name.
    pub name: String,
    /// The downstream system.
    pub system: String,
    /// Who answers for it.
    pub owner: String,
    /// How it is reached.
    pub transport: String,
    /// The labels its results carry, in words; empty where none.
    pub trust: String,
}

/// What a call would do, as it was reviewed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AboutAction {
    /// The tool, or the method.
    pub name: String,
    /// Whether it is a method rather than a tool.
    pub is_method: bool,
    /// What a method acts on, as policies see it; empty for a tool.
    pub target: String,
    /// What the world sees of it.
    pub effects: BTreeSet<Effect>,
    /// The digest of the reviewed definition.
    pub pin: Option<Digest>,
    /// Who reviewed it.
    pub reviewed_by: Option<String>,
    /// On which day.
    pub reviewed_at: Option<String>,
    /// The arguments that say where its effect goes; nothing where no reviewer has said.
    pub sinks: Option<BTreeSet<String>>,
    /// The arguments whose values are not stored.
    pub sensitive: BTreeSet<String>,
    /// What its server says of it.
    pub claimed: Value,
}

impl About {
    /// What there is to show of a call that is held.
    #[must_use]
    pub fn of(hold: &Hold) -> Self {
        let task = &hold.task;
        Self {
            number: hold.number,
            principal: (*hold.principal).clone(),
            client: hold.client.clone(),
            task: AboutTask {
                id: task.id().to_owned(),
                trace: task.trace().to_owned(),
                profile: task.profile().to_owned(),
                explicit: task.is_explicit(),
                goal: task.goal().map(cut),
            },
            server: AboutServer::of(hold),
            action: AboutAction::of(hold),
            decision: hold.decision.clone(),
        }
    }

    /// Whether the server and the tool are still as people were shown them.
    #[must_use]
    pub fn shows(&self, hold: &Hold) -> bool {
        self.server == AboutServer::of(hold) && self.action == AboutAction::of(hold)
    }

    /// The arguments as they may be stored: a sensitive one as its size and digest.
    #[must_use]
    pub fn storable(&self, arguments: &str) -> Option<String> {
        let sensitive = &self.action.sensitive;
        if self.action.is_method || sensitive.is_empty() {
            return None;
        }
        let Ok(Value::Object(mut members)) = serde_json::from_str::<Value>(arguments) else { return None };
        let mut any = false;
        for (name, value) in members.iter_mut().filter(|(name, _)| sensitive.contains(*name)) {
            let text = value.to_string();
            *value = json!({ "withheld": name, "bytes": text.len(), "digest": Digest::of_bytes(text.as_bytes()) });
            any = true;
        }
        let text = Value::Object(members).to_string();
        let canonical = Json::read(&text, pdp::digest::DEPTH_MAX).map(|value| pdp::json::canonical(&value));
        any.then(|| canonical.unwrap_or(text))
    }
}

impl AboutServer {
    fn of(hold: &Hold) -> Self {
        Self {
            name: hold.server.name.clone(),
            system: hold.server.system.clone(),
            owner: hold.server.owner.clone(),
            transport: hold.identity.reached.clone(),
            trust: hold.server.labels.iter().map(|label| label.as_str()).collect::<Vec<_>>().join(", "),
        }
    }
}

impl AboutAction {
    fn of(hold: &Hold) -> Self {
        let tool = hold.tool.as_deref();
        let review = tool.and_then(|tool| tool.review.as_ref());
        Self {
            name: hold.identity.action.clone(),
            is_method: tool.is_none(),
            target: hold.target.clone(),
            effects: tool.map(|tool| tool.effects.clone()).unwrap_or_default(),
            pin: tool.map(|tool| tool.pin),
            reviewed_by: review.map(|review| review.by.clone()),
            reviewed_at: review.map(|review| review.at.clone()),
            sinks: tool.and_then(|tool| tool.sinks.clone()),
            sensitive: tool.map(|tool| tool.sensitive.clone()).unwrap_or_default(),
            claimed: tool.map(|tool| claims(&tool.definition)).unwrap_or_else(|| json!({})),
        }
    }
}

/// What a definition says for people.
fn claims(definition: &str) -> Value {
    let whole: Value = serde_json::from_str(definition).unwrap_or_default();
    let claims = CLAIMS.iter().filter_map(|name| Some(((*name).to_owned(), whole.get(*name)?.clone())));
    Value::Object(claims.collect::<Map<String, Value>>())
}

fn cut(goal: &str) -> String {
    let left = goal.chars().skip(GOAL_CHARS_MAX).count();
    if left == 0 {
        return goal.to_owned();
    }
    let kept: String = goal.chars().take(GOAL_CHARS_MAX).collect();
    format!("{kept} [{left} characters left out]")
}
