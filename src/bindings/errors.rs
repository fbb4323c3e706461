//! Errors of the core as Python exceptions: the classes are defined in `splitmirror.errors`, so that each can have
//! two bases, and are looked up by name.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use serde_json::{Map, Value};

use crate::error::Error;

impl From<Error> for PyErr {
    fn from(error: Error) -> Self {
        Python::attach(|py| raise(py, error.class(), &error.to_string(), &error.fields()))
    }
}

/// An exception of `splitmirror.errors` with a message and its fields.
pub(super) fn raise(
    py: Python<'_>,
    class: &str,
    message: &str,
    fields: &Map<String, Value>,
) -> PyErr {
    build(py, class, message, fields).unwrap_or_else(|failure| failure)
}

fn build(
    py: Python<'_>,
    class: &str,
    message: &str,
    fields: &Map<String, Value>,
) -> PyResult<PyErr> {
    let class = py.import("splitmirror.errors")?.getattr(class)?;
    let keywords = PyDict::new(py);
    for (name, value) in fields {
        keywords.set_item(name, to_python(py, value)?)?;
    }
    let arguments = PyTuple::new(py, [message])?;
    Ok(PyErr::from_value(class.call(arguments, Some(&keywords))?))
}

fn to_python<'py>(py: Python<'py>, value: &Value) -> PyResult<Bound<'py, PyAny>> {
    py.import("json")?.call_method1("loads", (value.to_string(),))
}
