//! A call out of nothing.
//@ inside: lib.rs
//@ error: E0277
fn default_call() -> Call<Authorized> {
    Default::default()
}
