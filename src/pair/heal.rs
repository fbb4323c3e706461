//! `heal`: what the application wrote during a restore is restored too. Afterwards the source is the mirror's point
//! but for what was written since the restore ended.

use std::time::Instant;

use super::checks::Risks;
use super::report::Receipt;
use super::{Pair, ResumeOptions};
use crate::catalog::Scope;
use crate::engine::{Control, CopyPlan};
use crate::error::Result;
use crate::state::{Method, Reason, Verb};
use crate::volume::Pace;

impl Pair {
    /// Restores the blocks that the application wrote during the restore of a receipt, and no others.
    pub fn heal(
        &self,
        restore_id: &str,
        options: &ResumeOptions,
        control: &Control,
    ) -> Result<Receipt> {
        let begun = Instant::now();
        let _entered = self.enter(Verb::Restore, "restoring", false)?;
        self.check_skew(Verb::Restore, &options.accept, control)?;
        self.check_source_free(Risks {
            while_in_use: options.while_in_use,
            ignore_sidecars: options.ignore_sidecars,
        })?;
        self.volume.write_back_exports()?;
        let written = self.written_during(restore_id)?;
        let before = self.before(begun)?;
        let source = self.volume.source()?;
        source.writer()?;
        self.volume.ensure_session()?;
        let length = self.leg.catalog().record().length;
        let plan = CopyPlan {
            reason: Reason::AppWritten,
            method: Method::Copy,
            extents: written.extents(self.leg.block_size(), length),
            target_length: None,
            covers_all: false,
        };
        self.check_target(&plan)?;
        let start = self.start_restoring(Verb::Restore)?;
        let (restore, plan) = self.begin_pending(&source, plan, Scope::Blocks, None)?;
        drop(start);
        self.volume.invalidate_exports();
        let begun = super::pending::Begun { source, restore, plan, before, resumed: false };
        let outcome = self.copy_pending(&begun, Pace::Eager, control);
        self.finish_restore(&begun, outcome)
    }
}
