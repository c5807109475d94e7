//! A reviewer's private key: made, kept in a file that only its owner may read, never shown.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use ed25519_dalek::{Signer as _, SigningKey};
use pdp::registry::hex;

/// What a key file holds before the key's 64 hexadecimal digits.
const HEAD: &str = "wicketgate-reviewer-key:";

/// A private key of Ed25519 (RFC 8032).
pub struct Key(SigningKey);

// Written by hand: a derived `Debug` would print the key.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({})", self.public_text())
    }
}

/// Why there is no key to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyFault {
    /// The file cannot be read, or not be written.
    #[error("the key file {path}: {cause}")]
    File {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// Others may read the file.
    #[error(
        "the key file {path} can be read by others (mode {mode:04o}): `chmod 600` it, and think about who has read it"
    )]
    Open {
        /// Which file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds no key.
    #[error("{0} holds no reviewer's key; make one with `wicketgate registry keygen`")]
    NoKey(PathBuf),
    /// The system has no randomness.
    #[error("no randomness can be had: {0}")]
    Entropy(String),
}

impl Key {
    /// Makes a new key.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, KeyFault> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(|e| KeyFault::Entropy(e.to_string()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Reads a key from a file that only its owner may read.
    ///
    /// # Errors
    /// When it cannot be read, others can read it, or it holds no key.
    pub fn read(path: &Path) -> Result<Self, KeyFault> {
        let fault = |cause| KeyFault::File { path: path.to_owned(), cause };
        // The open file is asked, not the path: what is checked is what is read.
        let mut file = std::fs::File::open(path).map_err(fault)?;
        let mode = file.metadata().map_err(fault)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyFault::Open { path: path.to_owned(), mode });
        }
        let mut text = String::new();
        std::io::Read::by_ref(&mut file).take(1024).read_to_string(&mut text).map_err(fault)?;
        let digits = text.trim().strip_prefix(HEAD);
        let seed = digits.and_then(crate::config::hex32).ok_or_else(|| KeyFault::NoKey(path.to_owned()))?;
        Ok(Self(SigningKey::from_bytes(&seed)))
    }

    /// Writes the key into a new file that only its owner may read. Never over what is there.
    ///
    /// # Errors
    /// When the file exists or cannot be written.
    pub fn write_new(&self, path: &Path) -> Result<(), KeyFault> {
        let fault = |cause| KeyFault::File { path: path.to_owned(), cause };
        let mut file =
            std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(fault)?;
        let digits = crate::config::hex(&self.0.to_bytes());
        file.write_all(format!("{HEAD}{digits}\n").as_bytes()).map_err(fault)
    }

    /// The public key.
    #[must_use]
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The public key as it stands in `reviewers.toml`.
    #[must_use]
    pub fn public_text(&self) -> String {
        hex(&self.public())
    }

    /// The signature over a statement, as it stands in an entry.
    #[must_use]
    pub fn sign(&self, statement: &str) -> String {
        hex(&self.0.sign(statement.as_bytes()).to_bytes())
    }
}
