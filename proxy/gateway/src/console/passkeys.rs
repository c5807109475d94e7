//! Passkeys (WebAuthn level 3) of the people who decide: a second proof, asked for where a grant wants it and before the
//! passkeys themselves are changed. A first one needs a one-time code, which is made on the gate's machine: a token alone,
//! which may be stolen, makes no passkey.
//!
//! A challenge is random and known here alone; it stands for one principal, one thing and that thing's digest, is used once
//! and dies after two minutes. What is approved is the caller's to know.

mod invite;
mod kept;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use pdp::digest::Digest;
use pdp::principal::Principal;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use url::Url;
use webauthn_rs::prelude::{
    Passkey, PasskeyAuthentication, PasskeyRegistration, PublicKeyCredential, RegisterPublicKeyCredential, Uuid,
    WebauthnError,
};
use webauthn_rs::{Webauthn, WebauthnBuilder};

use super::{Origin, StepUp};
pub(crate) use invite::{Desk, Person};
pub(crate) use kept::Act;
use kept::{Disk, Kept, One};

/// How long a challenge may be answered: long enough to find the key, too short to be kept.
const CHALLENGE_US: i64 = 120 * 1_000_000;
/// How many challenges one principal may have open; the oldest gives way.
const CHALLENGES_MAX: usize = 32;
/// How many passkeys one principal may have.
const PASSKEYS_MAX: usize = 16;
/// How many characters a passkey's name may have.
const NAME_CHARS_MAX: usize = 100;

/// What a further passkey is stepped up for.
const ADD: &str = "passkeys/add";
/// What a removal is stepped up for.
const REMOVE: &str = "passkeys/remove";

/// Why a passkey could not be used, added or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StepUpFault {
    /// The console is where no passkey can be.
    #[error("there can be no passkeys here: {0}")]
    Unusable(String),
    /// The principal has none.
    #[error(
        "`{0}` has no passkey: have `wicketgate passkeys invite {0}` run on the gate's machine, and add one in the console with \
         the code that it prints"
    )]
    NoPasskey(String),
    /// All of them were made for a console of another name.
    #[error(
        "every passkey of `{principal}` was made for a console at another name than `{site}`, and no browser finds it here: have \
         `console_url` set back, or `wicketgate passkeys remove {principal}` and then `wicketgate passkeys invite {principal}` \
         run on the gate's machine"
    )]
    Elsewhere {
        /// Whose.
        principal: String,
        /// The console's name now.
        site: String,
    },
    /// A first one needs a code.
    #[error(
        "a first passkey needs a one-time code: have `wicketgate passkeys invite {0}` run on the gate's machine, and give what it \
         prints as `code`"
    )]
    CodeNeeded(String),
    /// The code is none.
    #[error(
        "the code does not count: it is another, was used, or has run out; have `wicketgate passkeys invite {0}` run anew on the \
         gate's machine"
    )]
    WrongCode(String),
    /// There is nothing that this would answer.
    #[error(
        "no challenge is open for this: two minutes have passed, it was answered before, or what it was for has changed; begin again"
    )]
    NoChallenge,
    /// It does not prove what it should.
    #[error("the passkey's answer does not count: {0}")]
    Refused(String),
    /// Its counter went back, as that of a copy would.
    #[error("the passkey's counter has gone back: it may be a copy; remove it, and use another")]
    Copied,
    /// A further one needs a proof by one that is there.
    #[error("a passkey is there already: prove it is you by that one first")]
    StepUpNeeded,
    /// Too many, or a name that is none.
    #[error("{0}")]
    Unfit(String),
    /// There is none of this id.
    #[error("you have no passkey `{0}`")]
    Unknown(String),
    /// The file cannot be read or written.
    #[error("passkeys cannot be kept: {0}")]
    Unkept(String),
}

/// A passkey as it is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasskeyNote {
    /// Its credential id, as base64url.
    pub id: String,
    /// What its owner calls it.
    pub name: String,
    /// When it was added, in microseconds since 1970-01-01T00:00Z.
    pub added_us: i64,
    /// When it was used last.
    pub used_us: Option<i64>,
    /// The name of the console it was made for.
    pub site: String,
}

/// What a challenge is for.
#[derive(Debug, PartialEq, Eq)]
enum Purpose {
    Register,
    StepUp(String, Digest),
}

#[derive(Debug)]
enum State {
    Register(Box<PasskeyRegistration>, Warrant),
    StepUp(Box<PasskeyAuthentication>),
}

/// By what a passkey may be added.
#[derive(Debug, Clone)]
enum Warrant {
    /// A proof by one that is there.
    Proof,
    /// The code of an invitation, as its digest.
    Code(String),
}

impl Warrant {
    /// Whether it counts, by what is kept now.
    fn check(&self, kept: &Kept, key: &str, now_us: i64) -> Result<(), StepUpFault> {
        let there = !kept.of(key).is_empty();
        match self {
            Self::Proof if there => Ok(()),
            // The one that proved it is gone.
            Self::Proof => Err(StepUpFault::CodeNeeded(key.to_owned())),
            Self::Code(_) if there => Err(StepUpFault::StepUpNeeded),
            Self::Code(digest) => {
                let invited = kept.invited.get(key).filter(|one| one.until_us >= now_us && one.code_sha256 == *digest);
                invited.map(|_| ()).ok_or_else(|| StepUpFault::WrongCode(key.to_owned()))
            }
        }
    }
}

#[derive(Debug)]
struct Challenge {
    principal: String,
    purpose: Purpose,
    since_us: i64,
    state: State,
}

/// Everybody's passkeys, and the challenges that are open. What looks at the file or changes it waits for the disk.
#[derive(Debug)]
pub struct Passkeys {
    site: Result<Site, String>,
    disk: Disk,
    open: Mutex<Vec<Challenge>>,
}

/// The console as a relying party.
#[derive(Debug)]
struct Site {
    party: Webauthn,
    /// Its id: the name by which the console is reached.
    name: String,
}

/// The passkeys that are kept cannot be read: who was to prove more than a token must not be let off.
#[derive(Debug, thiserror::Error)]
#[error("{why}; mend the file, or take it away, and everybody is invited anew")]
pub struct PasskeysUnreadable {
    why: String,
}

impl Passkeys {
    /// The passkeys of a data directory, for a console that is reached at `origin`. Warns of those that were made for a
    /// console of another name.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub fn open(data: &Path, origin: &Origin) -> Result<Self, PasskeysUnreadable> {
        let all = Self { site: site(origin), disk: Disk::of(data), open: Mutex::default() };
        let kept = all.disk.read().map_err(|fault| PasskeysUnreadable { why: fault.to_string() })?;
        let elsewhere =
            kept.passkeys.values().flatten().filter(|one| origin.domain() != Some(one.site.as_str())).count();
        if elsewhere > 0 {
            let (path, base) = (all.disk.path().display(), origin.base());
            tracing::warn!(
                "{elsewhere} of the passkeys in {path} were made for a console of another name than {base}, and no browser \
                 finds them there: set `console_url` back, or `wicketgate passkeys remove` them and invite anew"
            );
        }
        Ok(all)
    }

    fn site(&self) -> Result<&Site, StepUpFault> {
        self.site.as_ref().map_err(|words| StepUpFault::Unusable(words.clone()))
    }

    /// Why there can be no passkeys here, and what to do; nothing where there can.
    #[must_use]
    pub fn unusable(&self) -> Option<&str> {
        self.site.as_ref().err().map(String::as_str)
    }

    /// Those of one principal.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn of(&self, principal: &Principal) -> Result<Vec<PasskeyNote>, StepUpFault> {
        Ok(self.disk.read()?.of(&principal.key()).iter().map(note).collect())
    }

    /// Begins to add a passkey. For a first one `code` is that of an invitation; where there is one already, `proof` answers
    /// the challenge of [`Self::begin_to_add`].
    ///
    /// Answers `PublicKeyCredentialCreationOptions`.
    ///
    /// # Errors
    /// When a code or a proof is needed or does not count, or there are too many.
    pub fn register(
        &self,
        principal: &Principal,
        code: Option<&str>,
        proof: Option<&Value>,
        now_us: i64,
    ) -> Result<Value, StepUpFault> {
        let (site, key) = (self.site()?, principal.key());
        let kept = self.disk.read()?;
        let there = kept.of(&key);
        let warrant = match (proof, code) {
            (Some(proof), _) => {
                self.finish(principal, ADD, Digest::of_bytes(b""), proof, now_us)?;
                Warrant::Proof
            }
            (None, _) if !there.is_empty() => return Err(StepUpFault::StepUpNeeded),
            (None, Some(code)) => Warrant::Code(invite::digest(code)),
            (None, None) => return Err(StepUpFault::CodeNeeded(key)),
        };
        warrant.check(&kept, &key, now_us)?;
        if there.len() >= PASSKEYS_MAX {
            let words = format!("you have {PASSKEYS_MAX} passkeys, and nobody needs more; remove one first");
            return Err(StepUpFault::Unfit(words));
        }
        let ids = there.iter().map(|one| one.key.cred_id().clone()).collect();
        let begun = site.party.start_passkey_registration(handle(&key), &key, &key, Some(ids));
        let (options, state) = begun.map_err(|e| refused(&e))?;
        self.put(&key, Purpose::Register, State::Register(Box::new(state), warrant), now_us);
        inner(&options)
    }

    /// Adds the passkey whose creation was begun. A code that it was begun with is spent by it.
    ///
    /// # Errors
    /// When nothing was begun, the answer does not fit, or it cannot be kept.
    pub fn add(
        &self,
        principal: &Principal,
        name: &str,
        credential: &Value,
        now_us: i64,
    ) -> Result<PasskeyNote, StepUpFault> {
        let name = name.trim();
        if name.is_empty() || name.chars().count() > NAME_CHARS_MAX || name.chars().any(char::is_control) {
            let words = format!("give the passkey a name of at most {NAME_CHARS_MAX} characters");
            return Err(StepUpFault::Unfit(words));
        }
        let (site, key) = (self.site()?, principal.key());
        let Some(State::Register(state, warrant)) = self.take(&key, &Purpose::Register, now_us) else {
            return Err(StepUpFault::NoChallenge);
        };
        let credential: RegisterPublicKeyCredential = read(credential)?;
        let made = site.party.finish_passkey_registration(&credential, &state).map_err(|e| refused(&e))?;
        self.disk.change(now_us, |kept| {
            // Somebody else may have been faster, or the invitation may have run out or been taken back.
            warrant.check(kept, &key, now_us)?;
            if kept.passkeys.values().flatten().any(|one| one.key.cred_id() == made.cred_id()) {
                return Err(StepUpFault::Unfit("this passkey is registered already".to_owned()));
            }
            kept.invited.remove(&key);
            let (name, site) = (name.to_owned(), site.name.clone());
            let fresh = One { name, added_us: now_us, used_us: None, site, counter: 0, key: made };
            let told = note(&fresh);
            kept.passkeys.entry(key).or_default().push(fresh);
            Ok(told)
        })
    }

    /// Removes a passkey, after a proof by one that is there.
    ///
    /// # Errors
    /// When there is none such, the proof is missing or does not count, or it cannot be written.
    pub fn remove(
        &self,
        principal: &Principal,
        id: &str,
        proof: Option<&Value>,
        now_us: i64,
    ) -> Result<(), StepUpFault> {
        if self.of(principal)?.iter().all(|one| one.id != id) {
            return Err(StepUpFault::Unknown(id.to_owned()));
        }
        let proof = proof.ok_or(StepUpFault::StepUpNeeded)?;
        self.finish(principal, REMOVE, Digest::of_bytes(id.as_bytes()), proof, now_us)?;
        self.disk.change(now_us, |kept| {
            kept.passkeys.entry(principal.key()).or_default().retain(|one| note(one).id != id);
            Ok(())
        })
    }

    /// Hands over what was done on this machine and the ledger has not heard of; `hear` says whether it was taken.
    pub(crate) fn tell(&self, now_us: i64, hear: impl FnMut(&Act) -> bool) -> Result<(), StepUpFault> {
        self.disk.tell(now_us, hear)
    }

    /// The challenge of a proof that a further passkey may be added.
    ///
    /// # Errors
    /// When there is none that could prove it.
    pub fn begin_to_add(&self, principal: &Principal, now_us: i64) -> Result<Value, StepUpFault> {
        self.begin(principal, ADD, Digest::of_bytes(b""), now_us)
    }

    /// The challenge of a proof that a passkey may be removed.
    ///
    /// # Errors
    /// When there is none that could prove it.
    pub fn begin_to_remove(&self, principal: &Principal, id: &str, now_us: i64) -> Result<Value, StepUpFault> {
        self.begin(principal, REMOVE, Digest::of_bytes(id.as_bytes()), now_us)
    }

    /// Keeps a challenge, in place of one for the same.
    fn put(&self, principal: &str, purpose: Purpose, state: State, now_us: i64) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| now_us.saturating_sub(one.since_us) <= CHALLENGE_US);
        open.retain(|one| one.principal != principal || one.purpose != purpose);
        let own = open.iter().filter(|one| one.principal == principal).count();
        if own >= CHALLENGES_MAX
            && let Some(oldest) = open.iter().position(|one| one.principal == principal)
        {
            open.remove(oldest);
        }
        open.push(Challenge { principal: principal.to_owned(), purpose, since_us: now_us, state });
    }

    /// Takes a challenge out: whatever answers it, it is answered once.
    fn take(&self, principal: &str, purpose: &Purpose, now_us: i64) -> Option<State> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.iter().position(|one| one.principal == principal && one.purpose == *purpose)?;
        let challenge = open.remove(at);
        (now_us.saturating_sub(challenge.since_us) <= CHALLENGE_US).then_some(challenge.state)
    }
}

impl StepUp for Passkeys {
    fn begin(&self, principal: &Principal, what: &str, digest: Digest, now_us: i64) -> Result<Value, StepUpFault> {
        let (site, key) = (self.site()?, principal.key());
        let kept = self.disk.read()?;
        let there = kept.of(&key);
        let keys: Vec<Passkey> = there.iter().filter(|one| one.site == site.name).map(|one| one.key.clone()).collect();
        match (keys.is_empty(), there.is_empty()) {
            (_, true) => return Err(StepUpFault::NoPasskey(key)),
            (true, false) => return Err(StepUpFault::Elsewhere { principal: key, site: site.name.clone() }),
            (false, false) => {}
        }
        let (options, state) = site.party.start_passkey_authentication(&keys).map_err(|e| refused(&e))?;
        self.put(&key, Purpose::StepUp(what.to_owned(), digest), State::StepUp(Box::new(state)), now_us);
        inner(&options)
    }

    fn finish(
        &self,
        principal: &Principal,
        what: &str,
        digest: Digest,
        credential: &Value,
        now_us: i64,
    ) -> Result<(), StepUpFault> {
        let (site, key) = (self.site()?, principal.key());
        let Some(State::StepUp(state)) = self.take(&key, &Purpose::StepUp(what.to_owned(), digest), now_us) else {
            return Err(StepUpFault::NoChallenge);
        };
        let credential: PublicKeyCredential = read(credential)?;
        let shown = site.party.finish_passkey_authentication(&credential, &state).map_err(|e| {
            if matches!(e, WebauthnError::CredentialPossibleCompromise) { StepUpFault::Copied } else { refused(&e) }
        })?;
        if !shown.user_verified() {
            return Err(StepUpFault::Refused("the authenticator did not verify who used it".to_owned()));
        }
        self.disk.change(now_us, |kept| {
            // It may have been removed, or used elsewhere, since its challenge was made.
            let own =
                kept.passkeys.get_mut(&key).into_iter().flatten().find(|one| one.key.cred_id() == shown.cred_id());
            let own = own.ok_or_else(|| StepUpFault::Refused("it is not registered any more".to_owned()))?;
            let counter = shown.counter();
            if (counter > 0 || own.counter > 0) && counter <= own.counter {
                return Err(StepUpFault::Copied);
            }
            // Whether that changed anything of the key is of no interest: the count and the time change in any case.
            let _changed = own.key.update_credential(&shown);
            own.counter = counter;
            own.used_us = Some(now_us);
            Ok(())
        })
    }
}

/// The console as a relying party; its id is the console's own name.
fn site(origin: &Origin) -> Result<Site, String> {
    let base = origin.base();
    let remedy = "set `console_url` under `[approvals]` to the name by which people reach the console, such as \
                  https://gate.example, or http://localhost with its port";
    let name =
        origin.domain().ok_or_else(|| format!("`{base}` is an address, and passkeys belong to a name; {remedy}"))?;
    if !origin.is_secure() && name != "localhost" && !name.ends_with(".localhost") {
        return Err(format!("browsers have passkeys only over https, and `{base}` is not; {remedy}"));
    }
    let url = Url::parse(base).map_err(|e| format!("`{base}` cannot be read: {e}"))?;
    let built = WebauthnBuilder::new(name, &url).and_then(|site| site.rp_name("Wicketgate").build());
    let party = built.map_err(|e| format!("`{base}` cannot have passkeys: {e}; {remedy}"))?;
    Ok(Site { party, name: name.to_owned() })
}

/// What an authenticator knows a principal by: always the same, and no name that it would have to store.
fn handle(key: &str) -> Uuid {
    let digest: [u8; 32] = Sha256::digest(key.as_bytes()).into();
    let mut half = [0; 16];
    half.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    Uuid::from_bytes(half)
}

fn note(one: &One) -> PasskeyNote {
    let id = URL_SAFE_NO_PAD.encode(one.key.cred_id());
    PasskeyNote { id, name: one.name.clone(), added_us: one.added_us, used_us: one.used_us, site: one.site.clone() }
}

fn refused(fault: &WebauthnError) -> StepUpFault {
    StepUpFault::Refused(fault.to_string())
}

fn read<T: serde::de::DeserializeOwned>(credential: &Value) -> Result<T, StepUpFault> {
    T::deserialize(credential).map_err(|e| StepUpFault::Refused(format!("it cannot be read: {e}")))
}

/// The options as `navigator.credentials` takes them under `publicKey`.
fn inner(options: &impl Serialize) -> Result<Value, StepUpFault> {
    let whole = serde_json::to_value(options).map_err(|e| StepUpFault::Refused(e.to_string()))?;
    whole.get("publicKey").cloned().ok_or_else(|| StepUpFault::Refused("there are no options".to_owned()))
}

#[cfg(test)]
mod tests;
