//! A split waits for the writes that are under way: two threads, one held in the middle of a write.

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
