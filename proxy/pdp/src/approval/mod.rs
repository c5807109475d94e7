//! Approvals as data: what they bind, who may give them, and the states of a request. Pure; who is asked, and where it is
//! kept, is the gateway's.

mod binding;
mod request;
mod rules;
mod state;
#[cfg(test)]
mod tests;

pub use binding::{Identity, Shown, binding};
pub use request::{Decided, Granting, Refusing, Request, StepFault, USES_MAX, When};
pub use rules::{Approvers, Asker, Barred, GrantRule, GrantRules};
pub use state::{Closed, Expired, Granted, Pending, Refused, Spent, State};
