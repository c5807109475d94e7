//! The halt switches: for one task, one principal, one server, or everything. Thrown and lifted by operators, read live by
//! the pipeline before a call goes on and again before it acts.
//!
//! They lie in a file of the data directory, so that a gate that is started again is as halted as the one before it. A
//! switch that cannot be written is thrown all the same; one cannot be lifted unless that is written.

use std::fmt;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use pdp::principal::Principal;
use pep::ports::Halt;
use serde::{Deserialize, Serialize};

/// How many switches may be on. Whoever needs more halts everything.
const SWITCHES_MAX: usize = 1000;
/// How many characters of a reason are kept.
pub(crate) const REASON_CHARS_MAX: usize = 500;

/// What a switch halts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "kind", content = "name", rename_all = "snake_case")]
pub enum Halted {
    /// Every call.
    Everything,
    /// The calls of one task and of those that were handed on from it, by its id.
    Task(String),
    /// The calls of one agent, as `tenant/agent`.
    Principal(String),
    /// The calls to one server, by its name.
    Server(String),
}

impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Everything => f.write_str("everything"),
            Self::Task(id) => write!(f, "the task `{id}`"),
            Self::Principal(key) => write!(f, "the agent `{key}`"),
            Self::Server(name) => write!(f, "the server `{name}`"),
        }
    }
}

impl Halted {
    /// Whether it halts calls of every tenant.
    fn is_wide(&self) -> bool {
        match self {
            Self::Everything | Self::Server(_) => true,
            Self::Task(_) | Self::Principal(_) => false,
        }
    }
}

/// What the ledger is told of a switch: what it halts first.
pub(crate) fn event_words(switch: &Switch) -> String {
    let Switch { halts, reason, .. } = switch;
    format!("{halts}: {}", if reason.is_empty() { "no reason given" } else { reason })
}

/// Whether these words of the ledger are of a switch that halts calls of every tenant.
pub(crate) fn words_are_wide(words: &str) -> bool {
    let wide = [Halted::Everything, Halted::Server(String::new())];
    wide.iter().filter(|halted| halted.is_wide()).any(|halted| {
        let told = halted.to_string();
        words.starts_with(told.trim_end_matches('`'))
    })
}

/// A switch that is on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Switch {
    /// What it halts.
    pub halts: Halted,
    /// Why, in the words of whoever threw it; the agent is told them.
    pub reason: String,
    /// Who threw it: a principal's key.
    pub by: String,
    /// When, in microseconds since 1970-01-01T00:00Z.
    pub at_us: i64,
}

impl Switch {
    /// A switch, with as much of the reason as is kept, told and recorded: 500 characters.
    #[must_use]
    pub fn new(halts: Halted, reason: &str, by: String, at_us: i64) -> Self {
        Self { halts, reason: reason.chars().take(REASON_CHARS_MAX).collect(), by, at_us }
    }
}

/// Every switch that is on.
#[derive(Debug)]
pub struct Halts {
    path: PathBuf,
    on: ArcSwap<Vec<Switch>>,
    /// Held while the switches are changed: of two changes none may be lost.
    changing: Mutex<()>,
}

/// Why switches could not be read, thrown or lifted.
#[derive(Debug, thiserror::Error)]
pub enum HaltFault {
    /// The file cannot be read. Nobody knows what was halted, so the gate does not start.
    #[error(
        "the halt switches in {} cannot be read ({why}), and what was halted must stay so; mend the file, or remove it to \
         lift every switch",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {why}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Too many are on.
    #[error("{SWITCHES_MAX} switches are on; lift some, or halt everything")]
    TooMany,
}

impl Halts {
    /// The switches that were on when the gate was last up. None where it never was.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn open(data: &Path) -> Result<Self, HaltFault> {
        let path = data.join("halts.json");
        let unreadable = |why: String| HaltFault::Unreadable { path: path.clone(), why };
        let on = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(e) => return Err(unreadable(e.to_string())),
        };
        Ok(Self { path, on: ArcSwap::from_pointee(on), changing: Mutex::default() })
    }

    /// Every switch that is on, the earliest first.
    #[must_use]
    pub fn on(&self) -> Arc<Vec<Switch>> {
        self.on.load_full()
    }

    /// Throws a switch. It counts from now on, in the place of one that was on for the same.
    ///
    /// # Errors
    /// When too many are on, and then it is not on; or when it cannot be written, and then it is on until the gate ends.
    pub fn throw(&self, switch: Switch) -> Result<(), HaltFault> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut on = Vec::clone(&self.on.load());
        on.retain(|other| other.halts != switch.halts);
        // Everything can always be halted.
        if on.len() >= SWITCHES_MAX && switch.halts != Halted::Everything {
            return Err(HaltFault::TooMany);
        }
        on.push(switch);
        self.on.store(Arc::new(on.clone()));
        self.write(&on)
    }

    /// Lifts a switch. Answers it, or nothing where it is not on.
    ///
    /// # Errors
    /// When it cannot be written; then it is still on.
    pub fn lift(&self, halts: &Halted) -> Result<Option<Switch>, HaltFault> {
        let _one_at_a_time = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let (lifted, left): (Vec<Switch>, Vec<Switch>) =
            Vec::clone(&self.on.load()).into_iter().partition(|switch| switch.halts == *halts);
        let Some(switch) = lifted.into_iter().next() else { return Ok(None) };
        self.write(&left)?;
        self.on.store(Arc::new(left));
        Ok(Some(switch))
    }

    /// Writes the file whole, beside the old one, and puts it in its place.
    fn write(&self, on: &[Switch]) -> Result<(), HaltFault> {
        let unwritable = |e: std::io::Error| HaltFault::Unwritable { path: self.path.clone(), why: e.to_string() };
        let beside = self.path.with_extension("json.new");
        let written = || {
            if let Some(folder) = self.path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let mut file =
                std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
            file.write_all(serde_json::to_string_pretty(on)?.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&beside, &self.path)?;
            self.path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
        };
        written().map_err(unwritable)
    }
}

impl Halt for Halts {
    fn reason(&self, principal: &Principal, task: &str, server: &str) -> Option<String> {
        let on = self.on.load();
        let halts = |switch: &&Switch| match &switch.halts {
            Halted::Everything => true,
            Halted::Task(id) => id == task,
            Halted::Principal(key) => {
                key.split_once('/') == Some((principal.tenant.as_str(), principal.agent.as_str()))
            }
            Halted::Server(name) => name == server,
        };
        on.iter().find(halts).map(told)
    }
}

/// What the agent is told of a switch.
fn told(switch: &Switch) -> String {
    let Switch { halts, reason, .. } = switch;
    if reason.is_empty() { format!("{halts}, by an operator") } else { format!("{halts}, by an operator: {reason}") }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn switch(halts: Halted) -> Switch {
        Switch { halts, reason: "an incident".into(), by: "default/operator".into(), at_us: 7 }
    }

    fn principal(tenant: &str, agent: &str) -> Principal {
        Principal {
            agent: agent.into(),
            teams: vec![],
            user: String::new(),
            tenant: tenant.into(),
            method: "token".into(),
        }
    }

    #[test]
    fn each_switch_halts_what_it_names_and_nothing_else() {
        let ada = principal("default", "ada");
        for (halts, halted, free) in [
            (Halted::Task("t1".into()), (&ada, "t1", "office"), (&ada, "t2", "office")),
            (
                Halted::Principal("default/ada".into()),
                (&ada, "t1", "office"),
                (&principal("other", "ada"), "t1", "office"),
            ),
            (Halted::Server("office".into()), (&ada, "t1", "office"), (&ada, "t1", "office2")),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let halts_all = Halts::open(folder.path()).unwrap();
            let asked = |(p, t, s): (&Principal, &str, &str)| halts_all.reason(p, t, s);
            assert_eq!(asked(halted), None);
            halts_all.throw(switch(halts.clone())).unwrap();
            assert_eq!(asked(halted), Some(format!("{halts}, by an operator: an incident")));
            assert_eq!(asked(free), None, "{halts}");
            halts_all.throw(switch(Halted::Everything)).unwrap();
            assert!(asked(free).is_some());
            assert_eq!(halts_all.lift(&Halted::Everything).unwrap(), Some(switch(Halted::Everything)));
            assert_eq!(asked(free), None);
        }
    }

    #[test]
    fn the_ledgers_words_say_whether_every_tenant_is_halted() {
        for (halted, wide) in [
            (Halted::Everything, true),
            (Halted::Server("office".into()), true),
            (Halted::Task("everything".into()), false),
            (Halted::Principal("acme/the server".into()), false),
        ] {
            assert_eq!(
                (halted.is_wide(), words_are_wide(&event_words(&switch(halted.clone())))),
                (wide, wide),
                "{halted}"
            );
        }
        assert!(!words_are_wide("a task stopped") && !words_are_wide(""));
    }

    #[test]
    fn a_switch_stays_on_when_the_gate_is_started_again_and_off_when_it_was_lifted() {
        let folder = tempfile::tempdir().unwrap();
        let first = Halts::open(folder.path()).unwrap();
        first.throw(switch(Halted::Server("office".into()))).unwrap();
        first.throw(switch(Halted::Everything)).unwrap();
        let again = Halts::open(folder.path()).unwrap();
        assert_eq!(again.on(), first.on());
        assert_eq!(again.lift(&Halted::Task("none".into())).unwrap(), None);
        again.lift(&Halted::Everything).unwrap();
        assert_eq!(*Halts::open(folder.path()).unwrap().on(), [switch(Halted::Server("office".into()))]);
    }

    #[test]
    fn a_switch_is_thrown_where_it_cannot_be_written_and_then_not_lifted() {
        let folder = tempfile::tempdir().unwrap();
        let halts = Halts::open(folder.path()).unwrap();
        // A directory in the place of the file: no name can be put there.
        std::fs::create_dir_all(folder.path().join("halts.json/in-the-way")).unwrap();
        assert!(matches!(halts.throw(switch(Halted::Everything)), Err(HaltFault::Unwritable { .. })));
        assert!(halts.reason(&principal("default", "ada"), "t", "s").is_some());
        assert!(matches!(halts.lift(&Halted::Everything), Err(HaltFault::Unwritable { .. })));
        assert!(halts.reason(&principal("default", "ada"), "t", "s").is_some());
    }

    #[test]
    fn a_gate_whose_switches_cannot_be_read_does_not_start() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("halts.json"), "[{").unwrap();
        let words = Halts::open(folder.path()).unwrap_err().to_string();
        assert!(words.contains("halts.json") && words.contains("mend the file"), "{words}");
    }

    #[test]
    fn past_the_bound_only_everything_can_be_halted() {
        let folder = tempfile::tempdir().unwrap();
        let halts = Halts::open(folder.path()).unwrap();
        halts.on.store(Arc::new((0..SWITCHES_MAX).map(|n| switch(Halted::Task(format!("t{n}")))).collect()));
        assert!(matches!(halts.throw(switch(Halted::Task("one more".into()))), Err(HaltFault::TooMany)));
        halts.throw(switch(Halted::Everything)).unwrap();
        assert_eq!(halts.on().len(), SWITCHES_MAX + 1);
    }
}
