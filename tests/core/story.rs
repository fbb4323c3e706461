//! A story: verbs on one pair of a simulated machine, with what must be found after a power cut at any moment of it.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use splitmirror::area::{Host, Order};
use splitmirror::engine::{Cancel, Control};
use splitmirror::error::{Error, Result};
use splitmirror::pair::{
    AdoptOptions, ArrayView, CreateOptions, EstablishOptions, OpenOptions, Pair, RefreshOptions,
    SplitOptions,
};
use splitmirror::sim::{Change, Random, SimHost};
use splitmirror::state::{Mode, State};
use splitmirror::units::BlockSize;
use splitmirror::volume::Settings;

use crate::model::{Bytes, Facts, Promise, catalog, difference, mirror, source};

pub(crate) const BLOCK: usize = 4096;

/// One thread, so that a seed repeats a run, and progress that is durable after every other block.
/// The intent log is small, so that regions have to leave it all the time.
pub(crate) const SETTINGS: Settings = Settings {
    workers: 1,
    batch_bytes: 2 * BLOCK as u64,
    region_bytes: 2 * BLOCK as u64,
    region_slots: 8,
    background: false,
};

/// What went wrong in a story itself, without any power cut.
pub(crate) type Told = std::result::Result<(), String>;

pub(crate) struct Story {
    pub(crate) host: SimHost,
    pub(crate) facts: Facts,
    pub(crate) mode: Mode,
    pub(crate) pair: Option<Arc<Pair>>,
    /// Memory that the program holds.
    pub(crate) arrays: Vec<ArrayView>,
    pub(crate) now: Promise,
    /// The source's bytes as a reader sees them.
    pub(crate) bytes: Vec<u8>,
    pub(crate) random: Random,
}

/// A source with holes, of a length that is no multiple of the block.
pub(crate) fn first_bytes(random: &mut Random, blocks: usize) -> Vec<u8> {
    let mut bytes = vec![0; blocks * BLOCK + 1234];
    for (index, block) in bytes.chunks_mut(BLOCK).enumerate() {
        if index % 4 != 1 {
            block.copy_from_slice(&random.bytes(block.len()));
        }
    }
    bytes
}

/// Runs a verb that is not to be cancelled.
pub(crate) fn control() -> Control {
    Control::new(Vec::new())
}

pub(crate) fn said(verb: &str, error: &Error) -> String {
    format!("{verb}() failed: {error}")
}

impl Story {
    /// A machine with a source and no pair.
    pub(crate) fn new(mode: Mode, blocks: usize, rule: Option<Order>, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let host = SimHost::new();
        let bytes = first_bytes(&mut random, blocks);
        host.put(&source(), &bytes);
        host.settle();
        rule.into_iter().for_each(|rule| host.leave_out(rule));
        let mut facts = Facts::default();
        let now = Promise::nothing(&Arc::new(bytes.clone()));
        facts.from(0, vec![now.clone()]);
        Self { host, facts, mode, pair: None, arrays: Vec::new(), now, bytes, random }
    }

    /// The log begins anew: what was before is durable, and no power cut happens in it.
    pub(crate) fn facts_anew(&mut self) {
        self.facts = Facts::default();
        self.facts.from(self.host.log_len(), vec![self.now.clone()]);
    }

    pub(crate) fn pair(&self) -> std::result::Result<&Pair, String> {
        self.pair.as_deref().ok_or_else(|| "no pair is open".to_owned())
    }

    /// The pair, for several threads.
    pub(crate) fn shared_pair(&self) -> std::result::Result<Arc<Pair>, String> {
        self.pair.clone().ok_or_else(|| "no pair is open".to_owned())
    }

    pub(crate) fn shared(&self) -> Bytes {
        Arc::new(self.bytes.clone())
    }

    /// Runs something of which a power cut may show `during`, and that leaves `after`.
    pub(crate) fn tell<T>(
        &mut self,
        what: &str,
        during: Vec<Promise>,
        after: Promise,
        run: impl FnOnce(&mut Self) -> Result<T>,
    ) -> std::result::Result<T, String> {
        let mut allowed = vec![self.now.clone(), after.clone()];
        allowed.extend(during);
        self.facts.from(self.host.log_len(), allowed);
        let result = run(self).map_err(|error| said(what, &error))?;
        self.now = after.clone();
        self.facts.from(self.host.log_len(), vec![after]);
        self.look(what)?;
        Ok(result)
    }

    /// What must hold at once, without any power cut.
    pub(crate) fn look(&self, what: &str) -> Told {
        let found = self.host.contents(&source()).unwrap_or_default();
        if found != self.bytes {
            return Err(format!("after {what} the source: {}", difference(&found, &self.bytes)));
        }
        if let Some(wanted) = &self.now.mirror {
            let found = self.host.contents(&mirror()).unwrap_or_default();
            if found != **wanted {
                return Err(format!("after {what} the mirror: {}", difference(&found, wanted)));
            }
        }
        if self.now.state == Some(State::Split) && self.host.writers(&mirror()) > 0 {
            return Err(format!("after {what} somebody can write the split mirror (I1)"));
        }
        Ok(())
    }

    pub(crate) fn create(&mut self) -> Told {
        let after = self.now.in_state(State::Initialized);
        let mode = self.mode;
        self.tell("create", vec![], after, |story| {
            let block_size = BlockSize::new(BLOCK as u64).unwrap();
            let options =
                CreateOptions { mode, block_size, settings: SETTINGS, ..CreateOptions::default() };
            let host: Arc<dyn Host> = Arc::new(story.host.clone());
            story.pair = Some(Arc::new(Pair::create(host, &source(), &mirror(), options)?));
            Ok(())
        })
    }

    pub(crate) fn establish(&mut self) -> Told {
        let after = self.now.in_state(State::Synchronized).with_mirror(&self.shared());
        let half = self.now.in_state(State::Unsynchronized);
        self.tell("establish", vec![half], after, |story| {
            story.open_pair()?.establish(&EstablishOptions::default(), &control()).map(drop)
        })
    }

    /// An establish during which the application writes a block each time a batch is made durable.
    pub(crate) fn establish_under_writes(&mut self) -> Told {
        let blocks = self.bytes.len() / BLOCK;
        let offsets = (0..blocks).map(|turn| turn * 5 % blocks * BLOCK + 50).collect();
        let done = self.establish_writing_at(&mirror(), offsets, 900)?;
        self.written_meanwhile(&done);
        // The mirror is synced once more before the pair counts as synchronized (I4).
        self.synchronized_meanwhile(vec![])
    }

    /// An establish during which the application writes each time the catalog takes note of progress, when the
    /// mirror has just been made durable. It writes into `blocks`, whose regions are active: the catalog is locked.
    pub(crate) fn establish_under_writes_to(&mut self, blocks: &[usize]) -> Told {
        let turns = (0..100).zip(blocks.iter().cycle());
        let offsets = turns.map(|(turn, block)| block * BLOCK + turn % 3 * 1000).collect();
        let done = self.establish_writing_at(&catalog().join("catalog"), offsets, 900)?;
        self.written_meanwhile(&done);
        // The last commit, with two syncs, comes after the mirror was made durable: what was written then may be
        // lost, all that was written before may not (I4).
        let last = done.iter().rev().take(2);
        self.synchronized_meanwhile(
            last.map(|(offset, data)| *offset..offset + data.len()).collect(),
        )
    }

    /// Establishes, and writes at one of the offsets each time that the file is synced; what was written.
    fn establish_writing_at(
        &mut self,
        synced: &Path,
        offsets: Vec<usize>,
        length: usize,
    ) -> std::result::Result<Vec<(usize, Vec<u8>)>, String> {
        let planned: Vec<(usize, Vec<u8>)> =
            offsets.into_iter().map(|offset| (offset, self.random.bytes(length))).collect();
        let synced = self.host.inode(synced);
        let (pair, done) = (self.pair.clone(), Arc::new(AtomicU64::new(0)));
        let (turn, writes, busy) = (done.clone(), planned.clone(), AtomicBool::new(false));
        self.host.on_change(move |change| {
            // The write may have to make room in the intent log, and so sync the mirror itself.
            if let (Change::Sync { inode }, Some(pair)) = (change, &pair)
                && Some(*inode) == synced
                && !busy.swap(true, Ordering::Relaxed)
            {
                let next = writes.get(turn.fetch_add(1, Ordering::Relaxed) as usize);
                if let (Some((offset, data)), Ok(volume)) = (next, pair.volume()) {
                    let _ = volume.write(data, *offset as u64);
                }
                busy.store(false, Ordering::Relaxed);
            }
        });
        let half = self.now.in_state(State::Unsynchronized).with_source(None);
        self.now.source = None;
        let whole = self.now.in_state(State::Synchronized);
        self.facts.from(self.host.log_len(), vec![self.now.clone(), half, whole]);
        let result = self.pair()?.establish(&EstablishOptions::default(), &control());
        self.host.forget_hook();
        result.map_err(|error| said("establish", &error))?;
        let done = (done.load(Ordering::Relaxed) as usize).min(planned.len());
        Ok(planned.into_iter().take(done).collect())
    }

    fn written_meanwhile(&mut self, done: &[(usize, Vec<u8>)]) {
        for (offset, data) in done {
            self.bytes[*offset..offset + data.len()].copy_from_slice(data);
        }
    }

    fn synchronized_meanwhile(&mut self, loose: Vec<Range<usize>>) -> Told {
        let whole = self.now.in_state(State::Synchronized);
        self.now = Promise { loose, ..whole.with_mirror(&self.shared()) };
        self.facts.from(self.host.log_len(), vec![self.now.clone()]);
        self.look("establish under writes")?;
        self.equal_now()
    }

    fn equal_now(&self) -> Told {
        if self.host.same_bytes(&source(), &mirror()) {
            return Ok(());
        }
        let found = self.host.contents(&mirror()).unwrap_or_default();
        Err(format!("synchronized, but the mirror: {}", difference(&found, &self.bytes)))
    }

    pub(crate) fn open_pair(&self) -> Result<&Pair> {
        self.pair.as_deref().ok_or(Error::Closed)
    }

    /// An establish that is cancelled when it has written the mirror `writes` times.
    pub(crate) fn interrupted_establish(&mut self, writes: u64) -> Told {
        let after = self.now.in_state(State::Unsynchronized);
        let cancel = self.cancel_after(&mirror(), writes);
        self.tell(&format!("interrupted establish ({writes})"), vec![], after, |story| {
            let control = Control::new(vec![cancel]);
            let result = story.open_pair()?.establish(&EstablishOptions::default(), &control);
            story.host.forget_hook();
            match result {
                Err(Error::Cancelled { .. }) => Ok(()),
                Err(error) => Err(error),
                Ok(_) => Err(Error::argument("writes", "it ended before it was cancelled")),
            }
        })
    }

    pub(crate) fn cancel_after(&self, path: &Path, writes: u64) -> Cancel {
        let cancel = Cancel::default();
        let (inner, wanted, count) = (cancel.clone(), self.host.inode(path), AtomicU64::new(0));
        self.host.on_change(move |change| {
            if let Change::Write { inode, .. } = change
                && Some(*inode) == wanted
                && count.fetch_add(1, Ordering::Relaxed) + 1 >= writes
            {
                inner.cancel();
            }
        });
        cancel
    }

    /// A write through the pair.
    pub(crate) fn write_at(&mut self, offset: usize, data: &[u8]) -> Told {
        let loose = offset..offset + data.len();
        if self.bytes.len() < loose.end {
            self.bytes.resize(loose.end, 0);
        }
        self.bytes[loose.clone()].copy_from_slice(data);
        let mut after = self.now.clone().with_source(None);
        if after.state == Some(State::Synchronized) {
            after.mirror = None;
        }
        if let Some(goal) = &after.goal {
            // Until a flush either the mirror's bytes or the new ones may be found where this wrote.
            let mut bytes = (**goal).clone();
            bytes[loose.clone()].copy_from_slice(data);
            after.goal = Some(Arc::new(bytes));
            after.loose.push(loose);
            self.now.loose.clone_from(&after.loose);
        }
        let data = data.to_vec();
        self.tell("write", vec![], after, |story| {
            story.open_pair()?.volume()?.write(&data, offset as u64)
        })
    }

    /// Some writes: small ones, whole blocks, some that cross block borders.
    pub(crate) fn writes(&mut self, count: usize) -> Told {
        for _ in 0..count {
            let length = match self.random.below(3) {
                0 => self.random.below(700) as usize + 1,
                1 => BLOCK,
                _ => self.random.below(3 * BLOCK as u64) as usize + 1,
            };
            let length = length.min(self.bytes.len());
            let mut offset = self.random.below((self.bytes.len() - length) as u64 + 1) as usize;
            if length == BLOCK {
                offset = offset / BLOCK * BLOCK;
            }
            let data = self.random.bytes(length);
            self.write_at(offset, &data)?;
        }
        Ok(())
    }

    /// A write that makes the source longer, with a gap.
    pub(crate) fn grow(&mut self) -> Told {
        let offset = self.bytes.len() + 3000;
        let data = self.random.bytes(5000);
        self.write_at(offset, &data)
    }

    pub(crate) fn flush(&mut self) -> Told {
        let bytes = self.shared();
        let mut after = self.now.clone();
        after.loose.clear();
        if after.goal.is_none() {
            after.source = Some(bytes.clone());
        }
        if after.state == Some(State::Synchronized) {
            after.mirror = Some(bytes);
        }
        self.tell("flush", vec![], after, |story| story.open_pair()?.volume()?.flush())
    }

    pub(crate) fn split(&mut self) -> Told {
        let after = self.now.in_state(State::Split).with_mirror(&self.shared());
        self.tell("split", vec![], after, |story| {
            story.open_pair()?.split(&SplitOptions::default()).map(drop)
        })
    }

    pub(crate) fn seal(&mut self) -> Told {
        let after = Promise { sealed: true, ..self.now.clone() };
        self.tell("seal", vec![], after, |story| story.open_pair()?.seal(&[], &control()).map(drop))
    }

    pub(crate) fn refresh(&mut self) -> Told {
        let mirror = self.shared();
        let half = self.now.in_state(State::Unsynchronized);
        let whole = self.now.in_state(State::Synchronized).with_mirror(&mirror);
        let after = self.now.in_state(State::Split).with_mirror(&mirror);
        self.tell("refresh", vec![half, whole], after, |story| {
            story.open_pair()?.refresh(&RefreshOptions::default(), &control()).map(drop)
        })
    }

    /// Closes the pair: everything is durable and the tracking goes on.
    pub(crate) fn close(&mut self) -> Told {
        let bytes = self.shared();
        let mut after = self.now.clone();
        if after.goal.is_none() {
            after.source = after.source.or(self.wrote().then_some(bytes.clone()));
        }
        if after.state == Some(State::Synchronized) && after.source.is_some() {
            after.mirror = Some(bytes);
        }
        self.tell("close", vec![], after, |story| story.open_pair()?.close())
    }

    /// Whether the last bytes of the source came through the pair, so that closing it makes them durable.
    fn wrote(&self) -> bool {
        self.pair
            .as_ref()
            .is_some_and(|pair| pair.volume().is_ok_and(|volume| volume.has_session()))
    }

    pub(crate) fn open(&mut self) -> Told {
        self.pair = None;
        let now = self.now.clone();
        self.tell("open", vec![], now, |story| {
            let host: Arc<dyn Host> = Arc::new(story.host.clone());
            let options = OpenOptions { settings: SETTINGS, ..OpenOptions::default() };
            story.pair = Some(Arc::new(Pair::open(host, &mirror(), options)?));
            Ok(())
        })
    }

    pub(crate) fn reopen(&mut self) -> Told {
        self.close()?;
        self.open()
    }

    pub(crate) fn detach(&mut self) -> Told {
        let after = Promise { state: None, sealed: false, mirror: None, ..self.now.clone() };
        self.tell("detach", vec![], after, |story| {
            let pair = story.pair.take().ok_or(Error::Closed)?;
            pair.detach().map(drop)
        })
    }

    pub(crate) fn adopt(&mut self) -> Told {
        let after = self
            .now
            .in_state(State::Split)
            .with_mirror(&self.host.contents(&mirror()).map(Arc::new).unwrap_or_default());
        let mode = self.mode;
        self.tell("adopt", vec![], after, |story| {
            let host: Arc<dyn Host> = Arc::new(story.host.clone());
            let options = AdoptOptions {
                catalog: None,
                block_size: BlockSize::new(BLOCK as u64).unwrap(),
                mode,
                accept: vec!["unsealed".into()],
                settings: SETTINGS,
            };
            story.pair = Some(Arc::new(Pair::adopt(
                host,
                &mirror(),
                &source(),
                options,
                &Control::default(),
            )?));
            Ok(())
        })
    }
}
