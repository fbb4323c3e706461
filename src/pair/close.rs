//! Closing a pair: its mirror leaves the volume, or stays for the sake of the source's other pairs.

use std::sync::atomic::Ordering;

use super::Pair;
use crate::error::Result;

impl Pair {
    /// Ends the use of the pair; calling it again does nothing. A restore that is pending stays so, durably. In a
    /// forked child nothing is touched: the pair is the parent's.
    pub fn close(&self) -> Result<()> {
        if std::process::id() != self.process {
            return Ok(());
        }
        let _turn = loop {
            // A restore in the background pauses, durably: what is pending stays pending.
            self.pause_restore();
            let turn = self.verbs.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            // Another one may have been begun while this waited for its turn.
            if self.restore_job().is_none() {
                break turn;
            }
        };
        if self.closed.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.volume.leave(&self.leg)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        if let Err(error) = self.close() {
            log::error!(target: "splitmirror.pair", "closing {} failed: {error}", self.mirror_path().display());
        }
    }
}
