//! The registry's files as written: the TOML shapes, before any meaning is given to them.
//!
//! Unknown members are refused, so that a typo is a fault and not a silent default.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerFile {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) owner: String,
    pub(super) system: Option<String>,
    #[serde(default)]
    pub(super) labels: Vec<Spanned<String>>,
    pub(super) deliver: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) open: Vec<Spanned<String>>,
    pub(super) timeout_ms: Option<Spanned<u64>>,
    pub(super) transport: Spanned<TransportTable>,
    pub(super) credential: Option<Spanned<CredentialTable>>,
    pub(super) identity: Option<IdentityTable>,
    pub(super) retired_at: Option<String>,
    pub(super) retired_why: Option<String>,
    #[serde(default)]
    pub(super) tools: BTreeMap<String, Spanned<ToolTable>>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum TransportTable {
    Stdio {
        command: String,
        #[serde(default)]
        args: Vec<String>,
        #[serde(default)]
        env: BTreeMap<String, String>,
        #[serde(default)]
        env_from: Vec<String>,
        cwd: Option<String>,
    },
    Http {
        url: String,
    },
    Sse {
        url: String,
    },
    Builtin {
        server: String,
    },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialTable {
    pub(super) env: Option<String>,
    pub(super) file: Option<String>,
    pub(super) header: Option<String>,
    pub(super) prefix: Option<String>,
    pub(super) variable: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ToolTable {
    #[serde(default)]
    pub(super) effect: Vec<Spanned<String>>,
    pub(super) labels: Option<Vec<Spanned<String>>>,
    pub(super) deliver: Option<Spanned<String>>,
    pub(super) pin: Spanned<String>,
    pub(super) reviewed_by: Option<String>,
    pub(super) reviewed_at: Option<String>,
    #[serde(default)]
    pub(super) sensitive: Vec<String>,
    pub(super) timeout_ms: Option<Spanned<u64>>,
    pub(super) output: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) accepted_findings: Vec<Spanned<String>>,
    pub(super) signature: Option<String>,
    pub(super) retired_at: Option<String>,
    pub(super) retired_why: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IdentityTable {
    pub(super) is: String,
    pub(super) claimed_name: Option<String>,
    pub(super) claimed_version: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewersFile {
    #[serde(default)]
    pub(super) reviewers: BTreeMap<String, ReviewerTable>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReviewerTable {
    pub(super) keys: Vec<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VocabularyFile {
    #[serde(default)]
    pub(super) labels: Vec<String>,
    #[serde(default)]
    pub(super) grants: Vec<String>,
}
