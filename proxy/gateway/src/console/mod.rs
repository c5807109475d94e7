//! The console's door: its assets, the sessions of browsers, passkeys. Served on the control listener; what the console
//! shows comes from the control API like everybody else's answers.
//!
//! It decides nothing and knows no pipeline. Routes over HTTP stand in `control`.

pub mod assets;
pub mod origin;
pub mod sessions;

pub use origin::Origin;
pub use sessions::Sessions;

/// What the control plane keeps for people who come with a browser.
#[derive(Debug)]
pub struct Console {
    /// Where it is reached.
    pub origin: Origin,
    /// Who is signed in.
    pub sessions: Sessions,
}
