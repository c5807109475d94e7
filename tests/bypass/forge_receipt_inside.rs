//! The action stage makes its own proof that an intent was written.
//@ inside: stages/s7_action.rs
//@ error: E0451
fn forge_receipt() -> IntentReceipt {
    IntentReceipt { number: 7 }
}
