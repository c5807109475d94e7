//! `wicketgate passkeys`: what is done about people's passkeys on the gate's own machine. It works on the data directory, with
//! or without a running gate, which sees it at once and tells its ledger.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;
use pep::ports::{Clock as _, Entropy as _};
use serde_json::json;

use super::{Places, print, told};
use crate::clock::{SystemClock, SystemEntropy, rfc3339};
use crate::config::Config;
use crate::console::passkeys::{Desk, Person};
use crate::story::visible;

const MINUTE_US: i64 = 60_000_000;

#[derive(Debug, Subcommand)]
#[command(
    after_help = "A passkey proves more than a token. So a first one is not made by a token alone: it needs a one-time code, \
which is made here, by whoever may write the gate's data directory, and handed to the person by another way. Further ones are \
added, and one's own removed, in the console by a passkey that is there.\n\n\
A passkey belongs to the host name in `console_url`; under another name no browser finds it. Whoever has lost the last one, or \
has none for a new name:\n  wicketgate passkeys remove default/alice && wicketgate passkeys invite default/alice"
)]
pub(super) enum Passkeys {
    /// List who has passkeys, and who is invited
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a one-time code by which somebody who has no passkey adds a first one in the console
    Invite {
        /// Who, as `tenant/agent`; the name alone in the tenant `default`
        #[arg(value_name = "TENANT/AGENT")]
        who: String,
        /// For how many minutes it counts
        #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u16).range(1..=1440))]
        minutes: u16,
    },
    /// Take away somebody's passkeys, lost or not, and an open invitation
    Remove {
        /// Whose, as `tenant/agent`; the name alone in the tenant `default`
        #[arg(value_name = "TENANT/AGENT")]
        who: String,
        /// Only the one of this id
        #[arg(long)]
        id: Option<String>,
    },
}

/// Runs one of them.
pub(super) fn run(places: &Places, asked: &Passkeys) -> ExitCode {
    let config = match places.config() {
        Ok(config) => config,
        Err(faults) => return print::failed(&told(&faults)),
    };
    carried_out(&config, asked).map_or_else(|words| print::failed(&words), |()| ExitCode::SUCCESS)
}

fn carried_out(config: &Config, asked: &Passkeys) -> Result<(), String> {
    let (desk, now_us) = (Desk::of(&config.data), SystemClock::start().now_us());
    match asked {
        Passkeys::List { json } => {
            let people = desk.people(now_us).map_err(|fault| fault.to_string())?;
            if *json {
                print::line(&json!({ "people": people.iter().map(as_json).collect::<Vec<_>>() }).to_string());
            } else if people.is_empty() {
                print::line("nobody has a passkey or is invited");
            }
            people.iter().filter(|_| !json).for_each(in_lines);
        }
        Passkeys::Invite { who, minutes } => {
            let key = key(who);
            may_sign_in(config, &key)?;
            is_ours(&config.data)?;
            let fresh = SystemEntropy::new().map_err(|e| e.to_string())?.bytes();
            let until_us = now_us.saturating_add(i64::from(*minutes).saturating_mul(MINUTE_US));
            let code = desk.invite(&key, fresh, now_us, until_us).map_err(|fault| fault.to_string())?;
            print::line(&format!(
                "{code}\n\nThe code for `{key}`, good once and until {}. Hand it over by a way that the agents do not have; it \
                 is typed under the account in the console, and told nowhere else.",
                rfc3339(until_us)
            ));
        }
        Passkeys::Remove { who, id } => {
            is_ours(&config.data)?;
            let key = key(who);
            let gone = desk.remove(&key, id.as_deref(), now_us).map_err(|fault| fault.to_string())?;
            print::line(&format!(
                "{gone} of the passkeys of `{}` removed, and no invitation is open",
                visible::text(&key)
            ));
        }
    }
    Ok(())
}

fn key(who: &str) -> String {
    if who.contains('/') { who.to_owned() } else { format!("default/{who}") }
}

/// Whether there is somebody to invite: a principal with a role. Without a configured one the gate has made `operator`.
fn may_sign_in(config: &Config, key: &str) -> Result<(), String> {
    let with_role = config.principals.iter().filter(|known| known.role.is_some()).map(|known| known.principal.key());
    let mut all: Vec<String> = with_role.collect();
    if config.principals.is_empty() {
        all.push("default/operator".to_owned());
    }
    if all.iter().any(|one| one == key) {
        return Ok(());
    }
    let words = "is no principal with a role on the control plane";
    Err(format!("`{}` {words}; there are: {}", visible::text(key), all.join(", ")))
}

/// Whether what is written there is the gate's to read: its files are their owner's alone.
fn is_ours(data: &Path) -> Result<(), String> {
    let owner = |path: &Path| std::fs::metadata(path).map(|found| found.uid());
    let there =
        owner(data).map_err(|e| format!("{}: {e}; start the gate once, or name its `--data`", data.display()))?;
    if owner(Path::new("/proc/self")).is_ok_and(|own| own != there) {
        return Err(format!("{} belongs to another user; run this as the user that the gate runs as", data.display()));
    }
    Ok(())
}

fn as_json(person: &Person) -> serde_json::Value {
    let Person { key, passkeys, invited_us } = person;
    let passkeys: Vec<_> = passkeys
        .iter()
        .map(|one| {
            let used = one.used_us.map(rfc3339);
            json!({ "id": one.id, "name": one.name, "added": rfc3339(one.added_us), "used": used, "site": one.site })
        })
        .collect();
    json!({ "principal": key, "passkeys": passkeys, "invited_until": invited_us.map(rfc3339) })
}

fn in_lines(person: &Person) {
    let Person { key, passkeys, invited_us } = person;
    let invited = invited_us.map_or_else(String::new, |until| format!(", invited until {}", rfc3339(until)));
    let count = match passkeys.len() {
        0 => "no passkey".to_owned(),
        1 => "1 passkey".to_owned(),
        n => format!("{n} passkeys"),
    };
    print::line(&format!("{}: {count}{invited}", visible::text(key)));
    for one in passkeys {
        let used = one.used_us.map_or_else(|| "never used".to_owned(), |at| format!("used {}", rfc3339(at)));
        let (name, site) = (visible::text(&one.name), visible::text(&one.site));
        print::line(&format!("  {name} for {site}, added {}, {used}\n    {}", rfc3339(one.added_us), one.id));
    }
}
