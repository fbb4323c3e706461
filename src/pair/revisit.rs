//! At every verb: what stands at the two paths is compared with what is open, and conditions are set.

use std::path::Path;
use std::sync::Arc;

use super::Pair;
use crate::error::{Error, Result};
use crate::state::{Condition, Reason, State};
use crate::volume::Source;

impl Pair {
    /// Looks at both files anew. A source that was replaced is opened anew; a mirror that was is refused.
    pub(super) fn revisit(&self) -> Result<()> {
        self.revisit_source()?;
        let found = self.host().find(self.mirror_path())?;
        let found =
            found.ok_or_else(|| Error::NotFound { path: self.mirror_path().to_path_buf() })?;
        let record = self.leg.catalog().record().clone();
        if found.kind == crate::area::Kind::File && !found.stamp.same_file(&record.mirror.stamp) {
            return Err(Error::MovedPair {
                path: self.mirror_path().to_path_buf(),
                problem: "another file stands at its path".into(),
            });
        }
        let mut conditions = record.conditions.clone();
        if record.state == State::Split && !found.stamp.same_content(&record.mirror.stamp) {
            conditions.set(Condition::MirrorSkewed);
        }
        // While it is neither followed by a session nor being established, nobody has a reason to write it.
        let followed = record.state == State::Synchronized && !self.volume.has_session()
            || record.state == State::Unsynchronized;
        if let Ok(source) = self.volume.source() {
            if followed
                && !found.stamp.same_content(&record.mirror.stamp)
                && !self.leg.is_recovered()
            {
                // We have not written it since, so somebody else has.
                self.leg.belief().lose(Reason::Compare);
            }
            conditions.note(record.state, self.leg.doubt(&source));
        }
        if conditions != record.conditions {
            let names = conditions.names();
            log::info!(target: "splitmirror.pair", "{}: {}", self.mirror_path().display(), names.join(", "));
            let mut catalog = self.leg.catalog();
            catalog.commit(|record| record.conditions = conditions)?;
            catalog.note("conditions", serde_json::json!({"conditions": names}));
        }
        Ok(())
    }

    fn revisit_source(&self) -> Result<()> {
        let found = self.host().find(self.source_path())?;
        let open = self.volume.look(|phase| phase.source.clone());
        let same = match (&found, &open) {
            (None, None) => true,
            (Some(found), Some(open)) => open.stamp()?.same_file(&found.stamp),
            _ => false,
        };
        let read_only = open.as_ref().is_some_and(|open| open.writer().is_err());
        if same && read_only && self.host().check_writable(self.source_path()).is_ok() {
            self.reopen_for_writing()?;
        } else if !same {
            // Whatever the new file is, it is not the one that was watched.
            self.volume.replace_source(self.find_source()?)?;
        }
        Ok(())
    }
}

impl Pair {
    /// The source could only be read when it was opened (it was mounted, say); perhaps it can be written now.
    fn reopen_for_writing(&self) -> Result<()> {
        match self.find_source()?.filter(|source| source.writer().is_ok()) {
            Some(source) => self.volume.replace_source(Some(source)),
            None => Ok(()),
        }
    }

    fn find_source(&self) -> Result<Option<Arc<Source>>> {
        let legs = self.volume.legs();
        let mirrors: Vec<&Path> = legs.iter().map(|leg| leg.mirror_path()).collect();
        Source::find(self.host(), self.source_path(), self.leg.mode(), &mirrors)
    }
}
