//! At every verb: what stands at the two paths is compared with what is open, and conditions are set.

use super::Pair;
use super::open::open_source;
use crate::error::{Error, Result};
use crate::state::{Condition, Conditions, Reason, State};

impl Pair {
    /// Looks at both files anew. A source that was replaced is opened anew; a mirror that was is refused.
    pub(super) fn revisit(&self) -> Result<()> {
        self.revisit_source()?;
        let found = self.host().find(&self.mirror_path)?;
        let found = found.ok_or_else(|| Error::NotFound { path: self.mirror_path.clone() })?;
        let record = self.volume.catalog().record().clone();
        if found.kind == crate::area::Kind::File && !found.stamp.same_file(&record.mirror.stamp) {
            return Err(Error::MovedPair {
                path: self.mirror_path.clone(),
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
            if followed && !found.stamp.same_content(&record.mirror.stamp) {
                // We have not written it since, so somebody else has.
                source.tracker().lose(Reason::Compare);
            }
            note_doubt(&mut conditions, record.state, source.tracker().doubt());
        }
        if conditions != record.conditions {
            let names = conditions.names();
            log::info!(target: "splitmirror.pair", "{}: {}", self.mirror_path.display(), names.join(", "));
            let mut catalog = self.volume.catalog();
            catalog.commit(|record| record.conditions = conditions)?;
            catalog.note("conditions", serde_json::json!({"conditions": names}));
        }
        Ok(())
    }

    fn revisit_source(&self) -> Result<()> {
        let found = self.host().find(&self.source_path)?;
        let open = self.volume.look(|phase| phase.source.clone());
        let same = match (&found, &open) {
            (None, None) => true,
            (Some(found), Some(open)) => open.stamp()?.same_file(&found.stamp),
            _ => false,
        };
        let read_only = open.as_ref().is_some_and(|open| open.writer().is_err());
        if same && read_only && self.host().check_writable(&self.source_path).is_ok() {
            self.reopen_for_writing()?;
        } else if !same {
            let record = self.volume.catalog().record().clone();
            let source = open_source(self.host(), &self.source_path, &self.mirror_path, &record)?;
            if let Some(source) = &source {
                // Whatever the new file is, it is not the one that was watched.
                source.tracker().lose(Reason::OutsideWrites);
            }
            self.volume.set_source(source);
        }
        Ok(())
    }
}

impl Pair {
    /// The source could only be read when it was opened (it was mounted, say); perhaps it can be written now.
    fn reopen_for_writing(&self) -> Result<()> {
        let record = self.volume.catalog().record().clone();
        let source = open_source(self.host(), &self.source_path, &self.mirror_path, &record)?;
        if let Some(source) = source.filter(|source| source.writer().is_ok()) {
            source.tracker().lose(Reason::OutsideWrites);
            self.volume.set_source(Some(source));
        }
        Ok(())
    }
}

fn note_doubt(conditions: &mut Conditions, state: State, doubt: Option<Reason>) {
    if state == State::Initialized {
        return;
    }
    match doubt {
        Some(Reason::SourceReplaced) => conditions.set(Condition::SourceReplaced),
        Some(Reason::OutsideWrites | Reason::MissedEpoch) => {
            conditions.set(Condition::OutsideWrites)
        }
        Some(Reason::UncleanClose | Reason::Rebooted | Reason::Compare) => {
            conditions.set(Condition::TrackerLost)
        }
        // Nobody can tell at the moment; that is shown as such, and is no lasting condition.
        _ => false,
    };
}
