//! Verbs during which the application writes at the worst moment, which a hook of the simulated machine finds.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use splitmirror::engine::{Cancel, Control};
use splitmirror::error::Error;
use splitmirror::pair::{EstablishOptions, SplitOptions};
use splitmirror::sim::{Calls, Change, Failure};
use splitmirror::state::State;

use crate::model::{Promise, mirror};
use crate::story::{BLOCK, Story, Told, control, said};

/// What an application's write of a block brings.
const BYTES: usize = 700;

/// The writes that a hook has still to make, and those that it has made.
#[derive(Default)]
struct Writes {
    left: Vec<usize>,
    done: Vec<usize>,
}

impl Story {
    /// Writes into `blocks`, all of them, when something for the first time is as `now` says. They cannot be promised
    /// to anybody; the bytes are known.
    fn write_when(
        &self,
        blocks: &[usize],
        now: impl Fn(&Change) -> bool + Send + Sync + 'static,
        before: impl Fn() + Send + Sync + 'static,
    ) -> Arc<Mutex<Writes>> {
        let writes = Arc::new(Mutex::new(Writes { left: blocks.to_vec(), ..Writes::default() }));
        let (hooked, pair, busy) = (writes.clone(), self.pair.clone(), AtomicBool::new(false));
        self.host.on_change(move |change| {
            if !now(change) || busy.swap(true, Ordering::Relaxed) {
                return;
            }
            before();
            let mut writes = hooked.lock().unwrap();
            for block in std::mem::take(&mut writes.left) {
                let volume = pair.as_ref().and_then(|pair| pair.volume().ok());
                let offset = (block * BLOCK) as u64;
                if volume.is_some_and(|volume| volume.write(&[block as u8; BYTES], offset).is_ok())
                {
                    writes.done.push(block);
                }
            }
        });
        writes
    }

    /// Takes over what a hook has written.
    fn written_when(&mut self, writes: &Mutex<Writes>) -> Told {
        self.host.forget_hook();
        let writes = writes.lock().unwrap();
        if !writes.left.is_empty() || writes.done.is_empty() {
            return Err("the moment of the writes did not come".into());
        }
        for block in &writes.done {
            self.bytes[block * BLOCK..block * BLOCK + BYTES].fill(*block as u8);
        }
        Ok(())
    }

    /// A split; the application writes when the point is taken, before the mirror is synced.
    pub(crate) fn split_under_writes(&mut self, blocks: &[usize]) -> Told {
        let inode = self.host.inode(&mirror());
        let synced = move |change: &Change| matches!(change, Change::SyncAll { inode: of } if Some(*of) == inode);
        let after = self.now.in_state(State::Split).with_mirror(&self.shared()).with_source(None);
        let before = Promise { mirror: None, ..self.now.clone() }.with_source(None);
        self.facts.from(self.host.log_len(), vec![before, after.clone()]);
        let writes = self.write_when(blocks, synced, || ());
        let split = self.pair()?.split(&SplitOptions::default());
        self.written_when(&writes)?;
        split.map_err(|error| said("split", &error))?;
        self.now = after;
        self.facts.from(self.host.log_len(), vec![self.now.clone()]);
        self.look("split under writes")
    }

    /// An establish that the application writes into when the first batch is on stable storage, and that is then
    /// cancelled.
    pub(crate) fn interrupted_establish_under_writes(&mut self, blocks: &[usize]) -> Told {
        let (cancel, folder) = (Cancel::default(), crate::model::catalog().join("catalog"));
        let (inner, inode, mirrored) =
            (cancel.clone(), self.host.inode(&folder), AtomicBool::new(false));
        let mirror = self.host.inode(&mirror());
        let synced = move |change: &Change| match change {
            Change::Sync { inode: of } if Some(*of) == mirror => {
                mirrored.store(true, Ordering::Relaxed);
                false
            }
            Change::Sync { inode: of } => Some(*of) == inode && mirrored.load(Ordering::Relaxed),
            _ => false,
        };
        let after = self.now.in_state(State::Unsynchronized).with_source(None);
        self.facts.from(self.host.log_len(), vec![self.now.clone(), after.clone()]);
        let writes = self.write_when(blocks, synced, move || inner.cancel());
        let control = Control::new(vec![cancel]);
        let result = self.pair()?.establish(&EstablishOptions::default(), &control);
        self.written_when(&writes)?;
        if !matches!(result, Err(Error::Cancelled { .. })) {
            return Err(format!("an interrupted establish: {result:?}"));
        }
        self.now = after;
        self.facts.from(self.host.log_len(), vec![self.now.clone()]);
        self.look("an interrupted establish")
    }

    /// An establish during which a write does not reach the mirror, right before the first batch is synced.
    pub(crate) fn failing_establish(&mut self, offset: usize) -> Told {
        let (host, inode) = (self.host.clone(), self.host.inode(&mirror()));
        let synced = move |change: &Change| matches!(change, Change::Sync { inode: of } if Some(*of) == inode);
        let failing = move || {
            let path: PathBuf = mirror();
            let once =
                Failure { path, calls: Calls::Changes, nth: 1, errno: libc::EIO, for_ever: false };
            host.fail(once);
        };
        let after = self.now.in_state(State::Unsynchronized).with_source(None);
        self.facts.from(self.host.log_len(), vec![self.now.clone(), after.clone()]);
        let writes = self.write_when(&[offset / BLOCK], synced, failing);
        let result = self.pair()?.establish(&EstablishOptions::default(), &control());
        self.written_when(&writes)?;
        self.host.clear_failures();
        if result.is_ok() {
            return Err("an establish of a mirror that failed".into());
        }
        self.now = after;
        self.facts.from(self.host.log_len(), vec![self.now.clone()]);
        self.look("a failing establish")
    }
}
