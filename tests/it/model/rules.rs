//! Policies: chosen by chance, written in Cedar, and judged here by reading them word for word. Not by Cedar.
//!
//! The semantics are those of the design's third section: nothing is allowed that no permit names, a forbid wins, a policy
//! that errs denies, an approval can only switch off the forbid that names it.

use std::collections::BTreeSet;

use super::condition::{Condition, Erred, Facts};
use super::dice::Dice;
use super::law::{EFFECTS, GRANTS, Law, SERVERS};
use super::methods;

/// Whom a policy is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Who {
    Anybody,
    Team(&'static str),
    Agent(&'static str),
}

/// What it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    Anything,
    /// A group of actions.
    Groups(Vec<&'static str>),
    /// A tool, by server and name.
    Tool(&'static str, &'static str),
    /// A method, by its action.
    Method(&'static str),
}

/// Where.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Place {
    Anywhere,
    Server(&'static str),
    System(&'static str),
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    id: String,
    permits: bool,
    who: Who,
    what: What,
    place: Place,
    when: Vec<Condition>,
    unless: Vec<Condition>,
    approval: Option<&'static str>,
    quotes: bool,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Reason {
    NoPermit,
    Forbidden,
    Unjudgeable,
    Fault,
}

/// What is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Allow { quoted: bool },
    Escalate(BTreeSet<&'static str>),
    Deny(Reason),
}

/// What is decided, and the rules that spoke.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    pub(super) rules: BTreeSet<String>,
}

impl Judgement {
    fn silent(reason: Reason) -> Self {
        Self { verdict: Verdict::Deny(reason), rules: BTreeSet::new() }
    }

    fn rank(&self) -> u8 {
        match self.verdict {
            Verdict::Allow { .. } => 0,
            Verdict::Escalate(_) => 1,
            Verdict::Deny(_) => 2,
        }
    }

    /// Of two judgements about one message the stricter holds; of two alike, both.
    pub(super) fn and(self, other: Self) -> Self {
        if self.rank() != other.rank() {
            return if self.rank() > other.rank() { self } else { other };
        }
        let rules = self.rules.into_iter().chain(other.rules).collect();
        let verdict = match (self.verdict, other.verdict) {
            (Verdict::Allow { quoted: one }, Verdict::Allow { quoted: two }) => Verdict::Allow { quoted: one || two },
            (Verdict::Escalate(one), Verdict::Escalate(two)) => Verdict::Escalate(one.union(&two).copied().collect()),
            (first, _) => first,
        };
        Self { verdict, rules }
    }
}

/// Judges one question under these rules, with these grants held.
pub(super) fn judge(rules: &[Rule], facts: &Facts<'_>, held: &BTreeSet<&'static str>) -> Judgement {
    if facts.is_unjudgeable() {
        return Judgement::silent(Reason::Unjudgeable);
    }
    if held.iter().any(|grant| !GRANTS.contains(grant)) {
        return Judgement::silent(Reason::Fault);
    }
    let mut permits = Vec::new();
    let mut forbids = Vec::new();
    for rule in rules.iter().filter(|rule| rule.is_about(facts)) {
        match rule.applies(facts, held) {
            Err(Erred) => return Judgement::silent(Reason::Fault),
            Ok(false) => {}
            Ok(true) if rule.permits => permits.push(rule),
            Ok(true) => forbids.push(rule),
        }
    }
    let named = |spoke: &[&Rule]| spoke.iter().map(|rule| rule.id.clone()).collect();
    if forbids.is_empty() {
        if permits.is_empty() {
            return Judgement::silent(Reason::NoPermit);
        }
        let quoted = permits.iter().any(|rule| rule.quotes);
        return Judgement { verdict: Verdict::Allow { quoted }, rules: named(&permits) };
    }
    let lifted: Option<BTreeSet<&str>> = forbids.iter().map(|rule| rule.approval).collect();
    let verdict = match lifted {
        // With those grants every forbid that spoke would be silent; whether it were allowed is the permits' to say.
        Some(grants) if !permits.is_empty() => Verdict::Escalate(grants),
        Some(_) | None => Verdict::Deny(Reason::Forbidden),
    };
    Judgement { verdict, rules: named(&forbids) }
}

impl Rule {
    fn is_about(&self, facts: &Facts<'_>) -> bool {
        let who = match self.who {
            Who::Anybody => true,
            Who::Team(team) => facts.person.teams.contains(&team),
            Who::Agent(agent) => facts.person.entity == agent,
        };
        let what = match &self.what {
            What::Anything => true,
            What::Groups(groups) => groups.iter().any(|group| facts.groups().contains(group)),
            What::Tool(server, tool) => facts.is_tool(server, tool),
            What::Method(action) => facts.is_action(action),
        };
        let place = match self.place {
            Place::Anywhere => true,
            Place::Server(server) => facts.server.name == server,
            // A server whose file names no system is one of its own.
            Place::System(system) => facts.server.system.unwrap_or(facts.server.name) == system,
        };
        who && what && place
    }

    fn applies(&self, facts: &Facts<'_>, held: &BTreeSet<&'static str>) -> Result<bool, Erred> {
        for condition in &self.when {
            if !condition.holds(facts)? {
                return Ok(false);
            }
        }
        for condition in &self.unless {
            if condition.holds(facts)? {
                return Ok(false);
            }
        }
        Ok(!self.approval.is_some_and(|grant| held.contains(grant)))
    }

    /// The policy as an author writes it.
    pub(super) fn text(&self) -> String {
        let mut out = format!("@id(\"{}\") @reason(\"because of {}\")", self.id, self.id);
        if let Some(grant) = self.approval {
            out.push_str(&format!(" @approval(\"{grant}\")"));
        }
        if self.quotes {
            out.push_str(" @obligation(\"quote\")");
        }
        out.push_str(if self.permits { "\npermit (" } else { "\nforbid (" });
        out.push_str(&match self.who {
            Who::Anybody => "principal, ".to_owned(),
            Who::Team(team) => format!("principal in Gate::Team::\"{team}\", "),
            Who::Agent(agent) => format!("principal == Gate::Agent::\"{agent}\", "),
        });
        out.push_str(&match &self.what {
            What::Anything => "action, ".to_owned(),
            What::Groups(groups) => {
                let groups: Vec<_> = groups.iter().map(|group| format!("Gate::Action::\"{group}\"")).collect();
                format!("action in [{}], ", groups.join(", "))
            }
            What::Tool(server, tool) => format!("action == {server}::Action::\"{tool}\", "),
            What::Method(action) => format!("action == Gate::Action::\"{action}\", "),
        });
        out.push_str(&match self.place {
            Place::Anywhere => "resource)".to_owned(),
            Place::Server(server) => format!("resource == Gate::Server::\"{server}\")"),
            Place::System(system) => format!("resource in Gate::System::\"{system}\")"),
        });
        for (word, conditions) in [("when", &self.when), ("unless", &self.unless)] {
            for condition in conditions {
                out.push_str(&format!("\n{word} {{ {} }}", condition.text()));
            }
        }
        out + ";\n"
    }
}

/// Policies for a law, by chance: often the usual permits, so that much is allowed, and then anything.
pub(super) fn any(dice: &mut Dice, law: &Law) -> Vec<Rule> {
    let mut rules = Vec::new();
    for (id, group, percent) in [("lifecycle", "lifecycle", 95), ("features", "feature", 85), ("calls", "call", 88)] {
        if dice.percent(percent) {
            let what = What::Groups(vec![group]);
            rules.push(Rule { id: id.to_owned(), permits: true, what, ..Rule::plain() });
        }
    }
    for number in 0..2 + dice.below(9) {
        rules.push(rule(dice, law, format!("rule-{number}")));
    }
    rules
}

impl Rule {
    fn plain() -> Self {
        Self {
            id: String::new(),
            permits: false,
            who: Who::Anybody,
            what: What::Anything,
            place: Place::Anywhere,
            when: Vec::new(),
            unless: Vec::new(),
            approval: None,
            quotes: false,
        }
    }
}

fn rule(dice: &mut Dice, law: &Law, id: String) -> Rule {
    let permits = dice.percent(30);
    let who = match dice.below(6) {
        0 => Who::Team(dice.one(&["staff", "guests", "ghosts"])),
        1 => Who::Agent(dice.one(&["ann", "bob", "other/eve", "eve"])),
        _ => Who::Anybody,
    };
    let what = what(dice, law);
    let place = match dice.below(6) {
        0 => Place::Server(dice.one(&SERVERS)),
        1 => Place::System(dice.one(&["Ledger", "Archive", "alpha"])),
        _ => Place::Anywhere,
    };
    let form = match what {
        What::Tool(server, tool) => law.server(server).and_then(|server| server.tool(tool)).map(|tool| tool.form),
        What::Anything | What::Groups(_) | What::Method(_) => None,
    };
    let is_method = matches!(what, What::Method(_));
    // A forbid without a condition closes much: fewer of those.
    let several = if permits { dice.below(2) } else { usize::from(dice.percent(85)) + dice.below(2) };
    let mut conditions = |several| (0..several).map(|_| Condition::any(dice, form, is_method, 2)).collect();
    let when = conditions(several);
    let unless = conditions(usize::from(several > 1));
    let approval = (!permits && dice.percent(70)).then(|| dice.one(&GRANTS));
    Rule { id, permits, who, what, place, when, unless, approval, quotes: permits && dice.percent(25) }
}

fn what(dice: &mut Dice, law: &Law) -> What {
    let server = dice.below(law.servers.len());
    let reviewed: Vec<_> = law.servers[server].tools.iter().filter(|tool| tool.reviewed).collect();
    // An effect that no tool has is no group that anything is in.
    let had: BTreeSet<&str> =
        law.servers.iter().flat_map(|s| &s.tools).filter(|t| t.reviewed).flat_map(|t| &t.effects).copied().collect();
    let effects: Vec<&str> = EFFECTS.into_iter().filter(|effect| had.contains(effect)).collect();
    match dice.below(10) {
        0 => What::Anything,
        1..=5 if !reviewed.is_empty() => What::Tool(law.servers[server].name, dice.one(&reviewed).name),
        6 if !effects.is_empty() => What::Groups(vec![dice.one(&effects), dice.one(&effects)]),
        7 => What::Groups(vec![dice.one(&["lifecycle", "feature", "resources", "sampling", "logging"])]),
        8 => What::Method("method"),
        _ => What::Method(dice.one(methods::all()).action),
    }
}
