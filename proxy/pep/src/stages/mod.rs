//! The nine stages, in the order a frame meets them.

pub(crate) mod s1_intake;
pub(crate) mod s2_classify;
pub(crate) mod s3_policy;
pub(crate) mod s4_guardrail;
pub(crate) mod s5_approval;
pub(crate) mod s6_credential;
pub(crate) mod s7_action;
pub(crate) mod s8_outcome;
pub(crate) mod s9_audit;
