//! Clears a call before it is judged.
//@ inside: lib.rs
//@ error: E0308
fn reorder(call: Call<Proposed>, gate: &Arc<Gate>) -> Result<Call<Cleared>, Stopped> {
    s4_guardrail::clear(call, &gate.ports)
}
