//! Small objects that travel between Python and the core.

use pyo3::prelude::*;

use super::functions::json;
use crate::engine::Cancel;

/// Asks a running verb to stop; safe to use from any thread.
#[pyclass(frozen, module = "splitmirror._core")]
#[derive(Debug, Default)]
pub(crate) struct CancelToken(Cancel);

impl CancelToken {
    pub(super) fn inner(&self) -> &Cancel {
        &self.0
    }
}

#[pymethods]
impl CancelToken {
    #[new]
    fn new() -> Self {
        Self::default()
    }

    /// Ask; there is no way back.
    fn cancel(&self) {
        self.0.cancel();
    }

    /// Whether somebody asked.
    #[getter]
    fn cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// A plan that can be carried out as long as nothing has changed since it was made.
#[pyclass(frozen, module = "splitmirror._core")]
#[derive(Debug)]
pub(crate) struct Plan(pub(super) crate::pair::Plan);

#[pymethods]
impl Plan {
    /// The plan as a JSON document.
    fn to_json(&self) -> PyResult<String> {
        json(self.0.report())
    }
}
