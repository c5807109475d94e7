//! A reviewer's signature: Ed25519 (RFC 8032) over the canonical statement (RFC 8785) of what was reviewed.
//!
//! Where `reviewers.toml` lies in the registry, an entry that no known reviewer signed as it stands is withheld. Verifying
//! is pure; signing needs a private key and is the gateway's.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::{Signature, VerifyingKey};
use serde::Serialize;

use super::load::{stem, toml_fault};
use super::written::ReviewersFile;
use super::{Around, CredentialRule, Deliver, Misfit, Server, Tool, Transport};
use crate::digest::Digest;
use crate::effect::Effect;
use crate::fault::{Fault, SourceFile};
use crate::flow::{ServerFlow, ToolFlow};
use crate::label::LabelSet;
use crate::origin::Kinds;
use crate::snapshot::canonical_text;

/// What a public key or a signature begins with where it is written; its bytes follow in hexadecimal digits.
pub const KEY_PREFIX: &str = "ed25519:";

/// Reviewers and their public keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reviewers {
    keys: BTreeMap<String, Vec<[u8; 32]>>,
}

impl Reviewers {
    /// Reads `reviewers.toml`; nothing where there is none.
    pub(super) fn read(files: &[SourceFile], faults: &mut Vec<Fault>) -> Option<Self> {
        let file = files.iter().find(|file| stem(&file.path).1 == "reviewers.toml")?;
        let mut out = Self::default();
        let written: ReviewersFile = match toml::from_str(&file.text) {
            Ok(written) => written,
            Err(e) => {
                faults.push(toml_fault(file, &e));
                return Some(out);
            }
        };
        for (name, table) in written.reviewers {
            for key in &table.keys {
                let bytes = bytes::<32>(key.get_ref()).filter(|bytes| VerifyingKey::from_bytes(bytes).is_ok());
                match bytes {
                    Some(bytes) => out.keys.entry(name.clone()).or_default().push(bytes),
                    None => {
                        let words = format!("a key of `{name}` is no Ed25519 public key");
                        let remedy =
                            "write `ed25519:` and 64 hexadecimal digits, as `wicketgate registry keygen` prints it";
                        faults.push(Fault::at(file, key.span().start, words, remedy));
                    }
                }
            }
        }
        Some(out)
    }

    /// Whether this key is one of the reviewer's.
    #[must_use]
    pub fn has(&self, reviewer: &str, key: &[u8; 32]) -> bool {
        self.keys.get(reviewer).is_some_and(|keys| keys.contains(key))
    }

    /// Whether the tool bears its reviewer's signature.
    ///
    /// # Errors
    /// Why not, as the reason for which it is withheld.
    pub(super) fn check(&self, server: &Server, tool: &Tool) -> Result<(), String> {
        let (Some(review), Some(statement)) = (&tool.review, statement(server, tool)) else {
            return Err("it has no review that could be signed".to_owned());
        };
        let keys = self
            .keys
            .get(&review.by)
            .ok_or_else(|| format!("its reviewer `{}` is not in `reviewers.toml`", review.by))?;
        let Some(written) = &tool.signature else { return Err("its review is not signed".to_owned()) };
        let signature = bytes::<64>(written).map(|bytes| Signature::from_bytes(&bytes));
        let Some(signature) = signature else { return Err("its signature cannot be read".to_owned()) };
        let keys = keys.iter().filter_map(|key| VerifyingKey::from_bytes(key).ok());
        let signed = keys.into_iter().any(|key| key.verify_strict(statement.as_bytes(), &signature).is_ok());
        let words = "its signature is not its reviewer's over the entry as it stands";
        if signed { Ok(()) } else { Err(words.to_owned()) }
    }
}

/// What a signature stands for.
#[derive(Serialize)]
struct Statement<'a> {
    /// Keeps the signature from being taken for one over something else.
    is: &'static str,
    v: u32,
    server: &'a str,
    system: &'a str,
    transport: &'a Transport,
    open: &'a BTreeSet<String>,
    credential: &'a Option<CredentialRule>,
    tool: &'a str,
    pin: Digest,
    effects: Vec<Effect>,
    labels: &'a LabelSet,
    #[serde(skip_serializing_if = "ServerFlow::is_nothing")]
    server_flow: &'a ServerFlow,
    #[serde(skip_serializing_if = "ToolFlow::is_nothing")]
    flow: &'a ToolFlow,
    deliver: Deliver,
    output: Misfit,
    sensitive: Vec<&'a str>,
    /// Left out where nothing is said, so that reviews signed before there was such a thing still hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    sinks: Option<&'a BTreeSet<String>>,
    #[serde(skip_serializing_if = "Kinds::is_empty")]
    kinds: &'a Kinds,
    timeout_ms: u64,
    accepted_findings: Vec<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    around: Option<&'a Around>,
    reviewed_by: &'a str,
    reviewed_at: &'a str,
}

/// The canonical statement (RFC 8785) that a tool's reviewer signs: all that the review fixed, with the server's defaults
/// as they apply, and all that the server is reached with and opens beside its tools. Nothing for a tool without a review.
#[must_use]
pub fn statement(server: &Server, tool: &Tool) -> Option<String> {
    let review = tool.review.as_ref()?;
    let statement = Statement {
        is: "wicketgate registry review",
        v: 2,
        server: &server.name,
        system: &server.system,
        transport: &server.transport,
        open: &server.open,
        credential: &server.credential,
        tool: &tool.name,
        pin: tool.pin,
        effects: tool.effects.iter().copied().collect(),
        labels: &tool.labels,
        server_flow: &server.flow,
        flow: &tool.flow,
        deliver: tool.deliver,
        output: tool.misfit,
        sensitive: tool.sensitive.iter().map(String::as_str).collect(),
        sinks: tool.sinks.as_ref(),
        kinds: &tool.kinds,
        timeout_ms: tool.timeout_ms,
        accepted_findings: tool.accepted.iter().map(String::as_str).collect(),
        around: Some(&tool.around).filter(|around| !around.is_none()),
        reviewed_by: &review.by,
        reviewed_at: &review.at,
    };
    canonical_text(&statement).ok()
}

/// Bytes as they are written in the registry: `ed25519:` and hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(KEY_PREFIX.to_owned(), |text, byte| format!("{text}{byte:02x}"))
}

fn bytes<const N: usize>(written: &str) -> Option<[u8; N]> {
    let hex = written.strip_prefix(KEY_PREFIX)?;
    let digits =
        hex.len() == N.checked_mul(2)? && hex.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let pairs = (0..N).map(|n| u8::from_str_radix(hex.get(2 * n..2 * n + 2)?, 16).ok());
    let bytes: Vec<u8> = pairs.collect::<Option<_>>().filter(|_| digits)?;
    bytes.try_into().ok()
}
