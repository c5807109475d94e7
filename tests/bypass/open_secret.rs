//! Reads a secret.
//@ outside
//@ error: E0616
pub fn open_secret(secret: &pep::Secret) -> String {
    secret.0.to_string()
}
