//! `start_restore`: the source is seen as restored at once, and a thread brings back what is pending behind it.
//!
//! The job stops at its end, by [`RestoreJob::pause`], or when the pair is closed; what is redirected stays redirected
//! until nothing is pending. Beside a running job the verbs that would change the pair are refused.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::pending::Begun;
use super::report::Receipt;
use super::{Pair, RestoreOptions, ResumeOptions};
use crate::engine::{Cancel, Control};
use crate::error::{Error, Result};
use crate::state::{Mode, Verb};
use crate::volume::Pace;

/// A restore that is copying behind the application.
#[derive(Debug)]
pub struct RestoreJob {
    control: Control,
    cancel: Cancel,
    outcome: Mutex<Option<Result<Receipt>>>,
    ended: Condvar,
}

impl RestoreJob {
    fn new(rate: u64) -> Self {
        let cancel = Cancel::default();
        let control = Control::new(vec![cancel.clone()]);
        control.set_rate(rate);
        Self { control, cancel, outcome: Mutex::new(None), ended: Condvar::new() }
    }

    fn outcome(&self) -> MutexGuard<'_, Option<Result<Receipt>>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How it ended; `None` while it runs. A paused one ended as cancelled.
    pub fn result(&self) -> Option<Result<Receipt>> {
        self.outcome().clone()
    }

    /// Whether it still copies.
    pub fn is_running(&self) -> bool {
        self.outcome().is_none()
    }

    /// Waits for its end, at most so long; how it ended, or `None` when it has not.
    pub fn wait(&self, timeout: Duration) -> Option<Result<Receipt>> {
        let outcome = self.outcome();
        let waited = self.ended.wait_timeout_while(outcome, timeout, |outcome| outcome.is_none());
        waited.unwrap_or_else(PoisonError::into_inner).0.clone()
    }

    /// Stops the copier, not the redirection: what was copied is durable, the rest stays pending. Returns when it has
    /// stopped.
    pub fn pause(&self) {
        self.cancel.cancel();
        self.join();
    }

    fn join(&self) {
        let outcome = self.outcome();
        drop(self.ended.wait_while(outcome, |outcome| outcome.is_none()));
    }

    /// Phase, bytes done, bytes in all.
    pub fn progress(&self) -> (&'static str, u64, u64) {
        self.control.progress()
    }

    /// Sets how many bytes a second are copied at most; 0: no limit.
    pub fn set_rate(&self, bytes_per_second: u64) {
        self.control.set_rate(bytes_per_second);
    }

    fn end(&self, outcome: Result<Receipt>) {
        *self.outcome() = Some(outcome);
        self.ended.notify_all();
    }
}

impl Pair {
    /// Begins a restore and returns as soon as it has taken effect, durably. Only where everything goes through the
    /// volume: nobody else would see the redirection. While arrays of the source are in use it returns at the end of the
    /// copying. `rate`: bytes a second, 0 for no limit.
    pub fn start_restore(
        self: &Arc<Self>,
        options: &RestoreOptions,
        rate: u64,
    ) -> Result<Arc<RestoreJob>> {
        if self.leg.mode() != Mode::Exclusive {
            return Err(Error::argument(
                "mode",
                "a source that other programs may write is restored by restore(): they would not see a redirection; \
                 start_restore() needs a pair of mode 'exclusive'",
            ));
        }
        if options.to.is_some() {
            return Err(Error::argument("to", "a scratch file is made by restore(to=…)"));
        }
        let begun = Instant::now();
        let entered = self.enter(Verb::Restore, "restoring", options.restart)?;
        self.check_skew(Verb::Restore, &options.accept, &Control::default())?;
        let begun = self.begin_source(options, begun)?;
        let job = self.spawn(begun, rate)?;
        drop(entered);
        Ok(job)
    }

    /// Goes on with a pending restore behind the application, as [`Pair::start_restore`].
    pub fn start_resume(
        self: &Arc<Self>,
        options: &ResumeOptions,
        rate: u64,
    ) -> Result<Arc<RestoreJob>> {
        let begun = Instant::now();
        let entered = self.enter(Verb::ResumeRestore, "restoring", false)?;
        self.check_skew(Verb::ResumeRestore, &options.accept, &Control::default())?;
        let begun = self.begin_resumed(begun)?;
        let job = self.spawn(begun, rate)?;
        drop(entered);
        Ok(job)
    }

    fn spawn(self: &Arc<Self>, begun: Begun, rate: u64) -> Result<Arc<RestoreJob>> {
        let job = Arc::new(RestoreJob::new(rate));
        // Who reads an array does not come by here, and would see what is not copied yet.
        let seen = self.volume.handed_out()?.is_some();
        let pace = if seen { Pace::Eager } else { Pace::Behind };
        *self.job_slot() = Some(Arc::clone(&job));
        let (pair, running) = (Arc::clone(self), Arc::clone(&job));
        let run = move || {
            let outcome = pair.copy_pending(&begun, pace, &running.control);
            let outcome = pair.finish_restore(&begun, outcome);
            *pair.job_slot() = None;
            // The caller may close the pair as soon as it hears of the end: nothing of it is held then.
            drop(begun);
            drop(pair);
            running.end(outcome);
        };
        let spawned = std::thread::Builder::new().name("splitmirror-restore".into()).spawn(run);
        match spawned {
            Ok(_) => {
                if seen {
                    job.join();
                }
                Ok(job)
            }
            Err(error) => {
                *self.job_slot() = None;
                Err(Error::io(self.source_path(), "starting the thread of the restore", &error))
            }
        }
    }

    fn job_slot(&self) -> MutexGuard<'_, Option<Arc<RestoreJob>>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The restore that copies in the background, if one does.
    pub fn restore_job(&self) -> Option<Arc<RestoreJob>> {
        self.job_slot().clone()
    }

    /// Stops the copier of a background restore, if there is one, and waits until it has stopped.
    pub fn pause_restore(&self) {
        if let Some(job) = self.restore_job() {
            job.pause();
        }
    }
}
