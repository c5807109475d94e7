//! What each agent may do, for people who do not read Cedar: a table of principal, tool and labels, and sentences.
//!
//! Every cell was judged by the decision point, with arguments made up from what policies compare with and what reviewed
//! schemas offer. Where the answer depends on them, the conditions of the policies that spoke are put into words.

mod notes;
mod sentences;
mod told;

use std::collections::BTreeSet;

use pdp::decision::Decision;
use pdp::label::LabelSet;
use pdp::policy::{Facts, TaskFacts};
use pdp::principal::Principal;
use pdp::registry::{Server, Tool};
use pdp::snapshot::Snapshot;
use serde::Serialize;

use super::case::{Asked, Case};
use super::law::{self, Effect, Entity, Law, Written};
use super::{samples, telling, vouched};
pub use told::{markdown, text};

/// What everybody may do.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// The bundle's digest.
    pub snapshot: String,
    /// Those whose tables are the same stand together.
    pub people: Vec<Person>,
    /// How many calls were judged.
    pub judged: usize,
}

/// Somebody, or several who may do the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Person {
    /// Who.
    pub who: Vec<String>,
    /// What they may do, in words.
    pub sentences: Vec<String>,
    /// The sets of labels that make a difference: the table's columns.
    pub labels: Vec<BTreeSet<String>>,
    /// One row per tool.
    pub rows: Vec<Row>,
    /// Conditions on arguments; cells name them by their number, from 1.
    pub notes: Vec<String>,
}

impl Person {
    /// Whether another may do exactly the same, told in the same words.
    fn may_the_same(&self, other: &Self) -> bool {
        self.rows == other.rows
            && self.notes == other.notes
            && self.labels == other.labels
            && self.sentences == other.sentences
    }
}

/// What somebody may do with one tool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The server.
    pub server: String,
    /// The tool.
    pub tool: String,
    /// One cell per set of labels.
    pub cells: Vec<Cell>,
}

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// The mildest decision that some arguments lead to: `allow`, `ask security`, `deny`; else [`NOT_TRIED`].
    pub answer: String,
    /// The number of the condition on arguments, where others lead to another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<usize>,
}

/// The answer where no arguments could be made up: it says nothing of what would be decided.
pub const NOT_TRIED: &str = "not tried";

/// Sums up what these principals may do.
#[must_use]
pub fn summary(snapshot: &Snapshot, law: &Law, principals: &[Principal]) -> Summary {
    let whole = summary_while(snapshot, law, principals, &mut || true);
    whole.unwrap_or_else(|| Summary { snapshot: snapshot.digest().to_string(), people: Vec::new(), judged: 0 })
}

/// The same for as long as `go_on` says so, which is asked before each tool. Nothing where it said no.
#[must_use]
pub fn summary_while(
    snapshot: &Snapshot,
    law: &Law,
    principals: &[Principal],
    go_on: &mut dyn FnMut() -> bool,
) -> Option<Summary> {
    let sets = samples::subsets(&law.labels());
    let mut people: Vec<Person> = Vec::new();
    let mut judged = 0;
    for principal in principals {
        let mut notes = Vec::new();
        let mut rows = Vec::new();
        for (server, tool) in tools(snapshot) {
            if !go_on() {
                return None;
            }
            let arguments = samples::arguments(tool, &samples::compared(&[law], server, tool));
            let subject = Subject { snapshot, law, principal, server, tool };
            let cells = sets.iter().map(|labels| {
                judged += arguments.len();
                subject.cell(labels, &arguments, &mut notes)
            });
            rows.push(Row { server: server.name.clone(), tool: tool.name.clone(), cells: cells.collect() });
        }
        let mut person = Person {
            who: vec![telling::who(principal)],
            sentences: sentences::of(snapshot, principal, &sets, &rows, &notes),
            labels: sets.clone(),
            rows,
            notes,
        };
        narrow(&mut person);
        match people.iter_mut().find(|other| other.may_the_same(&person)) {
            Some(same) => same.who.append(&mut person.who),
            None => people.push(person),
        }
    }
    Some(Summary { snapshot: snapshot.digest().to_string(), people, judged })
}

/// Every tool that can be called.
fn tools(snapshot: &Snapshot) -> impl Iterator<Item = (&Server, &Tool)> {
    let servers = snapshot.registry().servers.values();
    servers.flat_map(|server| {
        server.tools.values().filter(|tool| tool.withheld.is_none()).map(|tool| (&**server, &**tool))
    })
}

/// Takes out the columns that say nothing new: where each cell is one that a smaller set of labels has already.
fn narrow(person: &mut Person) {
    let says: Vec<bool> = (0..person.labels.len())
        .map(|n| {
            person.labels.get(n).is_some_and(|set| set.len() <= 1)
                || person.rows.iter().any(|row| !is_implied(&person.labels, &row.cells, n))
        })
        .collect();
    let keep = |n: &usize| says.get(*n).copied().unwrap_or(true);
    let kept = |n: usize| keep(&n);
    person.labels = person.labels.iter().enumerate().filter(|(n, _)| kept(*n)).map(|(_, set)| set.clone()).collect();
    for row in &mut person.rows {
        row.cells = row.cells.iter().enumerate().filter(|(n, _)| kept(*n)).map(|(_, cell)| cell.clone()).collect();
    }
}

/// Whether a cell is what a reader expects: the strictest of those with a label fewer. Data read only adds to what was read.
pub(super) fn is_implied(sets: &[BTreeSet<String>], cells: &[Cell], n: usize) -> bool {
    let (Some(set), Some(cell)) = (sets.get(n), cells.get(n)) else { return true };
    let strict = |cell: &Cell| match cell.answer.strip_prefix("ask ") {
        Some(grants) => (1, grants.split('+').count(), cell.note.is_some()),
        None if cell.answer == "deny" => (2, 0, false),
        None if cell.answer == NOT_TRIED => (3, 0, false),
        None => (0, 0, cell.note.is_some()),
    };
    let smaller = sets.iter().zip(cells).filter(|(other, _)| other.len() + 1 == set.len() && other.is_subset(set));
    let strictest = smaller.map(|(_, other)| other).max_by_key(|other| strict(other));
    strictest.is_some_and(|strictest| strictest == cell)
}

/// One tool asked for by somebody.
struct Subject<'a> {
    snapshot: &'a Snapshot,
    law: &'a Law,
    principal: &'a Principal,
    server: &'a Server,
    tool: &'a Tool,
}

impl Subject<'_> {
    fn cell(&self, labels: &BTreeSet<String>, arguments: &[String], notes: &mut Vec<String>) -> Cell {
        let labels: LabelSet = labels.iter().map(String::as_str).collect();
        let mut answers = Vec::new();
        for arguments in arguments {
            let facts = Facts {
                labels: labels.clone(),
                grants: BTreeSet::new(),
                task: TaskFacts::of("task"),
                calls: 1,
                now_ms: samples::NOW_MS,
                ..Facts::default()
            };
            let asked = Asked::Tool { name: self.tool.name.clone(), arguments: arguments.clone() };
            let case = Case { principal: self.principal.clone(), server: self.server.name.clone(), asked, facts };
            // What the agent can do by itself: with values that the user did not give.
            let strictest = vouched::ways(&case, self.snapshot).into_iter().next();
            answers.extend(strictest.and_then(|case| case.judge(self.snapshot).ok()));
        }
        let mildest = answers.iter().map(|judgement| rank(&judgement.decision)).min();
        let best = answers.iter().find(|judgement| Some(rank(&judgement.decision)) == mildest);
        let answer = best.map_or_else(|| NOT_TRIED.to_owned(), |judgement| telling::decision(&judgement.decision));
        let condition = match best {
            Some(_) => notes::condition(self.law, &self.permits(), &answers),
            None => Some("no arguments could be made up that fit its schema: try it with `policy explain`".to_owned()),
        };
        let note = condition.map(|words| match notes.iter().position(|n| *n == words) {
            Some(known) => known + 1,
            None => {
                notes.push(words);
                notes.len()
            }
        });
        Cell { answer, note }
    }

    /// The permits whose scope fits.
    fn permits(&self) -> Vec<&Written> {
        let (action, above) = law::tool_action(self.server, self.tool);
        let teams = self.principal.teams.iter().map(|team| Entity { kind: "Gate::Team".to_owned(), id: team.clone() });
        let (who, teams) =
            (Entity { kind: "Gate::Agent".to_owned(), id: self.principal.agent.clone() }, teams.collect());
        let permits = self.law.iter().filter(|policy| policy.effect == Effect::Permit);
        permits.filter(|policy| policy.action.fits(&action, &above) && policy.principal.fits(&who, &teams)).collect()
    }
}

/// How far a decision is from an allowance.
pub(super) fn rank(decision: &Decision) -> (u8, usize) {
    match decision {
        Decision::Allow(_) => (0, 0),
        Decision::Escalate(grants) => (1, grants.len()),
        Decision::Deny(_) => (2, 0),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use serde_json::json;

    use super::*;

    #[test]
    fn a_tool_that_cannot_be_tried_is_not_told_as_denied() {
        let sources = samples::tests::with_tool(&json!({ "type": "string", "pattern": "^(?=q)q$" }));
        let snapshot = Snapshot::build(&sources).unwrap();
        let law = Law::of(&snapshot, &sources.policies);
        let found = summary(&snapshot, &law, &[samples::somebody("ada", &[])]);
        let ada = found.people.first().unwrap();
        let row = ada.rows.iter().find(|row| row.tool == "ask").unwrap();
        assert!(row.cells.iter().all(|cell| cell.answer == NOT_TRIED), "{row:?}");
        let note = ada.notes.get(row.cells.first().unwrap().note.unwrap() - 1).unwrap();
        assert!(note.starts_with("no arguments could be made up"), "{note}");
        let about: Vec<&String> = ada.sentences.iter().filter(|sentence| sentence.contains("`ask`")).collect();
        assert_eq!(about, ["Not tried, so not known here: `ask` of `odd`."]);
    }
}
