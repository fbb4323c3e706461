//! Functions that need no open pair.

use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

use pyo3::prelude::*;
use serde::Serialize;
use serde_json::json;

use super::arguments::PathArgument;
use super::log_queue;
use crate::area::{Host, Linux, examine};
use crate::error::{Error, shown};
use crate::pair;

pub(super) fn host() -> Arc<dyn Host> {
    Arc::new(Linux::from_environment())
}

/// A report as JSON text.
pub(super) fn json(report: &impl Serialize) -> PyResult<String> {
    let text = serde_json::to_string(report);
    text.map_err(|error| Error::argument("report", format!("it has no JSON form: {error}")).into())
}

/// The status of a pair as last committed, without opening it.
#[pyfunction]
#[pyo3(signature = (mirror, *, catalog=None))]
pub(crate) fn status(
    py: Python<'_>,
    mirror: PathArgument,
    catalog: Option<PathArgument>,
) -> PyResult<String> {
    let catalog = catalog.as_ref().map(|path| path.0.as_path());
    json(&py.detach(|| pair::status_of(&*host(), &mirror.0, catalog))?)
}

/// The folder of the catalog of a pair.
#[pyfunction]
#[pyo3(signature = (mirror, *, catalog=None))]
pub(crate) fn catalog_of(
    py: Python<'_>,
    mirror: PathArgument,
    catalog: Option<PathArgument>,
) -> PyResult<Vec<u8>> {
    let catalog = catalog.as_ref().map(|path| path.0.as_path());
    let folder = py.detach(|| pair::catalog_of(&*host(), &mirror.0, catalog))?;
    Ok(folder.into_os_string().into_vec())
}

/// The events of a pair, oldest first, as a JSON list.
#[pyfunction]
#[pyo3(signature = (mirror, *, catalog=None))]
pub(crate) fn history(
    py: Python<'_>,
    mirror: PathArgument,
    catalog: Option<PathArgument>,
) -> PyResult<String> {
    let catalog = catalog.as_ref().map(|path| path.0.as_path());
    json(&py.detach(|| pair::history_of(&*host(), &mirror.0, catalog))?)
}

/// The pairs below a folder, as a JSON list of their status, or of the error that reading it met.
#[pyfunction]
pub(crate) fn list_pairs(py: Python<'_>, folder: PathArgument) -> PyResult<String> {
    let found = py.detach(|| pair::list_pairs(&*host(), &folder.0))?;
    let rows: Vec<serde_json::Value> = found
        .into_iter()
        .map(|(mirror, status)| match status {
            Ok(status) => serde_json::to_value(status).unwrap_or_default(),
            Err(error) => json!({
                "mirror": shown(&mirror),
                "error": {"class": error.class(), "message": error.to_string(), "fields": error.fields()},
            }),
        })
        .collect();
    json(&rows)
}

/// What the kernel, the file system of a path and this user allow, as a JSON list of checks.
#[pyfunction]
pub(crate) fn doctor(py: Python<'_>, path: PathArgument) -> PyResult<String> {
    json(&py.detach(|| examine(&path.0))?)
}

/// Takes the log records that wait: (level, logger name, message).
#[pyfunction]
pub(crate) fn drain_log() -> Vec<(u8, String, String)> {
    log_queue::drain()
}

/// The version of the core.
#[pyfunction]
pub(crate) fn version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}
