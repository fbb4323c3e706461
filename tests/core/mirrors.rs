//! Several mirrors of one source: a story of all of them, with what must be found of each after a power cut at any
//! moment of it. What holds of one mirror is promised apart from the others.
//!
//! Two mirrors are synced by two threads, so the order of some operations is not that of the last run: a seed finds
//! the same power cuts of a log that may be a slightly different one.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use splitmirror::area::{Host, Order};
use splitmirror::engine::{Cancel, Control};
use splitmirror::error::{Error, Result};
use splitmirror::pair::{
    CreateOptions, EstablishOptions, OpenOptions, Pair, RestoreOptions, ResumeOptions, SplitOptions,
};
use splitmirror::sim::{Calls, Change, Failure, Random, SimHost};
use splitmirror::state::{Mode, State};
use splitmirror::units::BlockSize;

use crate::model::{Bytes, Facts, Promise, difference, source};
use crate::story::{BLOCK, SETTINGS, Told, control, first_bytes, said};

/// Where a mirror is.
pub(crate) fn mirror_at(number: usize) -> PathBuf {
    format!("/data/mirror-{number}").into()
}

/// Where its catalog is.
pub(crate) fn catalog_at(number: usize) -> PathBuf {
    format!("/data/mirror-{number}.splitmirror").into()
}

pub(crate) struct Mirrors {
    pub(crate) host: SimHost,
    pub(crate) mode: Mode,
    pub(crate) pairs: Vec<Option<Arc<Pair>>>,
    /// Of each mirror; nothing of the source is promised in these.
    pub(crate) facts: Vec<Facts>,
    /// Of the source alone.
    pub(crate) source_facts: Facts,
    pub(crate) now: Vec<Promise>,
    source_now: Promise,
    /// A mirror whose record could not be brought up to date: it still says that it follows.
    unrecorded: Option<usize>,
    /// The source's bytes as a reader sees them.
    bytes: Vec<u8>,
    random: Random,
}

impl Mirrors {
    /// A machine with a source and no mirror.
    pub(crate) fn new(
        mode: Mode,
        blocks: usize,
        mirrors: usize,
        rule: Option<Order>,
        seed: u64,
    ) -> Self {
        let mut random = Random::new(seed);
        let host = SimHost::new();
        let bytes = first_bytes(&mut random, blocks);
        host.put(&source(), &bytes);
        host.settle();
        rule.into_iter().for_each(|rule| host.leave_out(rule));
        let source_now = Promise::nothing(&Arc::new(bytes.clone()));
        let now = vec![source_now.clone().with_source(None); mirrors];
        let mut all = Self {
            host,
            mode,
            pairs: vec![None; mirrors],
            facts: Vec::new(),
            source_facts: Facts::default(),
            now,
            source_now,
            unrecorded: None,
            bytes,
            random,
        };
        all.note();
        all
    }

    /// Everything so far is durable, and no power cut happens before this.
    pub(crate) fn settle(&mut self) {
        self.host.settle();
        self.facts.clear();
        self.source_facts = Facts::default();
        self.note();
    }

    /// What holds now holds from here on.
    fn note(&mut self) {
        let position = self.host.log_len();
        self.facts.resize_with(self.now.len(), Facts::default);
        for number in 0..self.now.len() {
            let allowed = self.recorded(number, vec![self.now[number].clone()]);
            self.facts[number].from(position, allowed);
        }
        self.source_facts.from(position, vec![self.source_now.clone()]);
    }

    /// What may be found of a mirror, when all of this may.
    fn recorded(&self, number: usize, mut allowed: Vec<Promise>) -> Vec<Promise> {
        if self.unrecorded == Some(number) {
            allowed.push(self.now[number].in_state(State::Synchronized));
        }
        allowed
    }

    fn shared(&self) -> Bytes {
        Arc::new(self.bytes.clone())
    }

    fn pair(&self, number: usize) -> Result<&Arc<Pair>> {
        self.pairs[number].as_ref().ok_or(Error::Closed)
    }

    /// Any pair that is open: all of them share the volume.
    fn some_pair(&self) -> Result<&Arc<Pair>> {
        self.pairs.iter().flatten().next().ok_or(Error::Closed)
    }

    /// The mirror that a restore is pending from.
    fn pending(&self) -> Option<usize> {
        self.now.iter().position(|now| now.goal.is_some())
    }

    /// Runs something of which a power cut may show `during`, and that leaves `after`.
    fn tell<T>(
        &mut self,
        what: &str,
        during: Vec<(usize, Promise)>,
        after: Vec<Promise>,
        source_after: Option<Bytes>,
        run: impl FnOnce(&mut Self) -> Result<T>,
    ) -> std::result::Result<T, String> {
        let position = self.host.log_len();
        for (number, after) in after.iter().enumerate() {
            let more = during.iter().filter(|(of, _)| *of == number);
            let mut allowed = vec![self.now[number].clone(), after.clone()];
            allowed.extend(more.map(|(_, promise)| promise.clone()));
            let allowed = self.recorded(number, allowed);
            self.facts[number].from(position, allowed);
        }
        let anything = self.source_now.clone().with_source(None);
        let same = source_after.is_some() && source_after == self.source_now.source;
        let during = if same { self.source_now.clone() } else { anything };
        self.source_facts.from(position, vec![during]);
        let result = run(self).map_err(|error| said(what, &error))?;
        self.now = after;
        self.source_now.source = source_after;
        self.note();
        self.look(what)?;
        Ok(result)
    }

    /// What must hold at once, without any power cut.
    fn look(&self, what: &str) -> Told {
        let found = self.host.contents(&source()).unwrap_or_default();
        if self.pending().is_none() && found != self.bytes {
            return Err(format!("after {what} the source: {}", difference(&found, &self.bytes)));
        }
        for (number, now) in self.now.iter().enumerate() {
            let found = self.host.contents(&mirror_at(number)).unwrap_or_default();
            if let Some(wanted) = now.mirror.as_ref().filter(|wanted| found != ***wanted) {
                let differ = difference(&found, wanted);
                return Err(format!("after {what} mirror {number}: {differ}"));
            }
            if now.state == Some(State::Synchronized) && found != self.bytes {
                let differ = difference(&found, &self.bytes);
                return Err(format!("after {what} mirror {number} does not follow: {differ}"));
            }
            if now.state == Some(State::Split) && self.host.writers(&mirror_at(number)) > 0 {
                return Err(format!("after {what} somebody can write split mirror {number} (I1)"));
            }
        }
        let pair = self.some_pair();
        if let (Some(of), Ok(pair)) = (self.pending(), pair) {
            let goal = self.now[of].goal.clone().unwrap_or_default();
            let mut seen = vec![0; goal.len()];
            let read = pair.volume().and_then(|volume| volume.read(&mut seen, 0));
            if read.map_err(|error| said("read", &error))? != goal.len() || seen != **goal {
                return Err(format!("a redirected read: {}", difference(&seen, &goal)));
            }
        }
        Ok(())
    }

    /// The same of all mirrors but one.
    fn but(&self, number: usize, promise: Promise) -> Vec<Promise> {
        let mut after = self.now.clone();
        after[number] = promise;
        after
    }

    pub(crate) fn create(&mut self, number: usize) -> Told {
        let after = self.but(number, self.now[number].in_state(State::Initialized));
        let (mode, source_now) = (self.mode, self.source_now.source.clone());
        self.tell("create", vec![], after, source_now, |all| {
            // Mirrors need not agree on what a block is.
            let block_size = BlockSize::new((BLOCK << (number % 2)) as u64).unwrap();
            let options =
                CreateOptions { mode, block_size, settings: SETTINGS, ..CreateOptions::default() };
            let host: Arc<dyn Host> = Arc::new(all.host.clone());
            let pair = Pair::create(host, &source(), &mirror_at(number), options)?;
            all.pairs[number] = Some(Arc::new(pair));
            Ok(())
        })
    }

    pub(crate) fn establish(&mut self, number: usize) -> Told {
        let now = &self.now[number];
        let half = vec![(number, now.in_state(State::Unsynchronized))];
        let whole = now.in_state(State::Synchronized).with_mirror(&self.shared());
        let (after, source_now) = (self.but(number, whole), self.source_now.source.clone());
        self.tell(&format!("establish of {number}"), half, after, source_now, |all| {
            all.pair(number)?.establish(&EstablishOptions::default(), &control())?;
            // Its record says what is true again.
            all.unrecorded = all.unrecorded.filter(|lost| *lost != number);
            Ok(())
        })
    }

    /// An establish that is cancelled when it has written the mirror `writes` times.
    pub(crate) fn interrupted_establish(&mut self, number: usize, writes: u64) -> Told {
        let after = self.but(number, self.now[number].in_state(State::Unsynchronized));
        let cancel = self.cancel_after(mirror_at(number), writes);
        let source_now = self.source_now.source.clone();
        self.tell("interrupted establish", vec![], after, source_now, |all| {
            let control = Control::new(vec![cancel]);
            let result = all.pair(number)?.establish(&EstablishOptions::default(), &control);
            all.host.forget_hook();
            interrupted(result)
        })
    }

    fn cancel_after(&self, path: PathBuf, writes: u64) -> Cancel {
        let cancel = Cancel::default();
        let (inner, wanted, count) = (cancel.clone(), self.host.inode(&path), AtomicU64::new(0));
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

    pub(crate) fn split(&mut self, number: usize) -> Told {
        let frozen = self.now[number].in_state(State::Split).with_mirror(&self.shared());
        let (after, source_now) = (self.but(number, frozen), self.source_now.source.clone());
        self.tell(&format!("split of {number}"), vec![], after, source_now, |all| {
            all.pair(number)?.split(&SplitOptions::default()).map(drop)
        })
    }

    pub(crate) fn write_at(&mut self, offset: usize, length: usize) -> Told {
        let after = self.write_begins();
        self.write_leaving(offset, length, after)
    }

    /// What a write leaves of each mirror: one that follows holds nobody knows what until a flush.
    fn write_begins(&self) -> Vec<Promise> {
        let written = |now: &Promise| match now.state {
            Some(State::Synchronized) => now.in_state(State::Synchronized),
            _ => now.clone(),
        };
        self.now.iter().map(|now| written(now).with_source(None)).collect()
    }

    fn write_leaving(&mut self, offset: usize, length: usize, mut after: Vec<Promise>) -> Told {
        let data = self.random.bytes(length);
        let range = offset..offset + length;
        self.bytes.resize(self.bytes.len().max(range.end), 0);
        self.bytes[range.clone()].copy_from_slice(&data);
        if let Some(of) = self.pending() {
            // Until a flush either the mirror's bytes or the new ones may be found where this wrote.
            after[of].goal = Some(self.shared());
            after[of].loose.push(range);
            self.now[of].loose.clone_from(&after[of].loose);
        }
        self.tell("write", vec![], after, None, |all| {
            all.some_pair()?.volume()?.write(&data, offset as u64)
        })
    }

    /// A write into each of some blocks.
    pub(crate) fn writes(&mut self, blocks: &[usize]) -> Told {
        for (turn, block) in blocks.iter().enumerate() {
            self.write_at(block * BLOCK, if turn % 3 == 1 { BLOCK } else { 900 })?;
        }
        Ok(())
    }

    /// A write that makes the source longer, with a gap.
    pub(crate) fn grow(&mut self) -> Told {
        self.write_at(self.bytes.len() + 3000, 5000)
    }

    pub(crate) fn flush(&mut self) -> Told {
        let bytes = self.shared();
        let mut after = self.now.clone();
        for promise in &mut after {
            promise.loose.clear();
            if promise.state == Some(State::Synchronized) {
                promise.mirror = Some(bytes.clone());
            }
        }
        let source_after = self.pending().is_none().then_some(bytes);
        self.tell("flush", vec![], after, source_after, |all| all.some_pair()?.volume()?.flush())
    }

    /// The mirrors but one while the source is restored from it: one that followed does not any more.
    fn restore_begins(&self, number: usize, from: Promise) -> Vec<Promise> {
        let mut after = self.but(number, from);
        for (other, promise) in after.iter_mut().enumerate() {
            if other != number && promise.state == Some(State::Synchronized) {
                *promise = promise.in_state(State::Unsynchronized);
            }
        }
        after
    }

    pub(crate) fn restore(&mut self, number: usize) -> Told {
        let now = self.now[number].clone();
        let goal = now.mirror.clone().unwrap_or_default();
        self.bytes.clone_from(&goal);
        let pending = vec![(number, now.clone().with_goal(&goal))];
        let after = self.restore_begins(number, now);
        self.tell(&format!("restore from {number}"), pending, after, Some(goal), |all| {
            let receipt = all.pair(number)?.restore(&RestoreOptions::default(), &control())?;
            complete(receipt.complete && receipt.mirror_unchanged)
        })
    }

    /// A restore that is cancelled when it has written the source `writes` times.
    pub(crate) fn interrupted_restore(&mut self, number: usize, writes: u64) -> Told {
        let goal = self.now[number].mirror.clone().unwrap_or_default();
        self.bytes.clone_from(&goal);
        let after = self.restore_begins(number, self.now[number].clone().with_goal(&goal));
        let cancel = self.cancel_after(source(), writes);
        self.tell("interrupted restore", vec![], after, None, |all| {
            let control = Control::new(vec![cancel]);
            let result = all.pair(number)?.restore(&RestoreOptions::default(), &control);
            all.host.forget_hook();
            interrupted(result)
        })
    }

    pub(crate) fn resume_restore(&mut self, number: usize) -> Told {
        let now = self.now[number].clone();
        let goal = now.goal.clone();
        let after = self.but(number, Promise { goal: None, loose: Vec::new(), ..now });
        self.tell("resume_restore", vec![], after, goal, |all| {
            let receipt =
                all.pair(number)?.resume_restore(&ResumeOptions::default(), &control())?;
            complete(receipt.complete && receipt.mirror_unchanged)
        })
    }

    /// Makes a mirror a copy of another one.
    pub(crate) fn repair(&mut self, number: usize, from: usize) -> Told {
        let now = &self.now[number];
        let half = vec![(number, now.in_state(State::Unsynchronized))];
        let point = self.now[from].mirror.clone().unwrap_or_default();
        let after = self.but(number, now.in_state(State::Split).with_mirror(&point));
        let source_now = self.source_now.source.clone();
        self.tell("repair", half, after, source_now, |all| {
            all.pair(number)?.repair(&mirror_at(from), &[], &control()).map(drop)
        })
    }

    /// Ends the use of one pair; its mirror stays in the volume while another pair is open.
    pub(crate) fn close(&mut self, number: usize) -> Told {
        let (mut after, mut source_after) = (self.now.clone(), self.source_now.source.clone());
        let wrote = self
            .some_pair()
            .is_ok_and(|pair| pair.volume().is_ok_and(|volume| volume.has_session()));
        if wrote {
            let bytes = self.shared();
            for promise in &mut after {
                promise.loose.clear();
                if promise.state == Some(State::Synchronized) {
                    promise.mirror = Some(bytes.clone());
                }
            }
            source_after = self.pending().is_none().then_some(bytes);
        }
        self.tell(&format!("close of {number}"), vec![], after, source_after, |all| {
            let pair = all.pairs[number].take().ok_or(Error::Closed)?;
            pair.close()
        })
    }

    pub(crate) fn open(&mut self, number: usize) -> Told {
        let (now, source_now) = (self.now.clone(), self.source_now.source.clone());
        self.tell(&format!("open of {number}"), vec![], now, source_now, |all| {
            let host: Arc<dyn Host> = Arc::new(all.host.clone());
            let options = OpenOptions { settings: SETTINGS, ..OpenOptions::default() };
            all.pairs[number] = Some(Arc::new(Pair::open(host, &mirror_at(number), options)?));
            Ok(())
        })
    }

    /// The storage of a mirror, or of its catalog, fails for ever, and the next write meets that.
    pub(crate) fn write_failing(
        &mut self,
        number: usize,
        path: PathBuf,
        calls: Calls,
        offset: usize,
    ) -> Told {
        self.host.fail(Failure { path, calls, nth: 1, errno: libc::EIO, for_ever: true });
        let mut after = self.write_begins();
        let now = self.now[number].clone();
        if now.state == Some(State::Synchronized) {
            after[number] = now.in_state(State::Unsynchronized);
            self.unrecorded = Some(number);
        }
        self.write_leaving(offset, 700, after)
    }

    /// The storage works again.
    pub(crate) fn mend(&mut self) {
        self.host.clear_failures();
    }
}

fn interrupted<T>(result: Result<T>) -> Result<()> {
    match result {
        Err(Error::Cancelled { .. }) => Ok(()),
        Err(error) => Err(error),
        Ok(_) => Err(Error::argument("writes", "it ended before it was cancelled")),
    }
}

fn complete(complete: bool) -> Result<()> {
    if complete { Ok(()) } else { Err(Error::argument("restore", "the receipt says incomplete")) }
}
