//! Acts without its credential.
//@ inside: lib.rs
//@ error: E0308
async fn skip_credential(call: Call<Authorized>, gate: &Arc<Gate>) -> Result<Call<Executed>, Stopped> {
    s7_action::execute(call, &gate.ports).await
}
