//! The edits the gate makes to what a server says: a label put in, a forged one taken out, an unreviewed tool left out,
//! text handed over as quoted evidence. Everything else stays byte for byte. Pure functions over text.

pub(crate) mod dress;
pub(crate) mod forged;
pub(crate) mod label;
pub(crate) mod listing;
pub(crate) mod passing;
pub(crate) mod quote;
