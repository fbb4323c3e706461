//! Long work on a thread of its own, while the calling thread looks after the interpreter: signals, progress, cancel,
//! and what the work wants to be called (hooks).
//!
//! A verb that held the interpreter would starve all other threads of the program; one that called back from its
//! workers could deadlock with it. So the caller waits detached, wakes up ten times a second, checks for Ctrl-C and
//! calls the progress callback. What either raises cancels the work cleanly and is raised again at the end.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

use super::tokens::CancelToken;
use crate::engine::{Cancel, Control};
use crate::error::{Error, Result};
use crate::pair::SplitHooks;

/// A callable of Python's, where one was given.
pub(super) type Callback = Option<Py<PyAny>>;
/// What cancels, where that was given.
pub(super) type Token = Option<Py<CancelToken>>;

const TICK: Duration = Duration::from_millis(100);
/// The first look comes sooner: most verbs are over by then, and the others show that they have begun.
const FIRST_TICK: Duration = Duration::from_millis(20);

/// A callable that the calling thread is asked to call, and where its answer goes; `None`: it raised.
struct Call {
    callable: Py<PyAny>,
    answer: Sender<Option<bool>>,
}

/// The way from the work to the calling thread.
pub(super) struct Caller(Mutex<Sender<Call>>);

impl Caller {
    /// Has a callable called by the thread that entered the verb, as its author expects; whether it returned a true
    /// value. What it raises ends the verb and is raised there.
    fn call(&self, callable: &Py<PyAny>) -> Result<bool> {
        let (answer, answered) = channel();
        let callable = Python::attach(|py| callable.clone_ref(py));
        let asked =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).send(Call { callable, answer });
        let raised = || Error::Cancelled {
            state: "as it was".into(),
            next: "a hook was interrupted".into(),
        };
        match asked.ok().and_then(|()| answered.recv().ok().flatten()) {
            Some(truth) => Ok(truth),
            None => Err(raised()),
        }
    }
}

/// Freeze and thaw, as callables of Python.
pub(super) struct Hooks<'a> {
    pub(super) caller: &'a Caller,
    pub(super) freeze: Callback,
    pub(super) thaw: Callback,
}

impl SplitHooks for Hooks<'_> {
    fn freeze(&self) -> Result<bool> {
        self.freeze.as_ref().map_or(Ok(false), |callable| self.caller.call(callable))
    }

    fn thaw(&self) {
        if let Some(Err(error)) = self.thaw.as_ref().map(|callable| self.caller.call(callable)) {
            log::warn!(target: "splitmirror.pair", "the thaw hook: {error}");
        }
    }
}

/// Runs `work` and returns its result, or what a signal handler or the callback raised meanwhile.
pub(super) fn run<T: Send>(
    py: Python<'_>,
    progress: Callback,
    cancel: Token,
    work: impl FnOnce(&Control) -> Result<T> + Send,
) -> PyResult<T> {
    run_calling(py, progress, cancel, |control, _| work(control))
}

/// As [`run`], with work that has callables called.
pub(super) fn run_calling<T: Send>(
    py: Python<'_>,
    progress: Callback,
    cancel: Token,
    work: impl FnOnce(&Control, &Caller) -> Result<T> + Send,
) -> PyResult<T> {
    let own = Cancel::default();
    let mut cancels = vec![own.clone()];
    cancels.extend(cancel.map(|token| token.get().inner().clone()));
    let control = Control::new(cancels);
    let mut raised = None;
    let result = py.detach(|| {
        std::thread::scope(|scope| {
            let (calls, wait) = channel::<Call>();
            let control = &control;
            // The sender is dropped when the work ends, however it ends: that wakes the caller.
            let worker = scope.spawn(move || work(control, &Caller(Mutex::new(calls))));
            let mut tick = FIRST_TICK;
            loop {
                match wait.recv_timeout(tick) {
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        tick = TICK;
                        if raised.is_none() {
                            raised = look_after(progress.as_ref(), control).err();
                        }
                    }
                    Ok(call) => raised = raised.take().or(answer(&call)),
                }
                if raised.is_some() {
                    own.cancel();
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

/// Calls a callable for the work; what it raised.
fn answer(call: &Call) -> Option<PyErr> {
    let called = Python::attach(|py| call.callable.call0(py)?.is_truthy(py));
    // The work has ended when nobody takes the answer.
    let _ = call.answer.send(called.as_ref().ok().copied());
    called.err()
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
