//! Arguments as the core wants them, refused with the project's own errors.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use serde_json::json;

use super::errors::raise;
use crate::error::{Error, Result};
use crate::state::{Consistency, Mode};
use crate::units::BlockSize;

/// Any iterable of Python's, where one was given.
pub(super) type Iterable<'py> = Option<Bound<'py, PyAny>>;

/// A path given as str, bytes or os.PathLike.
pub(crate) struct PathArgument(pub(super) PathBuf);

impl<'py> FromPyObject<'_, 'py> for PathArgument {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let bytes: Vec<u8> =
            object.py().import("os")?.call_method1("fsencode", (object,))?.extract()?;
        let problem = match bytes.as_slice() {
            [] => Some("it is empty"),
            bytes if bytes.contains(&0) => Some("it holds a NUL byte, which no path can"),
            _ => None,
        };
        match problem {
            Some(problem) => Err(Error::argument("path", problem).into()),
            None => Ok(Self(OsString::from_vec(bytes).into())),
        }
    }
}

/// A number of bytes: an integer from 0 to 2^64-1; anything else is a `RangeError`.
#[derive(Clone, Copy)]
pub(crate) struct ByteCount(pub(super) u64);

impl<'py> FromPyObject<'_, 'py> for ByteCount {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        match object.extract::<u64>() {
            Ok(value) => Ok(Self(value)),
            Err(error) if error.is_instance_of::<PyOverflowError>(object.py()) => {
                let fields = json!({"offset": 0, "length": 0, "limit": i64::MAX});
                let message = format!(
                    "{} is not a number of bytes: negative, or beyond what a file can hold",
                    *object
                );
                Err(raise(
                    object.py(),
                    "RangeError",
                    &message,
                    fields.as_object().unwrap_or(&serde_json::Map::new()),
                ))
            }
            Err(error) => Err(error),
        }
    }
}

/// Names in any iterable but a single string, which would be taken for its letters.
pub(super) fn names(argument: &Option<Bound<'_, PyAny>>) -> PyResult<Vec<String>> {
    let Some(argument) = argument else { return Ok(Vec::new()) };
    if let Ok(single) = argument.extract::<String>() {
        return Ok(vec![single]);
    }
    argument.try_iter()?.map(|name| name?.extract::<String>()).collect()
}

/// `(offset, length)` pairs in any iterable.
pub(super) fn ranges(argument: &Option<Bound<'_, PyAny>>) -> PyResult<Option<Vec<(u64, u64)>>> {
    let Some(argument) = argument else { return Ok(None) };
    let pairs = argument.try_iter()?.map(|pair| {
        let (offset, length) = pair?.extract::<(ByteCount, ByteCount)>()?;
        Ok((offset.0, length.0))
    });
    pairs.collect::<PyResult<Vec<_>>>().map(Some)
}

pub(super) fn mode(name: &str) -> Result<Mode> {
    match name {
        "shared" => Ok(Mode::Shared),
        "exclusive" => Ok(Mode::Exclusive),
        other => {
            Err(Error::argument("mode", format!("'{other}' is neither 'shared' nor 'exclusive'")))
        }
    }
}

pub(super) fn consistency(name: Option<&str>) -> Result<Option<Consistency>> {
    match name {
        None => Ok(None),
        Some("application") => Ok(Some(Consistency::Application)),
        Some("flushed") => Ok(Some(Consistency::Flushed)),
        Some("crash") => Ok(Some(Consistency::Crash)),
        Some(other) => Err(Error::argument(
            "require",
            format!("'{other}' is none of 'application', 'flushed' and 'crash'"),
        )),
    }
}

pub(super) fn block_size(bytes: ByteCount) -> Result<BlockSize> {
    BlockSize::new(bytes.0).ok_or_else(|| {
        let limits = "a power of two between 4096 (4 KiB) and 4194304 (4 MiB)";
        Error::argument("block_size", format!("{} is not {limits}", bytes.0))
    })
}
