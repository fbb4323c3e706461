//! Restores that copy behind the application, which reads, writes, discards and flushes meanwhile: each time the copier
//! makes a batch durable, so that the same seed gives the same story.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use splitmirror::error::{Error, Result};
use splitmirror::pair::{Pair, RestoreJob, RestoreOptions, ResumeOptions};
use splitmirror::sim::{Change, Random, SimHost};

use crate::model::{Promise, difference, source};
use crate::story::{BLOCK, Story, Told, said};

/// Longer than any of these restores takes.
const LONG: Duration = Duration::from_secs(60);

/// What the application does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Offset and length.
    Write(usize, usize),
    /// Offset and length.
    Discard(usize, usize),
    Flush,
    /// The last one: the copier is slowed down so much that it is paused before its end.
    Slow,
}

/// The application during a restore, and what a power cut may then show.
struct Live {
    host: SimHost,
    pair: Arc<Pair>,
    steps: VecDeque<Step>,
    promise: Promise,
    /// Written since the last flush.
    written: Vec<Range<usize>>,
    facts: Vec<(usize, Promise)>,
    random: Random,
}

impl Live {
    fn next(&mut self) -> Result<()> {
        let Some(step) = self.steps.pop_front() else { return Ok(()) };
        let pair = Arc::clone(&self.pair);
        let volume = pair.volume()?;
        match step {
            Step::Write(offset, length) => {
                let data = self.random.bytes(length);
                self.put(offset, &data);
                volume.write(&data, offset as u64)?;
            }
            Step::Discard(offset, length) => {
                self.put(offset, &vec![0; length]);
                volume.discard(offset as u64, length as u64)?;
            }
            Step::Flush => {
                volume.flush()?;
                self.promise.loose.clear();
                let blocks = self.written.drain(..).flat_map(|range| touched(&range));
                self.promise.app_written.extend(blocks);
                self.note();
            }
            Step::Slow => {
                if let Some(job) = self.pair.restore_job() {
                    job.set_rate(1);
                }
            }
        }
        let goal = self.promise.goal.clone().unwrap_or_default();
        let mut seen = vec![0; goal.len()];
        volume.read(&mut seen, 0)?;
        if seen == **goal {
            return Ok(());
        }
        Err(Error::argument("read", format!("{step:?}: {}", difference(&seen, &goal))))
    }

    /// Either the mirror's bytes or the new ones may be found until a flush, from now on.
    fn put(&mut self, offset: usize, data: &[u8]) {
        let mut goal = self.promise.goal.as_deref().cloned().unwrap_or_default();
        let range = offset..offset + data.len();
        goal[range.clone()].copy_from_slice(data);
        self.promise.goal = Some(Arc::new(goal));
        self.promise.loose.push(range.clone());
        self.written.push(range);
        self.note();
    }

    fn note(&mut self) {
        self.facts.push((self.host.log_len(), self.promise.clone()));
    }
}

/// The blocks that a write touches.
fn touched(range: &Range<usize>) -> Range<usize> {
    range.start / BLOCK..range.end.div_ceil(BLOCK)
}

/// What is found when a restore has come to its end: it makes everything durable.
fn ended(promise: &Promise) -> Promise {
    let source = promise.goal.clone();
    Promise { source, goal: None, loose: Vec::new(), app_written: Vec::new(), ..promise.clone() }
}

impl Story {
    /// Restores, or resumes a restore, with a thread that copies behind the application. With [`Step::Slow`] it is
    /// paused after the steps, otherwise it comes to its end.
    pub(crate) fn restore_behind(&mut self, steps: &[Step]) -> Told {
        let resumed = self.now.goal.is_some();
        let point = self.now.mirror.clone().unwrap_or_default();
        let promise = if resumed { self.now.clone() } else { self.now.clone().with_goal(&point) };
        let pair = self.shared_pair()?;
        let paused = steps.iter().any(|step| matches!(step, Step::Slow));
        let live = Arc::new(Mutex::new(Live {
            host: self.host.clone(),
            pair: Arc::clone(&pair),
            steps: steps.iter().copied().collect(),
            promise: promise.clone(),
            written: self.now.loose.clone(),
            facts: Vec::new(),
            random: Random::new(self.random.below(1 << 40)),
        }));
        let begun = vec![self.now.clone(), promise.clone(), ended(&promise)];
        self.facts.from(self.host.log_len(), begun);
        let trouble = self.live_at_each_sync(&live);
        let job = if resumed {
            pair.start_resume(&ResumeOptions::default(), 0)
        } else {
            pair.start_restore(&RestoreOptions::default(), 0)
        };
        let outcome = job.map_err(|error| said("start_restore", &error)).and_then(|job| {
            if paused {
                wait_for_steps(&live, &job)?;
                job.pause();
            }
            job.wait(LONG).ok_or_else(|| "the restore does not end".to_owned())
        });
        self.host.forget_hook();
        let (facts, promise) = {
            let live = live.lock().unwrap();
            (live.facts.clone(), live.promise.clone())
        };
        for (position, promise) in facts {
            self.facts.from(position, vec![promise.clone(), ended(&promise)]);
        }
        if let Some(error) = trouble.lock().unwrap().take() {
            return Err(said("the application's step", &error));
        }
        match (outcome?, paused) {
            (Err(Error::Cancelled { .. }), true) => self.paused_behind(promise),
            (Ok(receipt), false) if receipt.complete && receipt.mirror_unchanged => {
                self.ended_behind(&promise)
            }
            (outcome, _) => Err(format!("a restore behind the application: {outcome:?}")),
        }
    }

    fn live_at_each_sync(&self, live: &Arc<Mutex<Live>>) -> Arc<Mutex<Option<Error>>> {
        let trouble = Arc::new(Mutex::new(None));
        let (synced, busy) = (self.host.inode(&source()), AtomicBool::new(false));
        let (live, seen) = (Arc::clone(live), Arc::clone(&trouble));
        self.host.on_change(move |change| {
            // What it does may have to sync the source itself.
            if matches!(change, Change::Sync { inode } if Some(*inode) == synced)
                && !busy.swap(true, Ordering::Relaxed)
            {
                if let Err(error) = live.lock().unwrap().next() {
                    *seen.lock().unwrap() = Some(error);
                }
                busy.store(false, Ordering::Relaxed);
            }
        });
        trouble
    }

    fn paused_behind(&mut self, promise: Promise) -> Told {
        self.facts.from(self.host.log_len(), vec![promise.clone()]);
        self.bytes = self.host.contents(&source()).unwrap_or_default();
        self.now = promise;
        Ok(())
    }

    fn ended_behind(&mut self, promise: &Promise) -> Told {
        self.now = ended(promise);
        self.facts.from(self.host.log_len(), vec![self.now.clone()]);
        self.bytes = self.now.source.as_deref().cloned().unwrap_or_default();
        self.look("a restore behind the application")
    }
}

/// Returns when the application has done all its steps.
fn wait_for_steps(live: &Mutex<Live>, job: &RestoreJob) -> Told {
    for _ in 0..20_000 {
        if live.lock().unwrap().steps.is_empty() {
            return Ok(());
        }
        if !job.is_running() {
            return Err(format!("it ended before it was paused: {:?}", job.result()));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Err("the copier does not go on".into())
}
