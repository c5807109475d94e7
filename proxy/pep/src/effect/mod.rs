//! Around the action: the life of an effect, what shows it beforehand, what its result must be, what undoes it, what
//! becomes of a result that is withheld, and what keeps a blind re-send from doing it twice.
//!
//! The stages decide when; this folder knows how. It sends nothing by itself: a preview and a rollback are frames of
//! their own through all nine stages (`errand.rs`).

mod errand;
mod life;
mod once;
mod outside;
pub(crate) mod preview;
mod quarantine;
pub(crate) mod rollback;

pub(crate) use errand::{Errand, Order};
pub(crate) use life::Life;
pub(crate) use once::{Claim, HEADER as KEY_HEADER, Known, Once, claim, key_of, released};
pub(crate) use outside::{held_against, withheld};
pub(crate) use quarantine::Found;
pub use quarantine::{Quarantine, ReleaseFault, Withheld};

use pdp::digest::Digest;
use pdp::record::{Errand as ErrandKind, Record};

use crate::call::Head;
use crate::entry::OpenRecord;
use crate::stages::s2_classify::Subject;

/// Begins the life of an effect, where a call may have one: of a tool that does more than read. A preview has none: its
/// reviewer says that it changes nothing.
pub(crate) fn begin(head: &Head, entry: &mut OpenRecord, subject: &Subject) {
    let is_preview = head.errand.as_ref().is_some_and(|errand| errand.what == ErrandKind::Preview);
    if matches!(subject, Subject::Tool { .. }) && !subject.is_harmless() && !is_preview {
        entry.live(Life::planned());
    }
}

/// Which call this is: the digest of its server, tool and canonical arguments. Nothing for what is no readable tool call.
pub(crate) fn call_of(record: &Record) -> Option<Digest> {
    let (tool, arguments) = (record.target.as_deref()?, record.arguments_digest?);
    let text = format!("{}\n{tool}\n{arguments}", record.server);
    Some(Digest::of_bytes(text.as_bytes()))
}
