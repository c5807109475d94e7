//! A decision out of nothing.
//@ outside
//@ error: E0277
pub fn default_decision() -> pdp::decision::Decision {
    Default::default()
}
