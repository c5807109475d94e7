//! What the world sees of a call. Effects are action groups in Cedar, so that proofs over groups bite.

use serde::{Deserialize, Serialize};

/// The class of an effect, as the registry's reviewer judged it; never as a server claims it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// Nothing changes and nothing leaves.
    Read,
    /// Something changes that can be changed back.
    Write,
    /// Something changes that cannot be changed back.
    Destructive,
    /// Data leaves to a place the caller chose; fetching a URL the agent chose is egress.
    Egress,
    /// Money or another counted good is spent.
    Spend,
    /// Something is read from an agent's memory.
    MemoryRead,
    /// Something is written to an agent's memory.
    MemoryWrite,
    /// Code runs.
    Execute,
}

impl Effect {
    /// Every effect, in the order the documentation lists them.
    pub const ALL: [Self; 8] = [
        Self::Read,
        Self::Write,
        Self::Destructive,
        Self::Egress,
        Self::Spend,
        Self::MemoryRead,
        Self::MemoryWrite,
        Self::Execute,
    ];

    /// The name in Cedar and in the registry.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Destructive => "destructive",
            Self::Egress => "egress",
            Self::Spend => "spend",
            Self::MemoryRead => "memory_read",
            Self::MemoryWrite => "memory_write",
            Self::Execute => "execute",
        }
    }

    /// Whether a call of this class leaves the world as it was, so that its intent need not be on disk first.
    #[must_use]
    pub fn is_harmless(self) -> bool {
        match self {
            Self::Read | Self::MemoryRead => true,
            Self::Write | Self::Destructive | Self::Egress | Self::Spend | Self::MemoryWrite | Self::Execute => false,
        }
    }
}
