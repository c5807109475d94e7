//! `wicketgate registry review`: shows what is new, changed or withheld, and writes the approval of exactly that.
//!
//! On a terminal the reviewer types the first digits of the digest below the sheet; elsewhere `--accept --digest` names
//! it. Either way what is written is what was shown: the server is not asked again between the two, or its answer must have
//! the same digest.

use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use pdp::effect::Effect;
use pdp::registry::{Registry as Reviewed, statement};

use super::super::{Places, print};
use super::{CHANGED_MEANWHILE, Opened, Patience, sheet_of, today};
use crate::findings::{Kind, shown};
use crate::review::key::Key;
use crate::review::{self, Approval, Files, Recorded, Row, Sheet};

#[derive(Debug, Args)]
pub(in crate::cli) struct Review {
    /// The server's name in the registry
    name: String,
    /// Only these tools; a retired one is reviewed only where it is named
    #[arg(value_name = "TOOL")]
    tools: Vec<String>,
    /// The effect: `read,egress` for every tool under review that has none yet, or `TOOL=read,egress` for one
    #[arg(long, value_name = "[TOOL=]EFFECTS")]
    effect: Vec<String>,
    /// The labels of the results: `untrusted` for every tool under review, or `TOOL=untrusted,private` for one
    #[arg(long, value_name = "[TOOL=]LABELS")]
    labels: Vec<String>,
    /// Who reviews
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// Approve what was shown; needs `--digest`
    #[arg(long)]
    accept: bool,
    /// The digest of what was shown, as printed below it
    #[arg(long, value_name = "DIGEST")]
    digest: Option<String>,
    /// Accept the hidden characters in this tool's definition
    #[arg(long, value_name = "TOOL")]
    accept_finding: Vec<String>,
    /// The file of the private key to sign with
    #[arg(long, value_name = "FILE", env = "WICKETGATE_REVIEWER_KEY")]
    key: Option<PathBuf>,
    #[command(flatten)]
    patience: Patience,
}

/// How many digits of the digest are typed.
const TYPED: usize = 8;

/// Shows the sheet, and writes the approval where it is given.
pub(super) async fn run(places: &Places, asked: &Review) -> anyhow::Result<ExitCode> {
    let (opened, sheet) = match sheet_of(places, &asked.name, &asked.patience).await? {
        Ok(both) => both,
        Err(said) => return Ok(said),
    };
    if let Some(stranger) = asked.tools.iter().find(|tool| !sheet.rows.iter().any(|row| row.name == **tool)) {
        return Ok(print::failed(&format!("neither server nor registry has a tool `{}`", shown(stranger))));
    }
    if sheet.is_whole() && !asked.tools.is_empty() {
        let words = "the server itself is under review, not only single tools: name none";
        return Ok(print::failed(words));
    }
    let rows = sheet.asked(&asked.tools);
    show(&sheet, &rows);
    if rows.is_empty() && !sheet.is_another() && sheet.retired.is_none() {
        print::line("Nothing to review.");
        return Ok(ExitCode::SUCCESS);
    }
    let digest = sheet.digest(&rows, &opened.texts(&asked.name).registry).to_string();
    let interactive = !asked.accept && std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let mut answers = Answers::of(asked);
    if interactive {
        answers.ask(&rows)?;
    }
    let Drafted { files, withheld } = match draft(&opened, &sheet, &rows, &answers) {
        Ok(drafted) => drafted,
        Err(faults) if asked.accept || interactive => {
            return Ok(print::failed(&format!("nothing was written:\n  {}", faults.join("\n  "))));
        }
        Err(faults) => {
            print::line(&format!("To approve it, still missing:\n  {}", faults.join("\n  ")));
            print::line(&format!("Then add --accept --digest {digest}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    let agreed = match (&asked.digest, interactive) {
        (_, true) => typed(&digest)?,
        (Some(given), false) if asked.accept => *given == digest,
        (_, false) => {
            print::line(&format!("To approve exactly this, add --accept --digest {digest}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    if !agreed && interactive {
        return Ok(print::failed("not approved; nothing was written"));
    }
    if !agreed {
        let words = format!("this is not what was shown: it has the digest {digest}; nothing was written");
        return Ok(print::failed(&words));
    }
    if !opened.write(&asked.name, &files)? {
        return Ok(print::failed(CHANGED_MEANWHILE));
    }
    print::line(&format!("Approved: {} tools of {}.", rows.len(), asked.name));
    for words in &withheld {
        print::line(&format!("Still withheld: {words}"));
    }
    Ok(if withheld.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn show(sheet: &Sheet, rows: &[&Row]) {
    print::line(sheet.head().trim_end());
    if sheet.retired.is_some() {
        print::line("  An approval puts it back into use.");
    }
    for row in rows {
        print::line(&format!("\n{row}"));
    }
    print::line(&format!("\n{}; {} to review", sheet.counts(), rows.len()));
}

/// What the reviewer says of the tools.
struct Answers {
    effects: Vec<(Option<String>, Vec<String>)>,
    labels: Vec<(Option<String>, Vec<String>)>,
    by: Option<String>,
    accepted: Vec<String>,
    key: Option<PathBuf>,
}

impl Answers {
    fn of(asked: &Review) -> Self {
        let words = |text: &str| text.split(',').map(str::trim).filter(|w| !w.is_empty()).map(str::to_owned).collect();
        let assignments = |all: &[String]| -> Vec<(Option<String>, Vec<String>)> {
            let one = |text: &String| match text.rsplit_once('=') {
                Some((tool, list)) => (Some(tool.to_owned()), words(list)),
                None => (None, words(text)),
            };
            all.iter().map(one).collect()
        };
        Self {
            effects: assignments(&asked.effect),
            labels: assignments(&asked.labels),
            by: asked.by.clone(),
            accepted: asked.accept_finding.clone(),
            key: asked.key.clone(),
        }
    }

    /// Asks on the terminal for what the command line left open.
    fn ask(&mut self, rows: &[&Row]) -> std::io::Result<()> {
        for row in rows {
            if !self.effects_of(row).is_empty() {
                continue;
            }
            let names = Effect::ALL.map(Effect::name).join(", ");
            let said = prompt(&format!("Effect of {} ({names}): ", shown(&row.name)))?;
            let words = said.split([',', ' ']).filter(|w| !w.is_empty()).map(str::to_owned).collect();
            self.effects.push((Some(row.name.clone()), words));
        }
        for row in rows {
            if !row.hides() || self.accepted.contains(&row.name) {
                continue;
            }
            let said = prompt(&format!("{} has hidden characters. Type `accept` to accept them: ", shown(&row.name)))?;
            self.accepted.extend((said == "accept").then(|| row.name.clone()));
        }
        if self.by.is_none() {
            self.by = Some(prompt("Reviewed by: ")?).filter(|by| !by.is_empty());
        }
        Ok(())
    }

    /// What is said of a tool by name; else what is written; else what is said of all.
    fn effects_of(&self, row: &Row) -> Vec<String> {
        let named = self.effects.iter().rev().find(|(tool, _)| tool.as_ref() == Some(&row.name));
        let of_all = self.effects.iter().rev().find(|(tool, _)| tool.is_none()).map(|(_, words)| words.clone());
        match named {
            Some((_, words)) => words.clone(),
            None if !row.effects.is_empty() => row.effects.clone(),
            None => of_all.unwrap_or_default(),
        }
    }

    /// What is said of tools by name that are not under review: a word for another tool than was meant says nothing.
    fn strangers(&self, rows: &[&Row]) -> Vec<String> {
        let of = |all: &[(Option<String>, Vec<String>)]| all.iter().filter_map(|(tool, _)| tool.clone()).collect();
        let said: [(&str, Vec<String>); 3] =
            [("effect", of(&self.effects)), ("labels", of(&self.labels)), ("accept-finding", self.accepted.clone())];
        let named = said.iter().flat_map(|(option, names)| names.iter().map(move |name| (option, name)));
        let strangers = named.filter(|(_, name)| !rows.iter().any(|row| row.name == **name));
        strangers.map(|(option, name)| format!("--{option} {}: no such tool is under review", shown(name))).collect()
    }

    fn labels_of(&self, row: &Row) -> Option<Vec<String>> {
        let named = self.labels.iter().rev().find(|(tool, _)| tool.as_ref() == Some(&row.name));
        let found = named.or_else(|| self.labels.iter().rev().find(|(tool, _)| tool.is_none()));
        found.map(|(_, words)| words.clone())
    }
}

fn prompt(words: &str) -> std::io::Result<String> {
    let mut out = std::io::stdout().lock();
    out.write_all(words.as_bytes())?;
    out.flush()?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim().to_owned())
}

/// Whether the reviewer types the beginning of the digest: nobody does that without meaning it.
fn typed(digest: &str) -> std::io::Result<bool> {
    let digits = digest.trim_start_matches("sha256:");
    let start = digits.get(..TYPED).unwrap_or(digits);
    print::line(&format!("What was shown has the digest {digest}"));
    Ok(prompt(&format!("Type {start} to approve it; anything else writes nothing: "))? == start)
}

/// An approval before it is written.
struct Drafted {
    /// The entry's files with the approval in them.
    files: Files,
    /// The tools that stay withheld all the same, each with why: what a review cannot mend keeps back no other tool.
    withheld: Vec<String>,
}

/// The approval, or all that is missing for one.
fn draft(opened: &Opened, sheet: &Sheet, rows: &[&Row], answers: &Answers) -> Result<Drafted, Vec<String>> {
    let mut faults = answers.strangers(rows);
    let by = answers.by.clone().filter(|by| !by.trim().is_empty());
    if by.is_none() {
        faults.push("--by WHO: who reviews".to_owned());
    }
    let mut approvals = Vec::new();
    for row in rows {
        let name = shown(&row.name);
        let effects = answers.effects_of(row);
        if effects.is_empty() {
            faults.push(format!("--effect {name}=...: what the world sees of a call"));
        }
        for word in effects.iter().filter(|word| !Effect::ALL.iter().any(|effect| effect.name() == word.as_str())) {
            let known = Effect::ALL.map(Effect::name).join(", ");
            faults.push(format!("--effect: `{}` is no effect; use {known}", shown(word)));
        }
        let accepts = answers.accepted.contains(&row.name);
        if row.hides() && !accepts {
            faults.push(format!("--accept-finding {name}: it has hidden characters, shown above"));
        }
        let accepted: Vec<String> =
            (row.hides() && accepts).then(|| Kind::Hidden.word().to_owned()).into_iter().collect();
        match row.pin {
            Some(pin) => {
                let (tool, definition) = (row.name.clone(), row.definition.clone());
                approvals.push(Approval { tool, definition, pin, effects, labels: answers.labels_of(row), accepted });
            }
            None => faults.push(format!("{name} has no pin and cannot be approved")),
        }
    }
    let key = key(opened, answers, by.as_deref()).map_err(|words| faults.push(words)).ok().flatten();
    let (Some(by), true) = (by, faults.is_empty()) else { return Err(faults) };
    let recorded = Recorded { by, at: today(), identity: sheet.identity.clone(), claim: sheet.claim.clone() };
    let files = review::approved(&opened.texts(&sheet.server), &recorded, &approvals);
    let files = files.map_err(|e| vec![e.to_string()])?;
    let names: Vec<&str> = approvals.iter().map(|approval| approval.tool.as_str()).collect();
    signed(opened, &sheet.server, files, &names, key.as_ref()).map_err(|words| vec![words])
}

/// The key to sign with; needed where the registry names its reviewers.
fn key(opened: &Opened, answers: &Answers, by: Option<&str>) -> Result<Option<Key>, String> {
    let reviewers = opened.registry.reviewers.as_ref();
    let Some(path) = &answers.key else {
        return match reviewers {
            Some(_) => Err("--key FILE: this registry wants signed reviews (reviewers.toml)".to_owned()),
            None => Ok(None),
        };
    };
    let key = Key::read(path).map_err(|e| e.to_string())?;
    match (reviewers, by) {
        (Some(reviewers), Some(by)) if !reviewers.has(by, &key.public()) => Err(format!(
            "the key is none of `{}`'s in reviewers.toml; its public half is {}",
            shown(by),
            key.public_text()
        )),
        _ => Ok(Some(key)),
    }
}

/// The files with the reviewer's signatures, read back as the gate will read them.
fn signed(
    opened: &Opened,
    server: &str,
    mut files: Files,
    tools: &[&str],
    key: Option<&Key>,
) -> Result<Drafted, String> {
    if let Some(key) = key {
        let registry = opened.with(server, &files)?;
        let signatures = tools.iter().filter_map(|tool| {
            let (server, tool) = found(&registry, server, tool)?;
            Some((tool.name.clone(), key.sign(&statement(server, tool)?)))
        });
        let signatures: Vec<(String, String)> = signatures.collect();
        files.registry = review::with_signatures(&files.registry, &signatures).map_err(|e| e.to_string())?;
    }
    let registry = opened.with(server, &files)?;
    let why = |name: &&str| found(&registry, server, name).and_then(|(_, tool)| tool.withheld.clone());
    let withheld = tools.iter().filter_map(|name| Some(format!("{}: {}", shown(name), shown(&why(name)?))));
    let withheld = withheld.collect();
    Ok(Drafted { files, withheld })
}

fn found<'r>(
    registry: &'r Reviewed,
    server: &str,
    tool: &str,
) -> Option<(&'r pdp::registry::Server, &'r pdp::registry::Tool)> {
    let server = registry.server(server)?;
    Some((server, server.tools.get(tool)?))
}
