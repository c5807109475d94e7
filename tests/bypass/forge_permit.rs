//! The root makes an Authorized.
//@ inside: lib.rs
//@ error: E0451
fn forge_permit(call: Call<Cleared>, server: Arc<pdp::registry::Server>, subject: stages::s2_classify::Subject) -> Call<Authorized> {
    call.advance(|_| Authorized { server, subject, obligations: Default::default() })
}
