//! `hold` and `release`: a split mirror on hold refuses to be established, detached or overwritten.

use super::report::Status;
use super::{Pair, check_text};
use crate::error::Result;
use crate::state::Verb;

impl Pair {
    /// Puts the mirror on hold; a second hold replaces the reason.
    pub fn hold(&self, reason: Option<&str>) -> Result<Status> {
        check_text("reason", reason)?;
        self.set_hold(Verb::Hold, Some(reason.unwrap_or("").to_owned()))
    }

    /// Takes the hold away.
    pub fn release(&self) -> Result<Status> {
        self.set_hold(Verb::Release, None)
    }

    fn set_hold(&self, verb: Verb, hold: Option<String>) -> Result<Status> {
        let entered = self.enter(verb, "idle", false)?;
        {
            let mut catalog = self.leg.catalog();
            catalog.commit(|record| record.hold.clone_from(&hold))?;
            catalog.note(verb.name(), serde_json::json!({"reason": hold}));
        }
        drop(entered);
        self.status()
    }
}
