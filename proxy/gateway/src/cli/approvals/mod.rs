//! `wicketgate approvals`: what waits for people on a running gate, shown whole, decided, watched.
//!
//! A decision names what was shown: its digest goes with it, and the gate refuses it if anything is another by then.

mod feed;
mod shown;
mod terminal;
mod view;
mod watch;
#[cfg(test)]
mod tests;

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use pep::ports::Clock as _;
use serde_json::{Map, Value, json};

use super::client::{Credential, Gate, Refused};
use super::{Places, print, told};
use crate::clock::SystemClock;
use crate::config::Config;
use crate::console::Origin;
use crate::story::visible;

/// What an exit code of these commands says.
const CODES: &str = "Exit codes: 0 done; 1 the gate cannot be asked, or refuses for another reason; 2 wrong usage;\n\
3 not decided: it was answered with no, nobody could be asked, or not all of it can be shown any more; 4 it was decided already, or is another by now;\n\
5 not yours to decide; 6 it needs a passkey, in the console; 7 there is no such request.";

#[derive(Debug, Subcommand)]
#[command(after_help = CODES)]
pub(super) enum Approvals {
    /// List what waits
    List {
        /// Which requests
        #[arg(long, value_enum, default_value = "pending")]
        state: Which,
        /// Only those of this task
        #[arg(long, value_name = "ID")]
        task: Option<String>,
        /// Only those of this agent
        #[arg(long, value_name = "NAME")]
        principal: Option<String>,
        /// How many
        #[arg(long, value_name = "N", default_value_t = 1000)]
        limit: u32,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        credential: Credential,
    },
    /// Show one request whole: who, what, the exact arguments and where they come from, why it waits, what came before
    Show {
        /// Its id
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        credential: Credential,
    },
    /// Show a request, ask, and grant it
    Approve {
        /// Its id
        id: String,
        /// A grant to give; all that are yours to give unless said
        #[arg(long = "grant", value_name = "GRANT")]
        grants: Vec<String>,
        /// How many of the same call may run
        #[arg(long, value_name = "N", default_value_t = 1)]
        uses: u32,
        /// A note for the record
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
        #[command(flatten)]
        sure: Sure,
        #[command(flatten)]
        credential: Credential,
    },
    /// Show a request, ask, and refuse it
    Deny {
        /// Its id
        id: String,
        /// Why; the agent is told it
        #[arg(long, value_name = "TEXT")]
        reason: String,
        #[command(flatten)]
        sure: Sure,
        #[command(flatten)]
        credential: Credential,
    },
    /// Watch what waits, as it comes and goes. Keys: up and down move, Enter opens, Esc goes back, q ends
    Watch {
        #[command(flatten)]
        credential: Credential,
    },
}

/// Which requests are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Which {
    /// Those that wait.
    Pending,
    /// Those that were decided.
    Decided,
    /// All.
    All,
}

impl Which {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Decided => "decided",
            Self::All => "all",
        }
    }
}

/// How it is made sure that a decision is meant.
#[derive(Debug, Args)]
pub(super) struct Sure {
    /// Do not ask: decide on what is shown
    #[arg(long)]
    yes: bool,
    /// Decide only if the request has this digest, which `show` printed
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
}

/// Where people reach the console, without a slash at its end.
pub(super) fn console(config: &Config) -> String {
    Origin::new(config.console_url.as_ref(), config.control).base().to_owned()
}

/// Why a command did not do what was asked: the exit code and the words.
#[derive(Debug)]
struct Failed {
    code: u8,
    words: String,
}

impl From<String> for Failed {
    fn from(words: String) -> Self {
        Self { code: 1, words }
    }
}

impl Failed {
    fn of(refused: Refused, page: &str) -> Self {
        let Refused { status, code, words } = refused;
        let (exit, more) = match (status, code.as_str()) {
            (409, "changed") => (4, ": it is not what was shown any more; look at it again with `approvals show`"),
            (409, "decided") => (4, ": somebody or something else was first; nothing was changed"),
            (409, "withheld") => (3, ""),
            (409, "no_passkey" | "no_passkeys_here" | "no_challenge") => {
                return Self { code: 6, words: format!("{words}: open {page}") };
            }
            (428, _) => return Self { code: 6, words: format!("it needs a passkey: open {page}") },
            (403, "own_request") => (5, ": nobody approves their own request"),
            (403, _) => (5, ""),
            (404, _) => (7, ""),
            _ => (1, ""),
        };
        Self { code: exit, words: format!("{words}{more}") }
    }
}

/// Runs one of them.
pub(super) async fn run(places: &Places, asked: &Approvals) -> ExitCode {
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return print::failed(&told(&faults)),
    };
    let credential = match asked {
        Approvals::List { credential, .. }
        | Approvals::Show { credential, .. }
        | Approvals::Approve { credential, .. }
        | Approvals::Deny { credential, .. }
        | Approvals::Watch { credential } => credential,
    };
    let outcome = match Gate::of(&config, credential) {
        Ok(gate) => carried_out(&Desk { gate, console: console(&config), clock: SystemClock::start() }, asked).await,
        Err(words) => Err(words.into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed { code, words }) => {
            print::warned(&words);
            ExitCode::from(code)
        }
    }
}

/// Where somebody decides.
struct Desk {
    gate: Gate,
    console: String,
    clock: SystemClock,
}

impl Desk {
    fn page(&self, id: &str) -> String {
        format!("{}/console/#/approvals/{id}", self.console)
    }

    async fn request(&self, id: &str) -> Result<Value, Failed> {
        let asked = self.gate.asked(&format!("/v1/approvals/{}", segment(id)?), None).await;
        asked.map_err(|refused| Failed::of(refused, &self.page(id)))
    }
}

async fn carried_out(desk: &Desk, asked: &Approvals) -> Result<(), Failed> {
    match asked {
        Approvals::List { state, task, principal, limit, json, .. } => {
            let mut query = url::form_urlencoded::Serializer::new(String::new());
            query.append_pair("state", state.word()).append_pair("limit", &limit.to_string());
            for (name, value) in [("task", task), ("principal", principal)] {
                query.extend_pairs(value.iter().map(|value| (name, value)));
            }
            let all = desk.gate.asked(&format!("/v1/approvals?{}", query.finish()), None).await;
            let all = all.map_err(|refused| Failed::of(refused, &desk.console))?;
            if *json {
                print::json(&all);
            } else {
                print::line(shown::table(shown::list(&all, "/approvals"), desk.clock.now_us()).trim_end());
            }
            Ok(())
        }
        Approvals::Show { id, json, .. } => {
            let request = desk.request(id).await?;
            if *json {
                print::json(&request);
            } else {
                print::line(shown::request(&request, shown::WIDTH, desk.clock.now_us()).trim_end());
            }
            Ok(())
        }
        Approvals::Approve { id, grants, uses, note, sure, .. } => {
            let mut body = Map::from_iter([("uses".to_owned(), json!(uses))]);
            if !grants.is_empty() {
                body.insert("grants".to_owned(), json!(grants));
            }
            body.extend(note.iter().map(|note| ("note".to_owned(), json!(note))));
            decide(desk, id, "approve", body, sure).await
        }
        Approvals::Deny { id, reason, sure, .. } => {
            if reason.trim().is_empty() {
                return Err(Failed { code: 2, words: "say why with --reason: the agent is told it".to_owned() });
            }
            decide(desk, id, "deny", Map::from_iter([("reason".to_owned(), json!(reason))]), sure).await
        }
        Approvals::Watch { .. } => watch::run(desk).await,
    }
}

/// Shows a request, asks whether it is meant, and sends the decision with the digest of what was shown.
async fn decide(desk: &Desk, id: &str, verb: &str, mut body: Map<String, Value>, sure: &Sure) -> Result<(), Failed> {
    let undecided = |words: &str| Failed { code: 3, words: words.to_owned() };
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    if !sure.yes && !terminal {
        return Err(undecided("there is no terminal to ask on: add --yes where the decision is made already"));
    }
    let request = desk.request(id).await?;
    print::line(&shown::request(&request, shown::WIDTH, desk.clock.now_us()));
    let digest = request.get("digest").and_then(Value::as_str).unwrap_or_default();
    if sure.digest.as_ref().is_some_and(|given| given != digest) {
        return Err(Failed {
            code: 4,
            words: format!("this is not what was meant: it has the digest {}", visible::whole(digest)),
        });
    }
    if !sure.yes && !agreed(verb)? {
        return Err(undecided("nothing was decided"));
    }
    body.insert("digest".to_owned(), json!(digest));
    let answer = desk.gate.asked(&format!("/v1/approvals/{}/{verb}", segment(id)?), Some(&Value::Object(body))).await;
    let answer = answer.map_err(|refused| Failed::of(refused, &desk.page(id)))?;
    print::line(&format!("{} is now {}", shown::text(&answer, "/id"), shown::text(&answer, "/state")));
    for grant in shown::list(&answer, "/grants") {
        let given = shown::list(grant, "/given_by").len();
        print::line(&format!("  {}: {given} of {}", shown::text(grant, "/name"), shown::text(grant, "/quorum")));
    }
    Ok(())
}

/// Whether the person at the terminal types the whole word.
fn agreed(verb: &str) -> Result<bool, String> {
    let mut out = std::io::stdout().lock();
    let asked = write!(out, "Type `{verb}` to {verb} exactly this: ").and_then(|()| out.flush());
    asked.map_err(|e| e.to_string())?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(|e| e.to_string())?;
    Ok(line.trim() == verb)
}

/// An id as a segment of a path. Ids are plain; anything else is none.
fn segment(id: &str) -> Result<&str, Failed> {
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    if plain { Ok(id) } else { Err(Failed { code: 2, words: "a request's id looks like `ap_...`".to_owned() }) }
}
