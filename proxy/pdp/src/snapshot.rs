//! One immutable bundle: registry, schema and policies, built whole, with one digest.
//!
//! A bundle that does not build changes nothing. The digest is over a canonical projection, so that a comment does not
//! change it and a changed rule does. This module does not know where bundles come from nor how they are swapped.

use std::sync::{Arc, LazyLock};

use serde::Serialize;

use crate::digest::Digest;
use crate::fault::{Fault, SourceFile};
use crate::json::{self, Json};
use crate::policy::{self, Judgement, Policies, Query};
use crate::registry::{self, Registry, Server};

/// The files of a bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// `policies/**/*.cedar`.
    pub policies: Vec<SourceFile>,
    /// `registry/**`.
    pub registry: Vec<SourceFile>,
}

/// Everything a call is judged by.
#[derive(Debug)]
pub struct Snapshot {
    registry: Registry,
    policies: Policies,
    digest: Digest,
    notes: Vec<Fault>,
}

impl Snapshot {
    /// Builds a snapshot, or says everything that keeps it from being built.
    ///
    /// # Errors
    /// Every fault of the registry; if there is none, every fault of the policies.
    pub fn build(sources: &Sources) -> Result<Self, Vec<Fault>> {
        Self::rebuild(sources, None)
    }

    /// Builds a snapshot as [`Self::build`] does, in less time: what `before` found out and still holds is taken over.
    ///
    /// # Errors
    /// As [`Self::build`].
    pub fn rebuild(sources: &Sources, before: Option<&Self>) -> Result<Self, Vec<Fault>> {
        let registry = registry::load_on(&sources.registry, before.map(Self::registry));
        let registry = match registry {
            Ok(registry) => registry,
            Err(mut faults) => {
                // The policies are still read against an empty registry for the faults that need none: syntax, names. It has
                // the words every vocabulary has: without any, there is no schema to read them by.
                let empty = registry::load(&[]).unwrap_or_default();
                let alone = Policies::load(&sources.policies, &empty, None).err().unwrap_or_default();
                faults.extend(alone.into_iter().filter(|f| is_of_writing(&f.message)));
                return Err(faults);
            }
        };
        let policies = Policies::load(&sources.policies, &registry, before.map(Self::policies))?;
        let digest = digest(&registry, &policies);
        let mut notes = withheld(&registry);
        notes.extend(unseen(&registry));
        notes.extend(policies.warnings().iter().cloned());
        Ok(Self { registry, policies, digest, notes })
    }

    /// A snapshot in which nothing exists and nothing is allowed. It stands in for one that a frame has no more need of.
    #[must_use]
    pub fn nothing() -> Option<Arc<Self>> {
        static NOTHING: LazyLock<Option<Arc<Snapshot>>> = LazyLock::new(|| {
            let text = "@id(\"nothing\") forbid (principal, action, resource);".to_owned();
            let policies = vec![SourceFile { path: "nothing.cedar".to_owned(), text }];
            Snapshot::build(&Sources { policies, registry: Vec::new() }).ok().map(Arc::new)
        });
        NOTHING.clone()
    }

    /// The digest that stands on every decision and record.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// What exists.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What is allowed.
    #[must_use]
    pub fn policies(&self) -> &Policies {
        &self.policies
    }

    /// The server of this name.
    #[must_use]
    pub fn server(&self, name: &str) -> Option<&Arc<Server>> {
        self.registry.server(name)
    }

    /// What an operator should know though it is no fault: withheld tools, the validator's warnings.
    #[must_use]
    pub fn notes(&self) -> &[Fault] {
        &self.notes
    }

    /// Judges one question.
    #[must_use]
    pub fn judge(&self, query: Query<'_>) -> Judgement {
        self.policies.judge(query)
    }
}

fn is_of_writing(message: &str) -> bool {
    ["unexpected", "@id", "annotation", "the name", "template"].iter().any(|word| message.contains(word))
}

fn withheld(registry: &Registry) -> Vec<Fault> {
    let mut notes = Vec::new();
    for server in registry.servers.values() {
        if let Some(why) = &server.closed {
            let words = format!("nothing reaches `{}`: it is {why}", server.name);
            notes.push(Fault::of_file(&format!("servers/{}.toml", server.name), words, ""));
        }
        for tool in server.tools.values() {
            if let Some(why) = &tool.withheld {
                let file = format!("servers/{}.toml", server.name);
                notes.push(Fault::of_file(&file, format!("`{}` is withheld: {why}", tool.name), ""));
            }
        }
        for tool in &server.unscanned {
            let words = format!("`{tool}` is named, and no scan has seen it (it has no `pin`)");
            notes.push(Fault::of_file(&format!("servers/{}.toml", server.name), words, ""));
        }
    }
    notes
}

/// How many tools of one server are told of one by one, and how many arguments of one tool.
const TOLD_MAX: usize = 6;

/// The arguments that policies cannot see by value: each once, and no more than a person reads.
fn unseen(registry: &Registry) -> Vec<Fault> {
    let mut notes = Vec::new();
    for server in registry.servers.values() {
        let file = format!("servers/{}.toml", server.name);
        let reviewed = server.tools.values().filter(|tool| tool.withheld.is_none());
        let blind: Vec<_> =
            reviewed.map(|tool| (tool, tool.shape.unseen())).filter(|(_, all)| !all.is_empty()).collect();
        for (tool, all) in blind.iter().take(TOLD_MAX) {
            let mut told: Vec<String> =
                all.iter().take(TOLD_MAX).map(|part| format!("{} ({})", part.path, part.why)).collect();
            if let Some(more) = all.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
                told.push(format!("{more} more"));
            }
            let words = format!("policies cannot see in `{}`: {}", tool.name, told.join(", "));
            notes.push(Fault::of_file(&file, words, ""));
        }
        if let Some(more) = blind.len().checked_sub(TOLD_MAX).filter(|more| *more > 0) {
            let words = format!("policies cannot see arguments of {more} more tools; the generated schema names them");
            notes.push(Fault::of_file(&file, words, ""));
        }
    }
    notes
}

#[derive(Serialize)]
struct Projection<'a> {
    version: u32,
    servers: &'a std::collections::BTreeMap<String, Arc<Server>>,
    labels: &'a std::collections::BTreeSet<String>,
    grants: &'a std::collections::BTreeSet<String>,
    profiles: &'a std::collections::BTreeMap<String, Arc<crate::task::Profile>>,
    schema: &'a str,
    policies: std::collections::BTreeMap<String, Digest>,
}

fn digest(registry: &Registry, policies: &Policies) -> Digest {
    let projection = Projection {
        version: 3,
        servers: &registry.servers,
        labels: &registry.labels,
        grants: &registry.grants,
        profiles: &registry.profiles,
        schema: &policy::without_comments(policies.schema_text()),
        policies: policies.projection(),
    };
    let text = serde_json::to_string(&projection).unwrap_or_default();
    Digest::of_json(&text).unwrap_or_else(|_| Digest::of_bytes(text.as_bytes()))
}

/// A value as canonical JSON text (RFC 8785).
///
/// # Errors
/// When the value cannot be written as JSON.
pub fn canonical_text(value: &impl Serialize) -> Result<String, serde_json::Error> {
    let text = serde_json::to_string(value)?;
    Ok(Json::read(&text, crate::digest::DEPTH_MAX).map_or(text.clone(), |value| json::canonical(&value)))
}

#[cfg(test)]
mod tests;
