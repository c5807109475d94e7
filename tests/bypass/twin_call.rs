//! Copies a call.
//@ inside: lib.rs
//@ error: E0277
fn twin_call(call: Call<Credentialed>) -> (Call<Credentialed>, Call<Credentialed>) {
    (Call::clone(&call), call)
}
