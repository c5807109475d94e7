//! Makes a proof that an intent was written.
//@ outside
//@ error: E0451
pub fn forge_receipt() -> pep::IntentReceipt {
    pep::IntentReceipt { number: 7 }
}
