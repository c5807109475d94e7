//! Forgets the third value.
//@ outside
//@ error: E0004
pub fn two_values(decision: pdp::decision::Decision) -> bool {
    match decision {
        pdp::decision::Decision::Allow(_) => true,
        pdp::decision::Decision::Deny(_) => false,
    }
}
