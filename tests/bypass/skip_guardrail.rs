//! Goes to approval without having been cleared.
//@ inside: lib.rs
//@ error: E0308
async fn skip_guardrail(call: Call<Judged>, gate: &Arc<Gate>) -> Result<Call<Authorized>, Stopped> {
    s5_approval::authorize(call, &gate.ports).await
}
