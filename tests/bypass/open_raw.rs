//! The audit stage opens what the upstream said.
//@ inside: stages/s9_audit.rs
//@ error: E0616
fn open_raw(call: Call<crate::stages::s7_action::Executed>, raw: crate::stages::s8_outcome::Raw) {
    let _sealed = raw.0;
    let _call = call;
}
