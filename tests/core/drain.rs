//! A split waits for the writes that are under way: two threads, one held in the middle of a write.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use splitmirror::area::Order;
use splitmirror::pair::SplitOptions;
use splitmirror::sim::Change;
use splitmirror::state::Mode;

use crate::campaign::seed;
use crate::model::{mirror, source};
use crate::story::{BLOCK, Story, Told};

/// Splits while a write has reached the source and not yet the mirror.
fn split_during_a_write(rule: Option<Order>) -> Told {
    let mut story = Story::new(Mode::Shared, 8, rule, seed());
    story.create()?;
    story.establish()?;
    let pair = story.shared_pair()?;
    let ((reached, is_reached), (go_on, may_go_on)) = (channel::<()>(), channel::<()>());
    let (wanted, may_go_on) = (story.host.inode(&mirror()), Mutex::new(may_go_on));
    story.host.on_change(move |change| {
        if let Change::Write { inode, .. } = change
            && Some(*inode) == wanted
        {
            let _ = reached.send(());
            let _ = may_go_on.lock().unwrap().recv_timeout(Duration::from_secs(20));
        }
    });
    let writing = Arc::clone(&pair);
    let writer = std::thread::spawn(move || writing.volume()?.write(&[9; BLOCK], 3 * BLOCK as u64));
    is_reached.recv_timeout(Duration::from_secs(20)).map_err(|_| "the write did not begin")?;
    let (ended, has_ended) = channel();
    let splitting = Arc::clone(&pair);
    let splitter = std::thread::spawn(move || {
        let result = splitting.split(&SplitOptions::default()).map(drop);
        let _ = ended.send(());
        result
    });
    let early =
        has_ended.recv_timeout(Duration::from_millis(300)) != Err(RecvTimeoutError::Timeout);
    let _ = go_on.send(());
    let written = writer.join().map_err(|_| "the writer panicked")?;
    let split = splitter.join().map_err(|_| "the splitter panicked")?;
    story.host.forget_hook();
    if early {
        return Err(format!("split() did not wait for a write under way: {split:?}"));
    }
    written.map_err(|error| format!("write() failed: {error}"))?;
    split.map_err(|error| format!("split() failed: {error}"))?;
    if !story.host.same_bytes(&source(), &mirror()) {
        return Err("the point has half of a write".into());
    }
    Ok(())
}

#[test]
fn a_split_waits_for_writes_under_way() {
    assert_eq!(split_during_a_write(None), Ok(()));
}

#[test]
fn and_the_rule_that_it_waits_is_needed() {
    let found = split_during_a_write(Some(Order::DrainBeforeSplit));
    println!("DrainBeforeSplit left out: {found:?}");
    assert!(found.is_err(), "DrainBeforeSplit can be left out unnoticed");
}

/// While a split syncs, whatever it is, the gate is open: another thread's write into a region that is logged already
/// ends before the sync does.
#[test]
fn a_split_syncs_nothing_while_the_gate_is_closed() {
    let mut story = Story::new(Mode::Exclusive, 8, None, seed());
    story.create().unwrap();
    story.establish().unwrap();
    story.write_at(0, &[1; 100]).unwrap();
    let pair = story.shared_pair().unwrap();
    let (syncs, stuck) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let (writing, seen, held) = (Arc::clone(&pair), Arc::clone(&syncs), Arc::clone(&stuck));
    story.host.on_change(move |change| {
        if !change.is_sync() {
            return;
        }
        seen.fetch_add(1, Ordering::Relaxed);
        let (ended, has_ended) = channel();
        let writing = Arc::clone(&writing);
        std::thread::spawn(move || {
            let written = writing.volume().and_then(|volume| volume.write(&[2; 50], 20));
            let _ = ended.send(written.is_ok());
        });
        // A write that the gate keeps waiting never ends, for this sync is waiting for it.
        if has_ended.recv_timeout(Duration::from_secs(10)) != Ok(true) {
            held.fetch_add(1, Ordering::Relaxed);
        }
    });
    pair.split(&SplitOptions::default()).unwrap();
    story.host.forget_hook();
    assert!(syncs.load(Ordering::Relaxed) >= 2, "the mirror and the record are synced");
    assert_eq!(stuck.load(Ordering::Relaxed), 0, "a write waited for a sync");
}
