//! Who asks: the agent as authenticated, its teams, and the person and service it acts for.
//!
//! Never built from what a client says of itself: `clientInfo` is a claim (MCP 2026-07-28 forbids using it for security
//! decisions) and has no field here.

use serde::{Deserialize, Serialize};

/// An authenticated caller. The agent is Cedar's principal `Gate::Agent`. Members stand in the order records are written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Principal {
    /// The agent's name, unique within its tenant.
    pub agent: String,
    /// How it proved who it is, such as `token`.
    pub method: String,
    /// The teams it belongs to, Cedar's parents `Gate::Team`.
    #[serde(default)]
    pub teams: Vec<String>,
    /// The tenant; `default` where there is but one.
    pub tenant: String,
    /// The person it acts for; empty when it acts for nobody.
    #[serde(default)]
    pub user: String,
}

impl Principal {
    /// One string that is unique over tenants, for keys and for people.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}/{}", self.tenant, self.agent)
    }
}

/// The tenant of a principal's key.
#[must_use]
pub fn tenant_of(key: &str) -> Option<&str> {
    key.split_once('/').map(|(tenant, _)| tenant)
}
