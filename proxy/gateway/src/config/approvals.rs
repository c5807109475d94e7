//! What is configured of approvals, given meaning: how long, how many, and who may give which grant.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pdp::approval::{Approvers, GrantRule, GrantRules};
use pdp::fault::{Fault, SourceFile};
use toml::Spanned;

use super::written::{ApprovalsTable, GrantTable};
use super::{Known, Role};
use crate::approvals::{Bounds, Settings};

/// What stands before a team's name among approvers.
const TEAM: &str = "team:";
/// More persons than this nobody gets together.
const QUORUM_MAX: u32 = 10;

/// Approvals as meant.
pub(super) struct Asking {
    pub(super) settings: Settings,
    pub(super) hold: Duration,
    pub(super) hold_progress: Duration,
}

pub(super) fn meant(
    file: &SourceFile,
    table: &ApprovalsTable,
    principals: &[Known],
    faults: &mut Vec<Fault>,
) -> Asking {
    let mut number = |written: &Option<Spanned<u64>>, name: &str, default: u64, least: u64, most: u64| {
        let (value, at) = written.as_ref().map_or((default, 0), |w| (*w.get_ref(), w.span().start));
        if !(least..=most).contains(&value) {
            faults.push(Fault::at(file, at, format!("`{name}` cannot be {value}"), format!("use {least} to {most}")));
        }
        value
    };
    let hold = number(&table.hold_s, "hold_s", 45, 0, 3600);
    let hold_progress = number(&table.hold_progress_s, "hold_progress_s", 540, 0, 86_400);
    let pending = number(&table.pending_s, "pending_s", 3600, 1, 2_592_000);
    let granted = number(&table.granted_s, "granted_s", 600, 1, 86_400);
    let refused = number(&table.refused_s, "refused_s", 3600, 0, 2_592_000);
    let all = number(&table.pending_max, "pending_max", 10_000, 1, 100_000);
    let principal = number(&table.pending_per_principal_max, "pending_per_principal_max", 50, 1, 100_000);
    let task = number(&table.pending_per_task_max, "pending_per_task_max", 20, 1, 100_000);
    let rules = table.grants.iter();
    let rules: BTreeMap<String, GrantRule> =
        rules.map(|(name, grant)| (name.clone(), rule(file, name, grant, principals, faults))).collect();
    let micros = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000_000);
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    Asking {
        settings: Settings {
            pending_us: micros(pending),
            granted_us: micros(granted),
            refused_us: micros(refused),
            bounds: Bounds { all: count(all), principal: count(principal), task: count(task) },
            rules: GrantRules::new(rules),
        },
        hold: Duration::from_secs(hold),
        hold_progress: Duration::from_secs(hold_progress),
    }
}

fn rule(
    file: &SourceFile,
    name: &str,
    written: &Spanned<GrantTable>,
    principals: &[Known],
    faults: &mut Vec<Fault>,
) -> GrantRule {
    let (table, at) = (written.get_ref(), written.span().start);
    let quorum = table.quorum.unwrap_or(1);
    if !(1..=QUORUM_MAX).contains(&quorum) {
        let words = format!("the quorum of `{name}` cannot be {quorum}");
        faults.push(Fault::at(file, at, words, format!("use 1 to {QUORUM_MAX}")));
    }
    let approvers = table.approvers.as_ref().map(|listed| {
        let mut approvers = Approvers::default();
        for word in listed {
            match meaning(word.get_ref(), principals) {
                Ok(Named::Principal(key)) => drop(approvers.principals.insert(key)),
                Ok(Named::Team(team)) => drop(approvers.teams.insert(team)),
                Err((words, remedy)) => faults.push(Fault::at(file, word.span().start, words, remedy)),
            }
        }
        approvers
    });
    let rule = GrantRule { quorum, approvers, step_up: table.step_up, owner: table.owner };
    if let Some(few) = too_few(&rule, principals) {
        let words = format!("`{name}` needs {quorum} different persons, and only {few} may give it");
        faults.push(Fault::at(file, at, words, "name more approvers, or lower the quorum"));
    }
    rule
}

enum Named {
    Principal(String),
    Team(String),
}

/// Whom an approver's name means; else what is wrong with it, and what to do.
fn meaning(word: &str, principals: &[Known]) -> Result<Named, (String, &'static str)> {
    let decides = |known: &&Known| known.role >= Some(Role::Approver);
    if let Some(team) = word.strip_prefix(TEAM) {
        let of = |known: &&Known| known.principal.teams.iter().any(|one| one == team);
        return match principals.iter().filter(decides).find(of) {
            Some(_) => Ok(Named::Team(team.to_owned())),
            None => {
                let words = format!("no principal with the role `approver` is in the team `{team}`");
                Err((words, "put the team into the `teams` of one that has it"))
            }
        };
    }
    let key = if word.contains('/') { word.to_owned() } else { format!("default/{word}") };
    match principals.iter().find(|known| known.principal.key() == key) {
        Some(known) if decides(&known) => Ok(Named::Principal(key)),
        Some(_) => Err((format!("`{word}` has not got the role `approver`"), "add it to the `roles` of the principal")),
        None => Err((
            format!("there is no principal `{word}`"),
            "name one of `[[principals]]`, as `agent` or `tenant/agent`, or a team as `team:NAME`",
        )),
    }
}

/// How many persons may give a grant, where that is fewer than must.
fn too_few(rule: &GrantRule, principals: &[Known]) -> Option<usize> {
    let listed = rule.approvers.as_ref()?;
    let may = |known: &&Known| {
        let principal = &known.principal;
        let named = listed.principals.contains(&principal.key());
        known.role >= Some(Role::Approver) && (named || principal.teams.iter().any(|team| listed.teams.contains(team)))
    };
    let person = |known: &Known| {
        let who = &known.principal;
        if who.user.is_empty() { (who.key(), true) } else { (format!("{}/{}", who.tenant, who.user), false) }
    };
    let persons: BTreeSet<(String, bool)> = principals.iter().filter(may).map(person).collect();
    let enough = usize::try_from(rule.quorum).is_ok_and(|quorum| persons.len() >= quorum);
    // Whom the agent acts for may give it beside them.
    (!enough && !rule.owner).then_some(persons.len())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use std::path::Path;

    use pdp::fault::SourceFile;

    use crate::config::{Config, Overrides};

    fn meant(text: &str) -> Result<Config, Vec<String>> {
        let person = |agent: &str, rest: &str| {
            let token = agent.get(..1).unwrap().repeat(64);
            format!("[[principals]]\nagent = \"{agent}\"\ntoken_sha256 = \"{token}\"\n{rest}\n")
        };
        let people = [
            person("alice", "roles = [\"approver\"]\nteams = [\"sec\"]"),
            person("bob", "roles = [\"admin\"]"),
            person("claude", ""),
        ];
        let file = SourceFile { path: "gate.toml".into(), text: format!("{text}\n{}", people.concat()) };
        let config = Config::meant(&file, Path::new("/nowhere"), &Overrides::default());
        config.map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn nothing_written_is_a_whole_configuration() {
        let config = meant("").unwrap();
        assert_eq!((config.hold.as_secs(), config.hold_progress.as_secs()), (45, 540));
        let settings = config.approvals;
        assert_eq!((settings.pending_us, settings.granted_us), (3_600_000_000, 600_000_000));
        assert_eq!((settings.rules.of("any").quorum, settings.rules.of("any").approvers.is_none()), (1, true));
    }

    #[test]
    fn grants_name_their_approvers() {
        let config = meant(
            "[approvals]\nhold_s = 0\n[approvals.grants.security]\nquorum = 2\napprovers = [\"default/bob\", \"team:sec\"]\n\
             step_up = true\n[approvals.grants.owner]\nowner = true\n",
        );
        let rules = config.unwrap().approvals.rules;
        let security = rules.of("security");
        assert!(security.quorum == 2 && security.step_up && !security.owner);
        assert!(security.approvers.as_ref().unwrap().principals.contains("default/bob"));
        assert!(rules.of("owner").owner && rules.names().count() == 2);
    }

    #[test]
    fn every_fault_is_told_at_once_with_its_line() {
        let text = "[approvals]\npending_s = 0\npending_max = 0\n[approvals.grants.a]\nquorum = 0\n\
                    approvers = [\"carol\", \"claude\", \"team:x\"]\n[approvals.grants.b]\nquorum = 3\napprovers = [\"alice\", \"team:sec\", \"bob\"]\n";
        let told = meant(text).unwrap_err();
        let expected = [
            "gate.toml:2:13: `pending_s` cannot be 0",
            "gate.toml:3:15: `pending_max` cannot be 0",
            "gate.toml:4:1: the quorum of `a` cannot be 0",
            "gate.toml:6:14: there is no principal `carol`",
            "gate.toml:6:23: `claude` has not got the role `approver`",
            "gate.toml:6:33: no principal with the role `approver` is in the team `x`",
            "gate.toml:7:1: `b` needs 3 different persons, and only 2 may give it",
        ];
        assert_eq!(told.len(), expected.len(), "{told:#?}");
        for (one, start) in told.iter().zip(expected) {
            assert!(one.starts_with(start), "{one}\n{start}");
        }
    }
}
