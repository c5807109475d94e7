//! The credential stage reads the secret that it lends.
//@ inside: stages/s6_credential.rs
//@ error: E0616
fn read_secret(secret: &Secret) -> String {
    secret.0.to_string()
}
