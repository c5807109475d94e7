//! Calls to memory servers: whose entries they are about, what those carry, and what of them may be delivered.
//!
//! An entry that has expired, or that is another's where the memory is not shared, does not exist: it is taken out of a
//! list where entries can be told apart there, and else the whole answer is withheld. Of an entry that nobody wrote through
//! the gate nothing is known, so it counts as untrusted.

use pdp::flow::Carried;
use pdp::flow::memory::{Entries, Memory, Place, Places, Provenance, Role, Stand};
use pdp::json::pointer::Met;
use pdp::json::{self, Json, Kind, Layout, Part, Reading};
use pdp::label::LabelSet;
use pdp::record::{FlowNote, KEYS_MAX, MemoryNote};
use pdp::refusal::{Code, Refusal};
use pdp::registry::Server;

use crate::call::Head;
use crate::content::says_failed;
use crate::entry::OpenRecord;
use crate::memories::{BeginFault, Changing};
use crate::ports::Ports;

/// Entries of one server as a call meets them.
pub(crate) struct Sight<'a> {
    head: &'a Head,
    ports: &'a Ports,
    server: &'a Server,
    memory: &'a Memory,
    places: &'a Places,
    now_us: i64,
}

/// What is known of some entries together.
#[derive(Debug, Default)]
struct Sum {
    carried: Carried,
    /// How many must not be delivered.
    hidden: u64,
    written_in: Vec<u64>,
}

/// A result whose entries can be told apart.
struct Apart {
    sum: Sum,
    /// The result with those entries alone that may be delivered; nothing where that cannot be written.
    text: Option<String>,
    /// Whether it says nothing beside its entries as they stand: else what was not looked at would pass with them.
    same: bool,
}

/// What of a result is handed over.
#[derive(Debug)]
pub(crate) struct Delivered {
    /// What it carries.
    pub(crate) carried: Carried,
    /// The result without what must not be delivered; nothing where it stays.
    pub(crate) text: Option<String>,
}

impl<'a> Sight<'a> {
    pub(crate) fn new(
        head: &'a Head,
        ports: &'a Ports,
        server: &'a Server,
        memory: &'a Memory,
        places: &'a Places,
    ) -> Self {
        Self { head, ports, server, memory, places, now_us: ports.clock.now_us() }
    }

    /// Looks before the call is sent. Answers what it is presumed to bring, and the change it begins.
    ///
    /// # Errors
    /// When it is about entries that do not exist for this caller, or what it would change cannot be kept account of.
    pub(crate) async fn begin(&self, entry: &mut OpenRecord) -> Result<(Carried, Option<Changing>), Refusal> {
        note(entry, |note| *note = self.note());
        if self.memory.role == Role::Read {
            let sum = self.known();
            if sum.hidden > 0 && self.memory.entries.is_none() {
                note(entry, |note| note.withheld = sum.hidden);
                return Err(self.withheld("nothing was asked of the server"));
            }
            return Ok((sum.carried, None));
        }
        let provenance = self.provenance(entry);
        let expires_us = provenance.expires_us;
        let about = (self.server.name.as_str(), self.places);
        let ours = |known: &Provenance| self.is_ours(known);
        let begun = self.ports.memories.begin(self.memory.role, about, provenance, ours).await;
        let changing = begun.map_err(|fault| match fault {
            BeginFault::NotOurs => self.withheld("nothing was changed"),
            BeginFault::Unkept(fault) => {
                let words =
                    format!("what is known of this memory's entries cannot be kept ({fault}); nothing was changed");
                Refusal::new(Code::LedgerUnavailable, words)
            }
        })?;
        note(entry, |note| note.expires_us = expires_us);
        Ok((Carried::default(), Some(changing)))
    }

    /// What a result brings of the entries it is about, and what of it is handed over. The part must be of a text whose
    /// places are all known.
    ///
    /// # Errors
    /// When it must be withheld.
    pub(crate) fn deliver(&self, entry: &mut OpenRecord, result: Part<'_>) -> Result<Delivered, Refusal> {
        let failed = says_failed(result);
        if self.memory.role != Role::Read {
            return Ok(Delivered { carried: Carried::default(), text: None });
        }
        let known = self.known();
        let told_apart = match &self.memory.entries {
            Some(entries) if !failed => self.filtered(entries, result),
            Some(_) | None => None,
        };
        let Some(Apart { sum, text, same }) = told_apart else {
            // What an error says of entries cannot be told apart either; it is no entry.
            if known.hidden > 0 && !failed {
                note(entry, |note| note.withheld = known.hidden);
                return Err(
                    self.withheld("the server's answer is withheld whole, since its entries cannot be told apart")
                );
            }
            note(entry, |note| note.written_in.clone_from(&known.written_in));
            return Ok(Delivered { carried: known.carried, text: None });
        };
        note(entry, |note| {
            note.withheld = sum.hidden;
            note.written_in.clone_from(&sum.written_in);
        });
        if sum.hidden == 0 && same {
            return Ok(Delivered { carried: sum.carried, text: None });
        }
        match text {
            Some(text) => Ok(Delivered { carried: sum.carried, text: Some(text) }),
            None => Err(self.withheld("the server's answer is withheld whole, since it says them twice")),
        }
    }

    fn note(&self) -> MemoryNote {
        let keys = self.places.keys.iter().flatten().take(KEYS_MAX).cloned().collect();
        MemoryNote {
            expires_us: None,
            keys,
            role: self.memory.role,
            scope: self.places.scope.clone(),
            withheld: 0,
            written_in: Vec::new(),
        }
    }

    fn place(&self, key: &str) -> Place {
        let (server, scope) = (self.server.name.clone(), self.places.scope.clone());
        Place { server, scope, key: key.to_owned() }
    }

    /// What is kept of what this call writes: the value may hold whatever the task has read.
    fn provenance(&self, entry: &OpenRecord) -> Provenance {
        let ttl_s = self.server.flow.memory.and_then(|memory| memory.ttl_s);
        let ttl_us = ttl_s.map(|ttl| i64::try_from(ttl).unwrap_or(i64::MAX).saturating_mul(1_000_000));
        Provenance {
            carried: self.head.task.carried(),
            owner: self.head.principal.key(),
            task: self.head.task.id().to_owned(),
            trace: self.head.task.trace().to_owned(),
            record: entry.read(|record| record.number).unwrap_or_default(),
            written_us: self.now_us,
            expires_us: ttl_us.map(|ttl| self.now_us.saturating_add(ttl)),
        }
    }

    fn is_ours(&self, known: &Provenance) -> bool {
        let shared = self.server.flow.memory.is_some_and(|memory| memory.shared);
        shared || known.owner == self.head.principal.key()
    }

    fn take_key(&self, key: &str, sum: &mut Sum) {
        let own = self.ports.memories.recall(&self.place(key));
        if own.is_none()
            && let Some(unnamed) = self.ports.memories.stands_for(&self.place(key))
        {
            sum.take(self, Some(&unnamed));
        }
        sum.take(self, own.as_deref());
    }

    /// Everything that is known of the entries this call is about.
    fn known(&self) -> Sum {
        let mut sum = Sum::default();
        match &self.places.keys {
            Some(keys) => {
                for key in keys {
                    self.take_key(key, &mut sum);
                }
            }
            None => {
                for (_, known) in self.ports.memories.scope(&self.server.name, &self.places.scope) {
                    sum.take(self, Some(&known));
                }
                // What others wrote past the gate may be there too.
                sum.take(self, None);
            }
        }
        sum
    }

    /// The entries of a result one by one. Nothing where they cannot be told apart.
    fn filtered(&self, entries: &Entries, result: Part<'_>) -> Option<Apart> {
        let content = result.get("content").filter(|content| content.kind() == Kind::List);
        match entries.stand {
            Stand::Structured => {
                let structured = result.get("structuredContent")?;
                let (sum, kept) = self.list(entries, structured, structured.text())?;
                // The text beside it says the same once more (MCP, structured content), so it is written anew.
                let said = format!("[{{\"type\":\"text\",\"text\":{}}}]", json::quoted(&kept));
                let whole = json::with_member(result.text(), "structuredContent", &kept)
                    .and_then(|whole| json::with_member(&whole, "content", &said));
                let same = result.get("content").is_none_or(|content| repeats(content, structured));
                Some(Apart { sum, text: whole.ok(), same })
            }
            Stand::Text => {
                let mut items = content?.items();
                let first = items.next()?;
                // What stands beside it may be entries too, and would pass unseen.
                if items.next().is_some() || result.get("structuredContent").is_some() {
                    return None;
                }
                let text = first.get("text")?.string()?;
                let layout = Layout::read(&text, Reading::whole(pdp::digest::DEPTH_MAX)).ok()?;
                let (sum, kept) = self.list(entries, layout.root(&text), &text)?;
                let item = json::with_member(first.text(), "text", &json::quoted(&kept)).ok()?;
                let text = json::with_member(result.text(), "content", &format!("[{item}]")).ok();
                Some(Apart { sum, text, same: true })
            }
        }
    }

    /// The list of entries within `root`, which is written as `text`: what they sum up to, and the text without those
    /// that are hidden.
    fn list(&self, entries: &Entries, root: Part<'_>, text: &str) -> Option<(Sum, String)> {
        let hides = self.ports.memories.scope(&self.server.name, &self.places.scope);
        let hides = hides.iter().any(|(_, known)| self.is_hidden(known));
        let mut found = None;
        let mut clear = true;
        entries.list.walk(root, &mut |met| match met {
            Met::Value(list) if list.kind() == Kind::List && found.is_none() => {
                let mut sum = Sum::default();
                let kept: Vec<&str> =
                    list.items().filter(|item| self.is_kept(*item, hides, &mut sum)).map(Part::text).collect();
                found = Some((sum, list.range(), format!("[{}]", kept.join(","))));
            }
            Met::Value(_) | Met::Missing => clear = false,
        });
        let (sum, at, kept) = found.filter(|_| clear)?;
        let start = root.range().start;
        let at = at.start.checked_sub(start)?..at.end.checked_sub(start)?;
        Some((sum, json::replaced(text, at, &kept)))
    }

    /// Whether one entry of a list is handed over. One without a readable key may be any of those that are hidden.
    fn is_kept(&self, item: Part<'_>, hides: bool, sum: &mut Sum) -> bool {
        let hidden = sum.hidden;
        match self.memory.key_of(item) {
            Some(key) => self.take_key(&key, sum),
            None if hides => sum.hidden = sum.hidden.saturating_add(1),
            None => sum.take(self, None),
        }
        sum.hidden == hidden
    }

    fn is_hidden(&self, known: &Provenance) -> bool {
        known.is_expired(self.now_us) || !self.is_ours(known)
    }

    fn withheld(&self, what: &str) -> Refusal {
        let words = format!(
            "an entry of the memory `{}` has expired or is not yours, so it does not exist for you: {what}",
            self.server.name
        );
        Refusal::new(Code::EntryWithheld, words)
    }
}

/// Whether the content beside structured content says nothing, or just that once more: as one text that is the same JSON.
fn repeats(content: Part<'_>, structured: Part<'_>) -> bool {
    let mut items = content.items();
    let Some(first) = items.next() else { return content.kind() == Kind::List };
    let text = first.get("text").and_then(Part::string).filter(|_| items.next().is_none());
    let canonical = |text: &str| Json::read(text, pdp::digest::DEPTH_MAX).ok().map(|value| json::canonical(&value));
    text.and_then(|text| canonical(&text))
        .is_some_and(|said| canonical(structured.text()).is_some_and(|own| own == said))
}

impl Sum {
    fn take(&mut self, sight: &Sight<'_>, known: Option<&Provenance>) {
        match known {
            Some(known) if sight.is_hidden(known) => self.hidden = self.hidden.saturating_add(1),
            Some(known) => {
                self.carried.raise(&known.carried);
                if self.written_in.len() < KEYS_MAX && !self.written_in.contains(&known.record) {
                    self.written_in.push(known.record);
                }
            }
            None => {
                let unknown: LabelSet = ["untrusted"].into_iter().collect();
                self.carried.labels.raise(&unknown);
            }
        }
    }
}

fn note(entry: &mut OpenRecord, change: impl FnOnce(&mut MemoryNote)) {
    entry.write(|record| {
        let note = record.flow.get_or_insert_with(|| Box::new(FlowNote::default()));
        let memory = note.memory.get_or_insert_with(|| MemoryNote {
            expires_us: None,
            keys: Vec::new(),
            role: Role::Read,
            scope: String::new(),
            withheld: 0,
            written_in: Vec::new(),
        });
        change(memory);
    });
}
