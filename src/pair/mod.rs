//! The pair: one source and one mirror, and the verbs on them, one a file.
//!
//! Every verb enters the same way ([`Pair::enter`]): it looks at both files anew, sets the conditions that it finds,
//! and asks the verb table. Then it makes a plan, carries it out through the volume, and commits.

mod adopt;
mod array;
mod beside;
mod checks;
mod close;
mod create;
mod detach;
mod establish;
mod heal;
mod hold;
mod job;
mod list;
mod look;
mod open;
mod pending;
mod plan;
mod provenance;
mod receipt;
mod refresh;
mod repair;
mod report;
mod restore;
mod restore_to;
mod resume;
mod revisit;
mod seal;
mod split;
mod status;
mod target;
mod verify;
mod views;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use adopt::AdoptOptions;
pub use array::{ArrayOptions, ArrayView};
pub use create::CreateOptions;
pub use establish::EstablishOptions;
pub use job::RestoreJob;
pub use list::list_pairs;
pub use look::PointReader;
pub use open::OpenOptions;
pub use plan::Plan;
pub use provenance::ProvenanceRun;
pub use refresh::RefreshOptions;
pub use report::*;
pub use restore::RestoreOptions;
pub use resume::ResumeOptions;
pub use split::{SplitHooks, SplitOptions};
pub use status::{catalog_of, history_of, status_of};
pub use views::{MirrorFile, MirrorView};

use crate::area::{Host, descent};
use crate::catalog::Record;
use crate::error::{Error, Result};
use crate::state::{ACCEPTABLE, Refusal, Situation, Verb, check_guards, check_state};
use crate::volume::{Leg, Volume};

/// Longest label or reason of a hold, in bytes.
const TEXT_BYTES_MAX: usize = 1000;

/// An open pair. All methods may be called from several threads; verbs take turns.
#[derive(Debug)]
pub struct Pair {
    volume: Arc<Volume>,
    leg: Arc<Leg>,
    process: u32,
    /// Tells a forked child without asking the kernel.
    descent: u64,
    closed: AtomicBool,
    activity: Mutex<&'static str>,
    verbs: Mutex<()>,
    /// A restore that copies in the background.
    job: Mutex<Option<Arc<RestoreJob>>>,
}

/// A verb that runs; other verbs wait until it is dropped.
struct Entered<'a> {
    pair: &'a Pair,
    _turn: MutexGuard<'a, ()>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.pair.set_activity("idle");
    }
}

impl Pair {
    /// Where the source is.
    pub fn source_path(&self) -> &Path {
        self.volume.source_path()
    }

    /// Where the mirror is.
    pub fn mirror_path(&self) -> &Path {
        self.leg.mirror_path()
    }

    /// Where the catalog is.
    pub fn catalog_folder(&self) -> &Path {
        self.leg.folder()
    }

    /// The controller: reads, writes and flushes go through it.
    pub fn volume(&self) -> Result<&Volume> {
        self.check_usable()?;
        Ok(&self.volume)
    }

    fn host(&self) -> &dyn Host {
        &**self.volume.host()
    }

    fn check_usable(&self) -> Result<()> {
        if descent() != self.descent {
            return Err(Error::Forked { owner: self.process });
        }
        if self.closed.load(Ordering::Acquire) { Err(Error::Closed) } else { Ok(()) }
    }

    /// Whether it was closed.
    pub fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    fn set_activity(&self, activity: &'static str) {
        *self.activity.lock().unwrap_or_else(PoisonError::into_inner) = activity;
    }

    fn activity(&self) -> &'static str {
        *self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn turn(&self) -> Result<MutexGuard<'_, ()>> {
        self.check_usable()?;
        let turn = self.verbs.lock().unwrap_or_else(PoisonError::into_inner);
        self.check_usable()?;
        Ok(turn)
    }

    /// Waits for its turn, looks at both files, and asks the verb table. `restart`: a restore may begin anew.
    fn enter(&self, verb: Verb, activity: &'static str, restart: bool) -> Result<Entered<'_>> {
        let turn = self.turn()?;
        self.refuse_beside(verb)?;
        self.revisit()?;
        self.collect();
        self.check_table(verb, verb, restart)?;
        self.set_activity(activity);
        Ok(Entered { pair: self, _turn: turn })
    }

    /// Every verb sees what was stored into arrays so far. What fails is recorded as the source's, and as a mark: the
    /// verb meets it there.
    fn collect(&self) {
        if let Err(error) = self.volume.collect() {
            log::warn!(target: "splitmirror.pair", "what was stored into arrays: {error}");
        }
    }

    /// The verb table, for a step of the verb that was asked for.
    fn check_table(&self, asked: Verb, step: Verb, restart: bool) -> Result<()> {
        let record = self.record();
        if check_state(step, record.state, &record.conditions, restart) {
            return Ok(());
        }
        Err(Error::State {
            verb: asked.name(),
            state: described(record.state.name(), &record.conditions.names()),
            legal: self.legal_now(&record),
        })
    }

    /// The protections of the verb table, with what the caller accepts.
    fn check_guards(&self, verb: Verb, accept: &[String]) -> Result<()> {
        check_accept(accept)?;
        let source_length =
            self.volume.source().ok().map(|source| source.reader().length()).transpose()?;
        let catalog = self.leg.catalog();
        let record = catalog.record();
        let shrunk = source_length.is_some_and(|length| length < record.length / 2);
        let now = situation(record, shrunk);
        check_guards(verb, now, accept).map_err(|refusal| match refusal {
            Refusal::Held(reason) => Error::Held { verb: verb.name(), reason },
            Refusal::Skewed => {
                Error::MirrorSkewed { path: self.mirror_path().to_path_buf(), verb: verb.name() }
            }
            Refusal::Conditions(conditions) => Error::Protected { verb: verb.name(), conditions },
        })
    }

    /// What a cancelled verb says: the state it left and what to call next.
    fn cancelled(&self, next: &str) -> Error {
        let catalog = self.leg.catalog();
        let record = catalog.record();
        Error::Cancelled {
            state: described(record.state.name(), &record.conditions.names()),
            next: next.to_owned(),
        }
    }
}

/// What the protections look at, of a record.
fn situation(record: &Record, shrunk: bool) -> Situation<'_> {
    Situation {
        state: record.state,
        conditions: &record.conditions,
        hold: record.hold.as_deref(),
        shrunk,
    }
}

/// Refuses words in `accept` that override nothing: a misspelt one would be a false promise.
fn check_accept(accept: &[String]) -> Result<()> {
    match accept.iter().find(|word| !ACCEPTABLE.contains(&word.as_str())) {
        None => Ok(()),
        Some(word) => {
            let known = ACCEPTABLE.join(", ");
            Err(Error::argument(
                "accept",
                format!("'{word}' is not known; what can be accepted: {known}"),
            ))
        }
    }
}

/// Names that people give are stored in the record, which has limited room.
fn check_text(argument: &'static str, text: Option<&str>) -> Result<()> {
    match text {
        Some(text) if text.len() > TEXT_BYTES_MAX => Err(Error::argument(
            argument,
            format!("it has {} bytes; at most {TEXT_BYTES_MAX}", text.len()),
        )),
        _ => Ok(()),
    }
}

/// `split, restore-pending`: a state with its conditions, for messages.
fn described(state: &str, conditions: &[&str]) -> String {
    std::iter::once(&state).chain(conditions).copied().collect::<Vec<_>>().join(", ")
}
