//! What a host or an agent said of a task, in words for the story. Claims: each is headed as one, and nothing here says that
//! it is so. The layout places them.

use pdp::record::{PlanNote, PlanStep, Said, Saying};

use super::{frame, visible};

/// How many characters of what was said are shown. `--json` shows all of it.
const SHOWN: usize = 2000;

/// What stands at the right edge of a claim's head.
pub(super) const VERDICT: &str = "claimed";

/// Who said what kind of thing, and when.
pub(super) fn title(said: &Said) -> String {
    let call = said.number.map_or_else(String::new, |number| format!(" in #{number}"));
    let by = visible::text(&said.by);
    format!("{}  the {} {by} says{call}: {}", frame::time(said.at_us), said.voice.word(), kind(&said.said))
}

fn kind(said: &Saying) -> &'static str {
    match said {
        Saying::Prompt { .. } => "prompt",
        Saying::Context { .. } => "context",
        Saying::Plan { .. } => "plan",
        Saying::Revision { .. } => "revision of the plan",
        Saying::AbandonedBranch { .. } => "abandoned branch",
        Saying::Note { .. } => "note",
    }
}

/// What was said, as labels and lines.
pub(super) fn lines(said: &Said) -> Vec<(&'static str, String)> {
    let words = |text: &str| ("text", visible::at_most(text, SHOWN));
    match &said.said {
        Saying::Prompt { text } | Saying::Note { text } => vec![words(text)],
        Saying::Context { origin, text } => vec![("origin", visible::at_most(origin, SHOWN)), words(text)],
        Saying::Plan { steps } => steps_lines(steps).collect(),
        Saying::Revision { steps, text } => std::iter::once(words(text)).chain(steps_lines(steps)).collect(),
        Saying::AbandonedBranch { steps, text } => {
            let numbers: Vec<String> = steps.iter().map(u32::to_string).collect();
            let given_up = (!steps.is_empty()).then(|| ("gives up", format!("step {}", numbers.join(", "))));
            std::iter::once(words(text)).chain(given_up).collect()
        }
    }
}

fn steps_lines(steps: &[PlanStep]) -> impl Iterator<Item = (&'static str, String)> {
    steps.iter().enumerate().map(|(n, step)| {
        let many = if step.many { ", any number of times" } else { "" };
        let note = if step.note.is_empty() { String::new() } else { format!(": {}", visible::text(&step.note)) };
        ("step", format!("{}. {}{many}{note}", n + 1, visible::text(&step.tool)))
    })
}

/// Which step of the plan a call took, in words.
pub(super) fn step_words(note: &PlanNote) -> String {
    let plan = match note.revision {
        0 => format!("the {}'s plan", note.by.word()),
        1 => format!("the {}'s plan, revised once", note.by.word()),
        times => format!("the {}'s plan, revised {times} times", note.by.word()),
    };
    match note.step {
        Some(step) => {
            let order = if note.out_of_order { ", before steps that stand before it" } else { "" };
            format!("step {step} of {} of {plan}{order}", note.steps)
        }
        None => format!("off plan: no open step of {plan} names it"),
    }
}
