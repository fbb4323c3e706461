//! `_core.RestoreJob`: a restore that copies behind the application.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::functions::json;

/// How often a waiting thread looks for signals.
const TICK: Duration = Duration::from_millis(100);

/// A restore that has taken effect and copies in the background.
#[pyclass(frozen, module = "splitmirror._core")]
#[derive(Debug)]
pub(crate) struct RestoreJob(pub(super) Arc<crate::pair::RestoreJob>);

#[pymethods]
impl RestoreJob {
    /// Wait for the end, at most so many seconds; the receipt as JSON text, or None when it still runs.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<String>> {
        let end = timeout
            .map(|seconds| Instant::now() + Duration::from_secs_f64(seconds.clamp(0.0, 1e9)));
        loop {
            let left =
                end.map_or(TICK, |end| end.saturating_duration_since(Instant::now()).min(TICK));
            if let Some(outcome) = py.detach(|| self.0.wait(left)) {
                return json(&outcome?).map(Some);
            }
            py.check_signals()?;
            if end.is_some_and(|end| Instant::now() >= end) {
                return Ok(None);
            }
        }
    }

    /// Stop the copier, not the redirection; returns when it has stopped.
    fn pause(&self, py: Python<'_>) {
        py.detach(|| self.0.pause());
    }

    /// Phase, bytes done, bytes in all.
    fn progress(&self) -> (&'static str, u64, u64) {
        self.0.progress()
    }

    /// Copy at most so many bytes a second; 0: no limit.
    fn set_rate(&self, bytes_per_second: u64) {
        self.0.set_rate(bytes_per_second);
    }

    /// Whether it still copies.
    #[getter]
    fn running(&self) -> bool {
        self.0.is_running()
    }
}
