//! Long answers.
