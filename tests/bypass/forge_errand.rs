//! A stage passes a call off as the gate's own errand.
//@ inside: stages/s2_classify.rs
//@ error: E0451
fn forge_errand() -> crate::effect::Errand {
    crate::effect::Errand { what: pdp::record::Errand::Rollback, of: 7, span: String::new() }
}
