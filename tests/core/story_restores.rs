//! The second half of a story: other programs' writes, and restores with all that can come in between.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use splitmirror::engine::Control;
use splitmirror::error::{Error, Result};
use splitmirror::pair::{RestoreOptions, ResumeOptions};

use crate::model::{Bytes, Promise, difference, source};
use crate::story::{BLOCK, Story, Told, control, said};

impl Story {
    /// Another program writes the source, synced or not.
    pub(crate) fn native_writes(&mut self, count: usize, synced: bool) -> Told {
        self.now.source = None;
        self.facts.from(self.host.log_len(), vec![self.now.clone()]);
        for _ in 0..count {
            let length = self.random.below(2 * BLOCK as u64) as usize + 1;
            let offset = self.random.below((self.bytes.len() - length) as u64) as usize;
            let data = self.random.bytes(length);
            self.bytes[offset..offset + length].copy_from_slice(&data);
            self.host.native_write(&source(), offset as u64, &data);
        }
        self.native_end(synced)
    }

    /// Another program truncates or extends the source.
    pub(crate) fn native_length(&mut self, length: usize, synced: bool) -> Told {
        self.now.source = None;
        self.facts.from(self.host.log_len(), vec![self.now.clone()]);
        self.bytes.resize(length, 0);
        self.host.native_set_length(&source(), length as u64);
        self.native_end(synced)
    }

    /// Another program removes the source, durably.
    pub(crate) fn native_remove(&mut self) -> Told {
        self.now.source = None;
        self.facts.from(self.host.log_len(), vec![self.now.clone()]);
        self.bytes.clear();
        self.host.native_remove(&source());
        self.host.native_sync(Path::new("/data"));
        Ok(())
    }

    fn native_end(&mut self, synced: bool) -> Told {
        if synced {
            self.host.native_sync(&source());
            self.now.source = Some(self.shared());
        }
        self.facts.from(self.host.log_len(), vec![self.now.clone()]);
        Ok(())
    }

    /// What the source holds after a restore of these bytes, or of all.
    fn goal(&self, ranges: Option<&[(u64, u64)]>) -> Bytes {
        let point = self.now.mirror.clone().unwrap_or_default();
        let Some(ranges) = ranges else { return point };
        let mut goal = self.bytes.clone();
        for (offset, length) in ranges {
            let range = *offset as usize..(offset + length) as usize;
            if goal.len() < range.end {
                goal.resize(range.end, 0);
            }
            goal[range.clone()].copy_from_slice(&point[range]);
        }
        Arc::new(goal)
    }

    pub(crate) fn restore(&mut self, options: RestoreOptions) -> Told {
        let goal = self.goal(options.ranges.as_deref());
        self.bytes.clone_from(&goal);
        let pending = self.now.clone().with_goal(&goal);
        let after = self.now.clone().with_source(Some(&goal));
        self.tell("restore", vec![pending], after, |story| {
            let receipt = story.open_pair()?.restore(&options, &control())?;
            complete(receipt.complete && receipt.mirror_unchanged)
        })
    }

    /// A restore that is cancelled when it has written the source `writes` times.
    pub(crate) fn interrupted_restore(&mut self, options: RestoreOptions, writes: u64) -> Told {
        let goal = self.goal(options.ranges.as_deref());
        let after = self.now.clone().with_goal(&goal);
        let cancel = self.cancel_after(&source(), writes);
        let outcome = {
            let allowed = vec![self.now.clone(), after.clone()];
            self.facts.from(self.host.log_len(), allowed);
            let control = Control::new(vec![cancel]);
            let result = self.pair()?.restore(&options, &control);
            self.host.forget_hook();
            result
        };
        if !matches!(outcome, Err(Error::Cancelled { .. })) {
            return Err(format!("an interrupted restore: {outcome:?}"));
        }
        self.now = after.clone();
        self.facts.from(self.host.log_len(), vec![after]);
        self.bytes = self.host.contents(&source()).unwrap_or_default();
        self.redirected(&goal)
    }

    /// During a restore readers see what it will have brought.
    fn redirected(&mut self, goal: &Bytes) -> Told {
        let mut seen = vec![0; goal.len()];
        let volume = self.pair()?.volume().map_err(|error| said("read", &error))?;
        let read = volume.read(&mut seen, 0).map_err(|error| said("read", &error))?;
        if read != goal.len() || seen != **goal {
            return Err(format!("a redirected read: {}", difference(&seen[..read], goal)));
        }
        Ok(())
    }

    /// A write while a restore is pending, flushed or not.
    pub(crate) fn write_pending(&mut self, offset: usize, length: usize, flushed: bool) -> Told {
        let data = self.random.bytes(length);
        let Some(goal) = self.now.goal.clone() else { return Err("no restore is pending".into()) };
        let mut bytes = (*goal).clone();
        bytes[offset..offset + length].copy_from_slice(&data);
        let goal = Arc::new(bytes);
        let range = offset..offset + length;
        let loose = Promise {
            loose: self.now.loose.iter().cloned().chain([range]).collect(),
            ..self.now.clone().with_goal(&goal)
        };
        self.facts.from(self.host.log_len(), vec![loose.clone()]);
        let volume = self.pair()?.volume().map_err(|error| said("write", &error))?;
        volume.write(&data, offset as u64).map_err(|error| said("write", &error))?;
        let mut after = loose;
        if flushed {
            volume.flush().map_err(|error| said("flush", &error))?;
            let blocks = |range: Range<usize>| range.start / BLOCK..range.end.div_ceil(BLOCK);
            after.app_written.extend(after.loose.drain(..).flat_map(blocks));
        }
        self.now = after.clone();
        self.facts.from(self.host.log_len(), vec![after]);
        self.bytes = self.host.contents(&source()).unwrap_or_default();
        self.redirected(&goal)
    }

    pub(crate) fn resume_restore(&mut self) -> Told {
        let Some(goal) = self.now.goal.clone() else { return Err("no restore is pending".into()) };
        self.bytes.clone_from(&goal);
        let after = Promise { source: Some(goal), ..self.without_restore() };
        self.tell("resume_restore", vec![], after, |story| {
            let options = ResumeOptions::default();
            let receipt = story.open_pair()?.resume_restore(&options, &control())?;
            complete(receipt.complete && receipt.mirror_unchanged)
        })
    }

    fn without_restore(&self) -> Promise {
        Promise { goal: None, loose: Vec::new(), app_written: Vec::new(), ..self.now.clone() }
    }

    /// Gives the restore up: the source stays as it is.
    pub(crate) fn abandon_restore(&mut self) -> Told {
        let after = Promise { source: None, ..self.without_restore() };
        self.tell("abandon_restore", vec![], after, |story| {
            story.open_pair()?.abandon_restore().map(drop)
        })
    }
}

fn complete(complete: bool) -> Result<()> {
    if complete { Ok(()) } else { Err(Error::argument("restore", "the receipt says incomplete")) }
}
