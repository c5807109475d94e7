//! What a host or an agent says of a task: prompt, context, plan, revisions, abandoned branches, notes. Claims all.
//!
//! Kept apart from decisions: an entry of its own kind, marked `self_reported`, and nothing a policy permits rests on it. The
//! words are stored as they were given; whoever shows them escapes them.

use serde::{Deserialize, Serialize};

use crate::task::matches;

/// How many bytes of text one entry may hold.
pub const TEXT_BYTES_MAX: usize = 16 * 1024;
/// How many characters the origin of a context may have.
pub const ORIGIN_CHARS_MAX: usize = 1024;
/// How many steps a plan may have.
pub const STEPS_MAX: usize = 64;
/// How many characters a step's pattern may have.
pub const PATTERN_CHARS_MAX: usize = 256;
/// How many characters a step's note may have.
pub const NOTE_CHARS_MAX: usize = 500;

/// Who says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Voice {
    /// The host that runs the agent, over the control API.
    Host,
    /// The agent itself, with the gate's own tools.
    Agent,
}

impl Voice {
    /// The word in stories.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Agent => "agent",
        }
    }
}

/// How much an entry is worth. There is one value, so that no reader takes what is said for what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Its speaker says so. The gate saw nothing of it.
    SelfReported,
}

/// One step of a plan: a call that is meant to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanStep {
    /// Whether the step may be taken any number of times. Otherwise one call takes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub many: bool,
    /// What the step is for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The tool, as `server/tool`, or `tool` on any server. `*` stands for any characters.
    pub tool: String,
}

impl PlanStep {
    /// Whether a call of this tool is what the step means.
    #[must_use]
    pub fn fits(&self, server: &str, tool: &str) -> bool {
        match self.tool.split_once('/') {
            Some((on, what)) => matches(on, server) && matches(what, tool),
            None => matches(&self.tool, tool),
        }
    }
}

/// What is said. Members stand in the order of their names, after `kind`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Saying {
    /// What the agent was asked.
    Prompt {
        /// The words.
        text: String,
    },
    /// What the agent was given to read that did not come through the gate.
    Context {
        /// Where it came from: a file, a page, an earlier task.
        origin: String,
        /// What it says.
        text: String,
    },
    /// What the agent means to do.
    Plan {
        /// The calls, in order.
        steps: Vec<PlanStep>,
    },
    /// What it means to do instead, from now on.
    Revision {
        /// The calls that are still to be made, in order.
        steps: Vec<PlanStep>,
        /// Why the plan changed.
        text: String,
    },
    /// A way it will not go on.
    AbandonedBranch {
        /// The steps of the plan that are given up, counted from one.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        steps: Vec<u32>,
        /// What was given up, and why.
        text: String,
    },
    /// Anything else worth keeping.
    Note {
        /// The words.
        text: String,
    },
}

impl Saying {
    /// The word in records and stories.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Prompt { .. } => "prompt",
            Self::Context { .. } => "context",
            Self::Plan { .. } => "plan",
            Self::Revision { .. } => "revision",
            Self::AbandonedBranch { .. } => "abandoned_branch",
            Self::Note { .. } => "note",
        }
    }

    /// How many bytes it takes, about.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let of = |steps: &[PlanStep]| steps.iter().map(|step| step.tool.len() + step.note.len()).sum::<usize>();
        match self {
            Self::Prompt { text } | Self::Note { text } => text.len(),
            Self::Context { origin, text } => origin.len() + text.len(),
            Self::Plan { steps } => of(steps),
            Self::Revision { steps, text } => of(steps) + text.len(),
            Self::AbandonedBranch { steps, text } => steps.len() * 4 + text.len(),
        }
    }

    /// Everything that is out of bounds, in words that say what to do.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        match self {
            Self::Prompt { text } | Self::Note { text } => text_fault("text", text).into_iter().collect(),
            Self::Context { origin, text } => {
                let count = origin.chars().count();
                let long = (count > ORIGIN_CHARS_MAX)
                    .then(|| format!("`origin` has {count} characters, at most {ORIGIN_CHARS_MAX}: shorten it"));
                let empty = origin.trim().is_empty().then(|| "`origin` is empty: say where it came from".to_owned());
                [empty, long, text_fault("text", text)].into_iter().flatten().collect()
            }
            Self::Plan { steps } => step_faults(steps),
            Self::Revision { steps, text } => text_fault("text", text).into_iter().chain(step_faults(steps)).collect(),
            Self::AbandonedBranch { steps, text } => {
                let unfit = (steps.len() > STEPS_MAX || steps.contains(&0))
                    .then(|| format!("`steps` must be at most {STEPS_MAX} numbers of steps, counted from one"));
                text_fault("text", text).into_iter().chain(unfit).collect()
            }
        }
    }
}

fn text_fault(name: &str, text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return Some(format!("`{name}` is empty: say something"));
    }
    let bytes = text.len();
    (bytes > TEXT_BYTES_MAX)
        .then(|| format!("`{name}` has {bytes} bytes, at most {TEXT_BYTES_MAX}: shorten it, or say it in parts"))
}

fn step_faults(steps: &[PlanStep]) -> Vec<String> {
    let mut faults = Vec::new();
    if steps.is_empty() || steps.len() > STEPS_MAX {
        faults.push(format!("a plan has 1 to {STEPS_MAX} steps, not {}", steps.len()));
    }
    for (n, step) in steps.iter().take(STEPS_MAX).enumerate() {
        let (tool, note) = (step.tool.chars().count(), step.note.chars().count());
        if tool == 0 || tool > PATTERN_CHARS_MAX {
            faults.push(format!("step {}: `tool` has {tool} characters, use 1 to {PATTERN_CHARS_MAX}", n + 1));
        }
        if note > NOTE_CHARS_MAX {
            faults.push(format!("step {}: `note` has {note} characters, at most {NOTE_CHARS_MAX}", n + 1));
        }
    }
    faults
}

/// Something a host or an agent said of a task, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
pub struct Said {
    /// When, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
    /// The key of the principal that said it, `tenant/agent`.
    pub by: String,
    /// The number of the call by which it was said; nothing where the host said it.
    #[serde(default)]
    pub number: Option<u64>,
    /// What was said.
    pub said: Saying,
    /// How much it is worth.
    pub standing: Standing,
    /// The task.
    pub task: String,
    /// The task's trace.
    pub trace: String,
    /// Who speaks.
    pub voice: Voice,
}

/// Whether a call took a step of the plan, as its record keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct PlanNote {
    /// Who recorded the plan.
    pub by: Voice,
    /// Whether steps before this one are still to be taken.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub out_of_order: bool,
    /// How often the plan had been revised.
    pub revision: u32,
    /// The step the call took, counted from one; nothing where it took none, which is drift.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
    /// How many steps the plan has.
    pub steps: u32,
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn step(tool: &str) -> PlanStep {
        PlanStep { many: false, note: String::new(), tool: tool.to_owned() }
    }

    #[test]
    fn a_pattern_names_a_tool_of_one_server_or_of_any() {
        for (pattern, server, tool, fits) in [
            ("office/mail_read", "office", "mail_read", true),
            ("office/mail_read", "post", "mail_read", false),
            ("mail_read", "post", "mail_read", true),
            ("office/mail_*", "office", "mail_send", true),
            ("office/mail_*", "office", "files_read", false),
            ("*/files_*", "disk", "files_", true),
            ("off*/*_send", "office", "mail_send", true),
            ("a*b*c", "x", "abbc", true),
            ("a*b*c", "x", "acb", false),
            ("a*a", "x", "a", false),
            ("*", "x", "anything", true),
            ("*/ns/tool", "x", "ns/tool", true),
            ("", "x", "", true),
            ("mail", "x", "mail_read", false),
        ] {
            assert_eq!(step(pattern).fits(server, tool), fits, "{pattern} on {server}/{tool}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_is_as_the_plain_definition_of_it(pattern in "[ab*]{0,6}", text in "[ab]{0,6}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match pattern.split_first() {
                    None => text.is_empty(),
                    Some((b'*', rest)) => (0..=text.len()).any(|n| text.get(n..).is_some_and(|t| plain(rest, t))),
                    Some((c, rest)) => text.split_first().is_some_and(|(d, t)| c == d && plain(rest, t)),
                }
            }
            prop_assert_eq!(matches(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }

    #[test]
    fn what_is_out_of_bounds_is_told_all_at_once() {
        let long = PlanStep { note: "n".repeat(501), ..step("") };
        let told = Saying::Revision { steps: vec![long], text: " ".to_owned() }.faults();
        assert_eq!(
            told,
            [
                "`text` is empty: say something",
                "step 1: `tool` has 0 characters, use 1 to 256",
                "step 1: `note` has 501 characters, at most 500"
            ]
        );
        assert_eq!(Saying::Plan { steps: vec![] }.faults(), ["a plan has 1 to 64 steps, not 0"]);
        assert_eq!(Saying::Plan { steps: vec![step("a"); 65] }.faults(), ["a plan has 1 to 64 steps, not 65"]);
        let text = "x".repeat(TEXT_BYTES_MAX);
        assert!(Saying::Note { text: text.clone() }.faults().is_empty());
        assert_eq!(Saying::Note { text: text + "x" }.faults().len(), 1);
        assert_eq!(Saying::AbandonedBranch { steps: vec![0], text: "x".to_owned() }.faults().len(), 1);
        assert_eq!(Saying::Context { origin: "o".repeat(1025), text: "x".to_owned() }.faults().len(), 1);
    }
}
