//! Acts twice on one permit.
//@ inside: lib.rs
//@ error: E0382
async fn reuse_permit(call: Call<Credentialed>, gate: &Arc<Gate>) {
    let _once = s7_action::execute(call, &gate.ports).await;
    let _twice = s7_action::execute(call, &gate.ports).await;
}
