//! States, conditions, verbs and what is legal when: pure decisions, no I/O.

mod conditions;
mod reason;
mod states;
mod verbs;

pub use conditions::{Condition, Conditions};
pub use reason::{Consistency, Method, Reason};
pub use states::{Mode, State};
pub use verbs::{ACCEPTABLE, Refusal, Situation, Verb, check_guards, check_state, legal_verbs};
