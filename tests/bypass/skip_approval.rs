//! Lends a secret to a call that nobody authorized.
//@ inside: lib.rs
//@ error: E0308
async fn skip_approval(call: Call<Cleared>, gate: &Arc<Gate>) -> Result<Call<Credentialed>, Stopped> {
    s6_credential::equip(call, &gate.ports).await
}
