//! The tools of the gate's own server: their names, descriptions, schemas and hints. What they answer stands in `answers`.
//!
//! The definitions are pinned by digest in `registry/servers/gate.toml`; a change to any text or type here changes a pin, and
//! the tests beside this file then say to scan again.

use pdp::record::{PlanStep, Saying, Voice};
use pep::{Inside, Speaker};
use rmcp::handler::server::common::Extension;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{ErrorData, JsonObject};
use rmcp::schemars::JsonSchema;
use rmcp::{tool, tool_router};
use serde::Deserialize;

use super::{GateTools, answers, outside};

/// The arguments of a tool that takes none; an argument given all the same is refused.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct NoArguments {}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct RecordPrompt {
    /// What you were asked, word for word.
    #[schemars(length(min = 1, max = 16384))]
    text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct RecordContext {
    /// Where it came from: a file, a page, an earlier conversation.
    #[schemars(length(min = 1, max = 1024))]
    origin: String,
    /// What it says.
    #[schemars(length(min = 1, max = 16384))]
    text: String,
}

/// One call you mean to make.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct Step {
    /// The tool, as "server/tool", or "tool" on any server; "*" stands for any characters.
    #[schemars(length(min = 1, max = 256))]
    tool: String,
    /// What the call is for.
    #[serde(default)]
    #[schemars(length(max = 500))]
    note: String,
    /// Whether you may make the call any number of times. Otherwise once.
    #[serde(default)]
    many: bool,
}

impl From<Step> for PlanStep {
    fn from(step: Step) -> Self {
        let Step { tool, note, many } = step;
        Self { many, note, tool }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct SetPlan {
    /// The calls you mean to make, in order.
    #[schemars(length(min = 1, max = 64))]
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct RevisePlan {
    /// The calls you still mean to make, in order. They take the place of all open steps.
    #[schemars(length(min = 1, max = 64))]
    steps: Vec<Step>,
    /// Why the plan changes.
    #[schemars(length(min = 1, max = 16384))]
    why: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct AbandonBranch {
    /// What you give up, and why.
    #[schemars(length(min = 1, max = 16384))]
    why: String,
    /// The steps of your plan that you give up, counted from 1.
    #[serde(default)]
    #[schemars(length(max = 64))]
    steps: Vec<u32>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct OpenTools {
    /// The server whose tools you ask for. All servers when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 64))]
    server: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct ExplainLabel {
    /// The label, for example "untrusted".
    #[schemars(length(min = 1, max = 128))]
    label: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(crate = "rmcp::schemars")]
pub(super) struct WhatBecameOf {
    /// The number of the call's record, as its result or refusal names it. Or give server, tool and arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    pub(super) record: Option<u64>,
    /// The server of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 64))]
    pub(super) server: Option<String>,
    /// The tool that was called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String", length(max = 128))]
    pub(super) tool: Option<String>,
    /// The very arguments of the call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "JsonObject")]
    pub(super) arguments: Option<JsonObject>,
}

/// What a tool answers: a sentence for the agent, or one that says why nothing happened.
type Told = Result<Result<String, String>, ErrorData>;

#[tool_router(vis = "pub(super)")]
impl GateTools {
    #[tool(
        title = "Record the prompt",
        description = "Records what you were asked, in your own account of this task. Nothing is sent anywhere.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn record_prompt(
        &self,
        Extension(inside): Extension<Inside>,
        Parameters(RecordPrompt { text }): Parameters<RecordPrompt>,
    ) -> Told {
        self.say(&inside, Saying::Prompt { text }).await
    }

    #[tool(
        title = "Record context",
        description = "Records something you were given to read that did not come through this gate, and where it came from.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn record_context(
        &self,
        Extension(inside): Extension<Inside>,
        Parameters(RecordContext { origin, text }): Parameters<RecordContext>,
    ) -> Told {
        self.say(&inside, Saying::Context { origin, text }).await
    }

    #[tool(
        title = "Set the plan",
        description = "Records the calls you mean to make. Later calls are matched to its steps, in order or out of it; a call \
                       that fits no open step is noted as off plan. A plan permits nothing.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn set_plan(
        &self,
        Extension(inside): Extension<Inside>,
        Parameters(SetPlan { steps }): Parameters<SetPlan>,
    ) -> Told {
        self.say(&inside, Saying::Plan { steps: steps.into_iter().map(Into::into).collect() }).await
    }

    #[tool(
        title = "Revise the plan",
        description = "Replaces the open steps of your plan by those you still mean to take, with the reason.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn revise_plan(
        &self,
        Extension(inside): Extension<Inside>,
        Parameters(RevisePlan { steps, why }): Parameters<RevisePlan>,
    ) -> Told {
        self.say(&inside, Saying::Revision { steps: steps.into_iter().map(Into::into).collect(), text: why }).await
    }

    #[tool(
        title = "Abandon a branch",
        description = "Records a way you will not go on, with the reason, and closes the steps of your plan that belong to it.",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn abandon_branch(
        &self,
        Extension(inside): Extension<Inside>,
        Parameters(AbandonBranch { why, steps }): Parameters<AbandonBranch>,
    ) -> Told {
        self.say(&inside, Saying::AbandonedBranch { steps, text: why }).await
    }

    #[tool(
        title = "Which tools are open",
        description = "Lists the tools that are open to you now: under the labels this task has gathered and within its scope. \
                       A call can still be refused for its arguments.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn open_tools(
        &self,
        Extension(inside): Extension<Inside>,
        Parameters(OpenTools { server }): Parameters<OpenTools>,
    ) -> Told {
        Ok(Ok(answers::open_tools(&inside, self.now_us()?, server.as_deref())))
    }

    #[tool(
        title = "Explain a label",
        description = "Says what a label means, whether this task carries it, which tools bring it and which it closes.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn explain_label(
        &self,
        Extension(inside): Extension<Inside>,
        Parameters(ExplainLabel { label }): Parameters<ExplainLabel>,
    ) -> Told {
        Ok(answers::explain_label(&inside, self.now_us()?, &label))
    }

    #[tool(
        title = "What became of a call",
        description = "Says what became of a call of yours: by the number of its record, or by its server, tool and arguments. \
                       Ask this before you repeat a call whose outcome you do not know.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn what_became_of(
        &self,
        Extension(inside): Extension<Inside>,
        Parameters(asked): Parameters<WhatBecameOf>,
    ) -> Told {
        self.became(inside, asked).await
    }

    #[tool(
        title = "How the task stands",
        description = "Says how this task stands: its labels, what is left of its limits, its plan and the calls off it.",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn task_status(
        &self,
        Extension(inside): Extension<Inside>,
        Parameters(NoArguments {}): Parameters<NoArguments>,
    ) -> Told {
        Ok(Ok(answers::task_status(&inside, self.now_us()?)))
    }
}

impl GateTools {
    /// The router the macro above makes, built once per order.
    pub(super) fn routes() -> ToolRouter<Self> {
        Self::tool_router()
    }

    fn now_us(&self) -> Result<i64, ErrorData> {
        self.desk.as_ref().map(|desk| desk.clock.now_us()).ok_or_else(outside)
    }

    async fn say(&self, inside: &Inside, saying: Saying) -> Told {
        let desk = self.desk.as_ref().ok_or_else(outside)?;
        let by = inside.principal().key();
        let speaker = Speaker { by, voice: Voice::Agent, number: Some(inside.number()) };
        let said = inside.task().say(saying, speaker, &*desk.ledger, &*desk.clock).await;
        Ok(said.map(answers::heard).map_err(|fault| answers::sentence(&fault.to_string())))
    }
}
