//! The names of the Cedar model, parsed once when a snapshot is built.

use std::str::FromStr;

use cedar_policy::{EntityId, EntityTypeName, EntityUid, ParseErrors};

use crate::principal::Principal;

/// The entity types of the namespace `Gate`.
#[derive(Debug, Clone)]
pub(super) struct Names {
    agent: EntityTypeName,
    team: EntityTypeName,
    system: EntityTypeName,
    server: EntityTypeName,
    action: EntityTypeName,
    label: EntityTypeName,
    grant: EntityTypeName,
}

impl Names {
    /// Parses the names.
    ///
    /// # Errors
    /// Never in practice: the names are constants.
    pub(super) fn new() -> Result<Self, Box<ParseErrors>> {
        let of = |kind: &str| EntityTypeName::from_str(&format!("Gate::{kind}")).map_err(Box::new);
        Ok(Self {
            agent: of("Agent")?,
            team: of("Team")?,
            system: of("System")?,
            server: of("Server")?,
            action: of("Action")?,
            label: of("Label")?,
            grant: of("Grant")?,
        })
    }

    /// `Gate::Agent::"<agent>"`, with the tenant before it where it is not the only one.
    pub(super) fn agent(&self, principal: &Principal) -> EntityUid {
        let id = if principal.tenant == "default" { principal.agent.clone() } else { principal.key() };
        uid(&self.agent, &id)
    }

    pub(super) fn team(&self, id: &str) -> EntityUid {
        uid(&self.team, id)
    }

    pub(super) fn system(&self, id: &str) -> EntityUid {
        uid(&self.system, id)
    }

    pub(super) fn server(&self, id: &str) -> EntityUid {
        uid(&self.server, id)
    }

    pub(super) fn action(&self, id: &str) -> EntityUid {
        uid(&self.action, id)
    }

    pub(super) fn label(&self, id: &str) -> EntityUid {
        uid(&self.label, id)
    }

    pub(super) fn grant(&self, id: &str) -> EntityUid {
        uid(&self.grant, id)
    }
}

/// The action of a tool: `<namespace>::Action::"<tool>"`.
pub(super) fn tool_action(namespace: &str, tool: &str) -> Result<EntityUid, Box<ParseErrors>> {
    let kind = EntityTypeName::from_str(&format!("{namespace}::Action")).map_err(Box::new)?;
    Ok(uid(&kind, tool))
}

fn uid(kind: &EntityTypeName, id: &str) -> EntityUid {
    EntityUid::from_type_name_and_id(kind.clone(), EntityId::new(id))
}
