//! Log records wait here until Python asks for them: a logging call into Python from a thread that serves I/O could
//! deadlock with a thread that holds the interpreter and waits for that I/O.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// The oldest records give way beyond this many.
const RECORDS_MAX: usize = 1000;

/// Python's level, the logger's name, the message.
pub(super) type Line = (u8, String, String);

struct Queue(Mutex<VecDeque<Line>>);

static QUEUE: Queue = Queue(Mutex::new(VecDeque::new()));

impl Log for Queue {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("splitmirror")
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) {
            return;
        }
        let level = match record.level() {
            Level::Error => 40,
            Level::Warn => 30,
            Level::Info => 20,
            Level::Debug | Level::Trace => 10,
        };
        let line = (level, record.target().replace("::", "."), record.args().to_string());
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == RECORDS_MAX {
            lines.pop_front();
        }
        lines.push_back(line);
    }

    fn flush(&self) {}
}

/// Takes the records of the core; in a process that has a logger already, that one gets them.
pub(crate) fn install() {
    if log::set_logger(&QUEUE).is_ok() {
        log::set_max_level(LevelFilter::Debug);
    }
}

/// All that waits.
pub(super) fn drain() -> Vec<Line> {
    QUEUE.0.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect()
}
