//! A sibling makes an order to an upstream.
//@ inside: stages/s8_outcome.rs
//@ error: E0451
fn forge_dispatch(was: crate::stages::s7_action::Dispatch, receipt: crate::stages::s9_audit::IntentReceipt) -> crate::stages::s7_action::Dispatch {
    crate::stages::s7_action::Dispatch { receipt, ..was }
}
