//! The history: one line an event, `<first 16 hexadecimal digits of the BLAKE3 of the JSON> <JSON>`.
//!
//! It is for people. It may lack its newest lines after a crash; lines that are torn are passed over. A full disk
//! costs the event, never the verb.

use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::area::{Access, Host, Reader, Writer};
use crate::error::{Error, Result};

const NAME: &str = "history";

/// Something that happened to a pair.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When, seconds since the epoch.
    pub at: f64,
    /// The verb, or what was noticed.
    pub event: String,
    /// Its report, or the numbers that explain it.
    pub detail: Value,
}

fn checksum(json: &str) -> String {
    blake3::hash(json.as_bytes()).to_hex().chars().take(16).collect()
}

pub(super) fn append(host: &dyn Host, folder: &Path, event: &Event) -> Result<()> {
    let path = folder.join(NAME);
    let file = match host.open(&path, Access::Write) {
        Err(Error::NotFound { .. }) => host.create(&path, None)?,
        opened => opened?,
    };
    let file = Writer::new(file);
    let json = serde_json::to_string(event).unwrap_or_default();
    let line = format!("{} {json}\n", checksum(&json));
    file.write_at(line.as_bytes(), file.reader().length()?)?;
    file.sync()
}

pub(super) fn read(host: &dyn Host, folder: &Path) -> Result<Vec<Event>> {
    let file = match host.open(&folder.join(NAME), Access::Read) {
        Err(Error::NotFound { .. }) => return Ok(Vec::new()),
        opened => Reader::new(opened?),
    };
    let mut bytes = vec![0u8; usize::try_from(file.length()?).unwrap_or(0)];
    let read = file.read_at(&mut bytes, 0)?;
    bytes.truncate(read);
    let events = bytes.split(|byte| *byte == b'\n').filter_map(|line| {
        let (sum, json) = std::str::from_utf8(line).ok()?.split_once(' ')?;
        (sum == checksum(json)).then(|| serde_json::from_str(json).ok()).flatten()
    });
    Ok(events.collect())
}
