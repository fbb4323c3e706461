//! A failed sync of the source is told: to whoever asked, in the state, and to the application's next flush.

use std::path::PathBuf;
use std::sync::Arc;

use splitmirror::area::Host;
use splitmirror::engine::{Cancel, Control};
use splitmirror::error::Error;
use splitmirror::pair::{CreateOptions, EstablishOptions, Pair, RestoreOptions, SplitOptions};
use splitmirror::sim::{Calls, Failure, Random, SimHost};
use splitmirror::state::{Condition, Method, Mode};
use splitmirror::units::BlockSize;

use crate::campaign::seed;
use crate::model::{catalog, mirror, source};
use crate::story::{BLOCK, SETTINGS, control, first_bytes};

/// The next sync of a file fails, once.
fn next_sync(path: PathBuf) -> Failure {
    Failure { path, calls: Calls::Syncs, nth: 1, errno: libc::EIO, for_ever: false }
}

/// A split pair in mode exclusive, with a session and something written since the split.
fn written() -> (SimHost, Pair) {
    let host = SimHost::new();
    host.put(&source(), &first_bytes(&mut Random::new(seed()), 12));
    host.settle();
    let shared: Arc<dyn Host> = Arc::new(host.clone());
    let options = CreateOptions {
        mode: Mode::Exclusive,
        block_size: BlockSize::new(BLOCK as u64).unwrap(),
        settings: SETTINGS,
        ..CreateOptions::default()
    };
    let pair = Pair::create(shared, &source(), &mirror(), options).unwrap();
    pair.establish(&EstablishOptions::default(), &control()).unwrap();
    pair.split(&SplitOptions::default()).unwrap();
    for block in [2, 5, 8] {
        pair.volume().unwrap().write(&[7; 100], block * BLOCK as u64).unwrap();
    }
    (host, pair)
}

fn suspect(pair: &Pair) -> bool {
    pair.record().conditions.has(Condition::SourceSuspect)
}

#[test]
fn i8_a_sync_that_fails_in_a_restore_fails_the_next_flush_too() {
    let (host, pair) = written();
    host.fail(next_sync(source()));
    let error = pair.restore(&RestoreOptions::default(), &control()).unwrap_err();
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert!(suspect(&pair));
    assert!(pair.volume().unwrap().flush().is_err(), "the application was not told");
    pair.volume().unwrap().flush().unwrap();
    assert!(suspect(&pair), "a later success proves nothing");
}

#[test]
fn i8_a_suspect_source_is_written_anew_and_not_compared_with_its_cache() {
    let (host, pair) = written();
    host.fail(next_sync(source()));
    assert!(pair.volume().unwrap().flush().is_err());
    assert!(suspect(&pair));
    let receipt = pair.restore(&RestoreOptions::default(), &control()).unwrap();
    assert_eq!(receipt.copy.method, Method::Copy);
    assert!(receipt.copy.blocks_copied > 3, "more than what was marked");
    assert!(!suspect(&pair));
}

#[test]
fn i5_a_flush_that_could_not_be_recorded_is_made_up_for_by_the_next() {
    let (host, pair) = written();
    let cancel = Cancel::default();
    cancel.cancel();
    let cancelled = pair.restore(&RestoreOptions::default(), &Control::new(vec![cancel]));
    assert!(matches!(cancelled, Err(Error::Cancelled { .. })));
    let volume = pair.volume().unwrap();
    volume.write(&[9; BLOCK], 5 * BLOCK as u64).unwrap();
    host.fail(next_sync(catalog()));
    assert!(volume.flush().is_err());
    volume.flush().unwrap();
    let receipt =
        pair.resume_restore(&splitmirror::pair::ResumeOptions::default(), &control()).unwrap();
    assert!(receipt.complete);
    // Recorded on disk as well: a power cut right after the flush would not have brought the mirror's bytes back.
    let bytes = host.contents(&source()).unwrap();
    assert!(bytes[5 * BLOCK..6 * BLOCK].iter().all(|byte| *byte == 9));
}
