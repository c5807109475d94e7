//! Policies as their authors wrote them, with what was found out about each: what a later bundle need not find out again.
//!
//! Everything kept here follows from a policy's own text and the vocabulary of grants, nothing from its neighbours, its
//! place in a file or the registry.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use cedar_policy::{Policy, PolicyId};

use super::author::Notes;
use super::needs::Needs;
use crate::digest::Digest;
use crate::fault::SourceFile;

/// One policy.
#[derive(Debug)]
pub(super) struct Examined {
    /// Of its text.
    pub(super) text: Digest,
    /// The byte at which it began in the text it was read from: findings count from there.
    pub(super) read_at: usize,
    /// As written, under its `@id`.
    pub(super) source: Policy,
    /// As compiled: with what `@approval` stands for.
    pub(super) compiled: Policy,
    /// What it says of itself.
    pub(super) notes: Notes,
    /// What its compiled form looks at.
    pub(super) needs: Needs,
    /// Of its compiled form as data.
    pub(super) digest: Digest,
}

impl Examined {
    pub(super) fn id(&self) -> &PolicyId {
        self.source.id()
    }
}

/// One policy and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    /// The file's number in its bundle.
    pub(super) file: usize,
    /// The byte at which it begins.
    pub(super) at: usize,
    pub(super) policy: Arc<Examined>,
}

/// What is known of the policies of one bundle.
#[derive(Debug, Default)]
pub(super) struct Known {
    grants: BTreeSet<String>,
    /// By the digest of a policy's own text.
    policies: HashMap<Digest, Arc<Examined>>,
    /// By the digest of a file's text: its policies, and where each begins.
    files: HashMap<Digest, Vec<(usize, Arc<Examined>)>>,
}

impl Known {
    /// Nothing yet, under this vocabulary.
    pub(super) fn under(grants: &BTreeSet<String>) -> Self {
        Self { grants: grants.clone(), ..Self::default() }
    }

    /// What holds under this vocabulary too.
    pub(super) fn usable(&self, grants: &BTreeSet<String>) -> Option<&Self> {
        (self.grants == *grants).then_some(self)
    }

    /// The policies of a file with this very text.
    pub(super) fn file(&self, file: &SourceFile) -> Option<&[(usize, Arc<Examined>)]> {
        self.files.get(&Digest::of_bytes(file.text.as_bytes())).map(Vec::as_slice)
    }

    /// The policy of this very text.
    pub(super) fn policy(&self, text: &str) -> Option<&Arc<Examined>> {
        self.policies.get(&Digest::of_bytes(text.as_bytes()))
    }

    /// Remembers a policy by its text.
    pub(super) fn learn(&mut self, written: &Arc<Examined>) {
        self.policies.insert(written.text, Arc::clone(written));
    }

    /// Remembers the policies of a file.
    pub(super) fn learn_file(&mut self, file: &SourceFile, placed: Vec<(usize, Arc<Examined>)>) {
        self.files.insert(Digest::of_bytes(file.text.as_bytes()), placed);
    }
}
