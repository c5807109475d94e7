//! Credential: lends the call the one secret its server needs. The agent never sees it; the record has its name alone.

use std::collections::BTreeSet;
use std::sync::Arc;

use pdp::decision::Obligation;
use pdp::record::Direction;
use pdp::refusal::{Code, Refusal};
use pdp::registry::Server;

use crate::call::{Call, Stopped};
use crate::ports::Ports;
use crate::stages::s2_classify::Subject;
use crate::stages::s5_approval::Authorized;
use crate::stages::s7_action::Secret;

/// An authorized call holding its credential.
#[derive(Debug)]
pub struct Credentialed {
    server: Arc<Server>,
    subject: Subject,
    obligations: BTreeSet<Obligation>,
    secret: Option<Secret>,
}

impl Credentialed {
    pub(super) fn server(&self) -> &Arc<Server> {
        &self.server
    }

    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    pub(super) fn secret(&self) -> Option<&Secret> {
        self.secret.as_ref()
    }

    pub(super) fn obligations(&self) -> &BTreeSet<Obligation> {
        &self.obligations
    }

    pub(super) fn into_parts(self) -> (Arc<Server>, Subject, BTreeSet<Obligation>, Option<Secret>) {
        (self.server, self.subject, self.obligations, self.secret)
    }
}

/// Equips a call.
pub(crate) async fn equip(mut call: Call<Authorized>, ports: &Ports) -> Result<Call<Credentialed>, Stopped> {
    let lent = match (call.head().direction, call.state().subject().slip()) {
        // A frame to the client meets no server, and what is asked about a slip neither, so they are lent nothing.
        (Direction::ToClient, _) | (_, Some(_)) => Ok(None),
        (Direction::ToServer, None) => ports.vault.lend(call.state().server()).await,
    };
    let lent = match lent {
        Ok(lent) => lent,
        Err(why) => {
            let words = format!("the gate's credential for `{}` cannot be had: {why}", call.state().server().name);
            return Err(call.stop(Refusal::new(Code::CredentialUnavailable, words)));
        }
    };
    let secret = lent.map(|lent| {
        call.entry().write(|record| record.credential = Some(lent.reference));
        lent.secret
    });
    Ok(call.advance(|was: Authorized| {
        let (server, subject, obligations) = was.into_parts();
        Credentialed { server, subject, obligations, secret }
    }))
}
