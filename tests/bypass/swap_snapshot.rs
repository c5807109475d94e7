//! Changes the law under a call.
//@ inside: stages/s5_approval.rs
//@ error: E0594
fn swap_snapshot(call: Call<Authorized>, law: Arc<pdp::snapshot::Snapshot>) {
    call.head().snapshot = law;
}
