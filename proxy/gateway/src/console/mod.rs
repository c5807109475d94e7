//! The console's door: its assets, the sessions of browsers, passkeys. Served on the control listener; what the console
//! shows comes from the control API like everybody else's answers.
//!
//! It decides nothing and knows no pipeline. Routes over HTTP stand in `control`.

pub mod assets;
pub mod origin;
pub mod passkeys;
pub mod sessions;

use std::fmt::Debug;
use std::sync::Arc;

use pdp::digest::Digest;
use pdp::principal::Principal;
use serde_json::Value;

pub use origin::Origin;
pub use passkeys::{Passkeys, StepUpFault};
pub use sessions::Sessions;

/// What the control plane keeps for people who come with a browser.
#[derive(Debug)]
pub struct Console {
    /// Where it is reached.
    pub origin: Origin,
    /// Who is signed in.
    pub sessions: Sessions,
    /// By what they prove more than that.
    pub passkeys: Arc<Passkeys>,
}

/// A second proof that it is this person, of this one thing. Time is given in microseconds since 1970-01-01T00:00Z.
pub trait StepUp: Debug + Send + Sync {
    /// Asks for it: `PublicKeyCredentialRequestOptions`, whose challenge stands for this principal, this thing and its
    /// digest, once, for two minutes.
    ///
    /// # Errors
    /// When the principal has nothing to prove it by.
    fn begin(&self, principal: &Principal, what: &str, digest: Digest, now_us: i64) -> Result<Value, StepUpFault>;

    /// Checks the answer. The challenge is spent by it, also where it does not count.
    ///
    /// # Errors
    /// When it does not prove what was asked.
    fn finish(
        &self,
        principal: &Principal,
        what: &str,
        digest: Digest,
        credential: &Value,
        now_us: i64,
    ) -> Result<(), StepUpFault>;
}
