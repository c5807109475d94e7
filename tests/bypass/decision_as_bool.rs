//! A decision as a condition.
//@ outside
//@ error: E0308
pub fn decision_as_bool(decision: pdp::decision::Decision) -> u8 {
    if decision { 1 } else { 0 }
}
