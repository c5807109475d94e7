//! A stage says of an effect that it was attempted, without a durable intent.
//@ inside: stages/s5_approval.rs
//@ error: E0599
fn attempt_without_intent(entry: &mut crate::entry::OpenRecord) {
    entry.intended(&crate::stages::s9_audit::IntentReceipt::of(7));
}
