//! Long work on a thread of its own, while the calling thread looks after the interpreter: signals, progress, cancel.
//!
//! A verb that held the interpreter would starve all other threads of the program; one that called back from its
//! workers could deadlock with it. So the caller waits detached, wakes up ten times a second, checks for Ctrl-C and
//! calls the progress callback. What either raises cancels the work cleanly and is raised again at the end.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use pyo3::prelude::*;

use super::tokens::CancelToken;
use crate::engine::{Cancel, Control};
use crate::error::Result;

const TICK: Duration = Duration::from_millis(100);
/// The first look comes sooner: most verbs are over by then, and the others show that they have begun.
const FIRST_TICK: Duration = Duration::from_millis(20);

/// Runs `work` and returns its result, or what a signal handler or the callback raised meanwhile.
pub(super) fn run<T: Send>(
    py: Python<'_>,
    progress: Option<Py<PyAny>>,
    cancel: Option<Py<CancelToken>>,
    work: impl FnOnce(&Control) -> Result<T> + Send,
) -> PyResult<T> {
    let own = Cancel::default();
    let mut cancels = vec![own.clone()];
    cancels.extend(cancel.map(|token| token.get().inner().clone()));
    let control = Control::new(cancels);
    let mut raised = None;
    let result = py.detach(|| {
        std::thread::scope(|scope| {
            let (done, wait) = channel::<()>();
            let control = &control;
            let worker = scope.spawn(move || {
                // Dropped when the work ends, however it ends: that wakes the caller.
                let _done = done;
                work(control)
            });
            let mut tick = FIRST_TICK;
            while wait.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                tick = TICK;
                if raised.is_none() {
                    raised = look_after(progress.as_ref(), control).err();
                    if raised.is_some() {
                        own.cancel();
                    }
                }
            }
            worker.join()
        })
    });
    let result = result.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
    if raised.is_none() && result.is_ok() {
        raised = look_after(progress.as_ref(), &control).err();
    }
    match raised {
        Some(raised) => Err(raised),
        None => Ok(result?),
    }
}

fn look_after(progress: Option<&Py<PyAny>>, control: &Control) -> PyResult<()> {
    Python::attach(|py| {
        py.check_signals()?;
        let (phase, done, total) = control.progress();
        match progress {
            Some(callback) if !phase.is_empty() => {
                callback.call1(py, (phase, done, total)).map(drop)
            }
            _ => Ok(()),
        }
    })
}
