//! Calls a stage from another crate.
//@ outside
//@ error: E0603
pub fn direct_stage(frame: pep::Frame, gate: &std::sync::Arc<pep::ports::Gate>) {
    let _call = pep::stages::s1_intake::admit(frame, gate);
}
