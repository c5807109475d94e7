//! Labels an answer to a call that was never carried out.
//@ inside: lib.rs
//@ error: E0308
fn skip_action(call: Call<Credentialed>, gate: &Arc<Gate>) -> Result<Call<Labelled>, Stopped> {
    s8_outcome::label(call, &gate.ports)
}
