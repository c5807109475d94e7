//! A decision out of a boolean.
//@ outside
//@ error: E0277
pub fn decision_from_bool(yes: bool) -> pdp::decision::Decision {
    yes.into()
}
