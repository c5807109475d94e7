//! The office itself: mail, files and payments held in memory, and what can be done with them.
//!
//! Part of the demo office. It knows nothing of MCP: each act takes plain values and answers with a sentence for the agent, or
//! with a sentence that says why nothing happened. State lives as long as the process and everything in it is bounded.

use std::collections::BTreeMap;

use serde_json::{Number, Value, json};

use super::amount::Cents;
use super::content;

/// The date that acts of this process carry. The office has no clock, so that its answers are the same on every run.
const TODAY: &str = "2026-11-18";
/// The folders in which files live.
const FOLDERS: [&str; 3] = ["/finance", "/notes", "/shared"];
/// The longest text of one mail or file, in bytes.
const TEXT_BYTES_MAX: usize = 64 * 1024;
/// The longest subject, recipient, reference or path, in bytes.
const LINE_BYTES_MAX: usize = 200;
/// The most files, sent mails or payments one process holds.
const ENTRIES_MAX: usize = 1_000;

/// One mail, received or sent.
#[derive(Debug, Clone)]
pub(super) struct Mail {
    pub(super) id: String,
    pub(super) date: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) subject: String,
    pub(super) body: String,
}

/// One payment that was made.
#[derive(Debug, Clone)]
pub(super) struct Payment {
    pub(super) id: String,
    pub(super) date: String,
    pub(super) recipient: String,
    pub(super) amount: Cents,
    pub(super) reference: String,
}

/// Everything the office holds.
#[derive(Debug)]
pub(super) struct Desk {
    inbox: Vec<Mail>,
    sent: Vec<Mail>,
    files: BTreeMap<String, String>,
    payments: Vec<Payment>,
    balance: Cents,
}

impl Desk {
    /// The office as it stands when the process starts.
    pub(super) fn new() -> Self {
        let files = content::files().into_iter().map(|(path, text)| (path.to_owned(), text.to_owned())).collect();
        Self {
            inbox: content::inbox(),
            sent: Vec::new(),
            files,
            payments: content::payments(),
            balance: content::BALANCE,
        }
    }

    /// Lists received and sent mail, one line each.
    pub(super) fn mail_list(&self) -> String {
        let mut out = format!("Inbox ({}):\n", self.inbox.len());
        for mail in &self.inbox {
            line(&mut out, &[&mail.id, &mail.date, &mail.from, &mail.subject]);
        }
        out.push_str(&format!("Sent ({}):\n", self.sent.len()));
        for mail in &self.sent {
            line(&mut out, &[&mail.id, &mail.date, &mail.to, &mail.subject]);
        }
        out
    }

    /// One mail, with its header lines.
    pub(super) fn mail_read(&self, id: &str) -> Result<String, String> {
        let found = self.inbox.iter().chain(&self.sent).find(|mail| mail.id == id);
        let mail = found.ok_or_else(|| format!("there is no mail `{}`; mail_list shows the ids", shown(id)))?;
        let Mail { date, from, to, subject, body, .. } = mail;
        Ok(format!("From: {from}\nTo: {to}\nDate: {date}\nSubject: {subject}\n\n{body}"))
    }

    /// Sends a mail in the name of the office.
    pub(super) fn mail_send(&mut self, to: &str, subject: &str, body: &str) -> Result<String, String> {
        let local_and_domain = to.split_once('@').filter(|(local, domain)| !local.is_empty() && domain.contains('.'));
        if local_and_domain.is_none()
            || to.matches('@').count() != 1
            || to.contains(|c: char| c.is_whitespace() || c == ',')
        {
            return Err(format!("`{}` is not one mail address; nothing was sent", shown(to)));
        }
        one_line("to", to)?;
        one_line("subject", subject)?;
        bounded("body", body)?;
        room("sent mails", self.sent.len())?;
        let id = format!("s-{}", self.sent.len() + 1);
        self.sent.push(Mail {
            id: id.clone(),
            date: TODAY.to_owned(),
            from: "ines@office.example".to_owned(),
            to: to.to_owned(),
            subject: subject.to_owned(),
            body: body.to_owned(),
        });
        Ok(format!("Sent as {id} to {to}, subject \"{subject}\", {} bytes.", body.len()))
    }

    /// Lists the files at or below `path`, one line each.
    pub(super) fn files_list(&self, path: Option<&str>) -> Result<String, String> {
        let wanted = path.unwrap_or("/").trim_end_matches('/');
        if !wanted.is_empty() && !FOLDERS.contains(&wanted) {
            return Err(format!("there is no folder `{}`; the folders are {}", shown(wanted), FOLDERS.join(", ")));
        }
        let mut out = String::new();
        for (path, text) in &self.files {
            if path.strip_prefix(wanted).is_some_and(|rest| rest.starts_with('/')) {
                line(&mut out, &[path, &format!("{} bytes", text.len())]);
            }
        }
        Ok(if out.is_empty() { "No files.\n".to_owned() } else { out })
    }

    /// The text of one file.
    pub(super) fn files_read(&self, path: &str) -> Result<String, String> {
        self.files.get(path).cloned().ok_or_else(|| no_file(path))
    }

    /// Creates a file or replaces its text.
    pub(super) fn files_write(&mut self, path: &str, text: &str) -> Result<String, String> {
        one_line("path", path)?;
        bounded("text", text)?;
        let folder_and_name = path.rsplit_once('/').filter(|(folder, _)| FOLDERS.contains(folder));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !folder_and_name
            .is_some_and(|(_, name)| !name.is_empty() && !name.starts_with('.') && name.chars().all(plain))
        {
            return Err(format!(
                "`{}` cannot be written: a path is one of {} followed by a file name of letters, digits, dot, dash and \
                 underscore",
                shown(path),
                FOLDERS.join(", ")
            ));
        }
        if !self.files.contains_key(path) {
            room("files", self.files.len())?;
        }
        let before = self.files.insert(path.to_owned(), text.to_owned());
        let what = if before.is_some() { "Replaced" } else { "Created" };
        Ok(format!("{what} {path}, {} bytes.", text.len()))
    }

    /// Deletes one file for good.
    pub(super) fn files_delete(&mut self, path: &str) -> Result<String, String> {
        let text = self.files.remove(path).ok_or_else(|| no_file(path))?;
        Ok(format!("Deleted {path}, {} bytes are gone.", text.len()))
    }

    /// Lists the payments made and what is left.
    pub(super) fn payments_list(&self) -> String {
        let mut out = String::new();
        for payment in &self.payments {
            let Payment { id, date, recipient, amount, reference } = payment;
            line(&mut out, &[id, date, &format!("EUR {amount}"), recipient, reference]);
        }
        out.push_str(&format!("Balance: EUR {}\n", self.balance));
        out
    }

    /// The account as members: the balance, and how many payments were made from it.
    pub(super) fn account(&self) -> Value {
        let balance: Option<Number> = serde_json::from_str(&self.balance.to_string()).ok();
        json!({ "balance": balance, "payments": self.payments.len() })
    }

    /// Pays `amount` EUR to `recipient`.
    pub(super) fn payments_send(
        &mut self,
        recipient: &str,
        amount: &Number,
        reference: &str,
    ) -> Result<String, String> {
        one_line("recipient", recipient)?;
        one_line("reference", reference)?;
        let amount = Cents::from_eur(amount)?;
        if amount > self.balance {
            return Err(format!("EUR {amount} cannot be paid: the balance is EUR {}", self.balance));
        }
        room("payments", self.payments.len())?;
        let id = format!("p-{}", self.payments.len() + 1);
        self.balance = Cents(self.balance.0 - amount.0);
        self.payments.push(Payment {
            id: id.clone(),
            date: TODAY.to_owned(),
            recipient: recipient.to_owned(),
            amount,
            reference: reference.to_owned(),
        });
        Ok(format!(
            "Paid EUR {amount} to {recipient}, reference \"{reference}\", as {id}. Balance: EUR {}.",
            self.balance
        ))
    }
}

/// Appends one line of fields, set apart by two spaces.
fn line(out: &mut String, fields: &[&str]) {
    out.push_str(&fields.join("  "));
    out.push('\n');
}

/// A caller's text as it may stand in an error: escaped and cut to a readable length.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

fn no_file(path: &str) -> String {
    format!("there is no file `{}`; files_list shows the paths", shown(path))
}

/// Refuses an empty, overlong or multi-line value where one line is meant.
fn one_line(field: &str, value: &str) -> Result<(), String> {
    if value.trim().is_empty() {
        return Err(format!("`{field}` is empty"));
    }
    if value.len() > LINE_BYTES_MAX || value.contains(char::is_control) {
        return Err(format!("`{field}` must be one line of at most {LINE_BYTES_MAX} bytes"));
    }
    Ok(())
}

fn bounded(field: &str, value: &str) -> Result<(), String> {
    if value.len() > TEXT_BYTES_MAX {
        return Err(format!("`{field}` has {} bytes; the most is {TEXT_BYTES_MAX}", value.len()));
    }
    Ok(())
}

fn room(what: &str, held: usize) -> Result<(), String> {
    if held >= ENTRIES_MAX {
        return Err(format!("the office holds {ENTRIES_MAX} {what} already and takes no more; start it again"));
    }
    Ok(())
}
