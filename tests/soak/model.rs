//! What the source may hold: the operations of a round, and the rules of `main` on them.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use super::cells::{CELLS, Version, cell_at, offset_of};

/// What a split mirror holds.
#[derive(Debug)]
pub(crate) struct Point {
    pub(crate) bytes: Vec<u8>,
    pub(crate) versions: Vec<Version>,
}

impl Point {
    fn length(&self) -> u64 {
        self.bytes.len() as u64
    }
}

/// An interval of the clock; an operation that has not returned returns at the end of time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Span {
    pub(crate) call: u64,
    pub(crate) ret: u64,
}

impl Span {
    fn before(self, other: Self) -> bool {
        self.ret < other.call
    }
}

/// An operation on one cell.
#[derive(Debug, Clone, Copy)]
struct Event {
    leaves: Version,
    span: Span,
    /// The restore that it is of.
    restore: Option<u64>,
    /// Whether it did take effect on this cell, or only may have.
    certain: bool,
}

/// A restore. Its call is its name.
#[derive(Debug, Clone)]
struct Restore {
    span: Span,
    point: Arc<Point>,
    /// The cells on which it takes effect for certain, when not on all; the length is then left alone.
    certain: Option<Vec<Range<usize>>>,
}

impl Restore {
    fn on(&self, cell: usize) -> Option<Event> {
        // What is healed are blocks of the mirror.
        let possible = self.certain.is_none() || offset_of(cell) < self.point.length();
        let named = |ranges: &Vec<Range<usize>>| ranges.iter().any(|range| range.contains(&cell));
        possible.then(|| Event {
            leaves: self.point.versions[cell],
            span: self.span,
            restore: Some(self.span.call),
            certain: self.certain.as_ref().is_none_or(named),
        })
    }
}

/// A write that may have made the source longer.
#[derive(Debug, Clone, Copy)]
struct Reach {
    span: Span,
    end: u64,
}

#[derive(Debug)]
pub(crate) struct Model {
    clock: AtomicU64,
    /// What the cells held when the round began.
    base: Vec<Version>,
    base_length: u64,
    /// The writes and discards of the round, by cell.
    changes: Vec<Mutex<Vec<(Span, Version)>>>,
    reaches: Mutex<Vec<Reach>>,
    restores: RwLock<Vec<Restore>>,
}

const AT_ONCE: Span = Span { call: 0, ret: 0 };

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            clock: AtomicU64::new(1),
            base: vec![0; CELLS],
            base_length: 0,
            changes: (0..CELLS).map(|_| Mutex::default()).collect(),
            reaches: Mutex::default(),
            restores: RwLock::default(),
        }
    }

    /// The next moment of the clock.
    pub(crate) fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// A round begins: everything stands still, and this is what the source holds.
    pub(crate) fn begin_round(&mut self, versions: Vec<Version>, length: u64) {
        self.base = versions;
        self.base_length = length;
        self.changes.iter_mut().for_each(|changes| changes.get_mut().unwrap().clear());
        self.reaches.get_mut().unwrap().clear();
        self.restores.get_mut().unwrap().clear();
    }

    /// A write, or a discard, is about to be called at `call`. `leaves`: what it puts into each of the cells.
    pub(crate) fn begin_change(&self, cells: Range<usize>, leaves: Version, call: u64) {
        let span = Span { call, ret: u64::MAX };
        if leaves != 0 {
            self.reaches.lock().unwrap().push(Reach { span, end: offset_of(cells.end) });
        }
        cells.for_each(|cell| self.changes[cell].lock().unwrap().push((span, leaves)));
    }

    /// It has returned.
    pub(crate) fn end_change(&self, cells: Range<usize>, call: u64) {
        let ret = self.now();
        let mut reaches = self.reaches.lock().unwrap();
        if let Some(reach) = reaches.iter_mut().rev().find(|reach| reach.span.call == call) {
            reach.span.ret = ret;
        }
        drop(reaches);
        for cell in cells {
            let mut changes = self.changes[cell].lock().unwrap();
            let ours = changes.iter_mut().rev().find(|(span, _)| span.call == call);
            ours.unwrap().0.ret = ret;
        }
    }

    /// A restore is about to be called; its name.
    pub(crate) fn begin_restore(
        &self,
        point: Arc<Point>,
        certain: Option<Vec<Range<usize>>>,
    ) -> u64 {
        let mut restores = self.restores.write().unwrap();
        let call = self.now();
        restores.push(Restore { span: Span { call, ret: u64::MAX }, point, certain });
        call
    }

    /// It has returned, or was refused.
    pub(crate) fn end_restore(&self, name: u64, done: bool) {
        let mut restores = self.restores.write().unwrap();
        let ret = self.now();
        restores.retain(|restore| done || restore.span.call != name);
        for restore in restores.iter_mut().filter(|restore| restore.span.call == name) {
            restore.span.ret = ret;
        }
    }

    /// The restores of the round so far; `None` while one begins.
    pub(crate) fn restores(&self) -> Option<usize> {
        let restores = self.restores.read().unwrap();
        let all_returned = restores.iter().all(|restore| restore.span.ret != u64::MAX);
        all_returned.then_some(restores.len())
    }

    fn events(&self, cell: usize) -> Vec<Event> {
        let certain = |leaves, span| Event { leaves, span, restore: None, certain: true };
        let mut events = vec![certain(self.base[cell], AT_ONCE)];
        let changes = self.changes[cell].lock().unwrap();
        events.extend(changes.iter().map(|(span, leaves)| certain(*leaves, *span)));
        drop(changes);
        events.extend(self.restores.read().unwrap().iter().filter_map(|restore| restore.on(cell)));
        events
    }

    /// Rule 1: whether a read of this cell may have met a write.
    pub(crate) fn is_changing(&self, cell: usize, seen: Span) -> bool {
        let changes = self.changes[cell].lock().unwrap();
        changes.iter().any(|(span, _)| !span.before(seen) && !seen.before(*span))
    }

    /// Rule 2.
    pub(crate) fn check(&self, cell: usize, found: Version, seen: Span) -> Result<(), String> {
        let events = self.events(cell);
        if explanations(&events, found, seen).is_empty() {
            return Err(told(cell, found, seen, &events));
        }
        Ok(())
    }

    /// Rule 3: all cells are of one instant of `seen`.
    pub(crate) fn check_instant(&self, versions: &[Version], seen: Span) -> Result<(), String> {
        let (mut after, mut before) = ((seen.call, CELLS), (seen.ret, CELLS));
        for (cell, found) in versions.iter().enumerate() {
            let events = self.events(cell);
            let explained = explanations(&events, *found, seen);
            let overwritten = |event: &Event| {
                let later = events.iter().filter(|later| later.certain);
                let later = later.filter(|later| event.span.before(later.span));
                later.map(|later| later.span.ret).min().unwrap_or(u64::MAX)
            };
            let bounds = explained.iter().map(|event| (event.span.call, overwritten(event)));
            let bounds = bounds.reduce(|one, other| (one.0.min(other.0), one.1.max(other.1)));
            let (begin, end) = bounds.ok_or_else(|| told(cell, *found, seen, &events))?;
            after = after.max((begin, cell));
            before = before.min((end, cell));
        }
        self.check_room(after, before)
    }

    /// Rule 4, of the last restore of the round, where there is one that is the last for certain. Everything stands
    /// still: this is what the source holds.
    pub(crate) fn check_last_restore(&self, versions: &[Version]) -> Result<bool, String> {
        let restores = self.restores.read().unwrap().clone();
        let is_last = |last: &&Restore| {
            let mut others = restores.iter().filter(|other| other.span.call != last.span.call);
            last.certain.is_none() && others.all(|other| other.span.before(last.span))
        };
        let Some(last) = restores.iter().find(is_last).map(|last| last.span) else {
            return Ok(false);
        };
        let (mut after, mut before) = ((last.call, CELLS), (last.ret, CELLS));
        let now = self.now();
        for (cell, found) in versions.iter().enumerate() {
            let events = self.events(cell);
            let explained = explanations(&events, *found, Span { call: now, ret: now });
            let restored = |event: &Event| event.restore == Some(last.call);
            if explained.iter().all(restored) {
                // Whatever else was written was undone.
                let writes = events.iter().filter(|event| event.restore.is_none());
                after = after.max((writes.map(|event| event.span.call).max().unwrap_or(0), cell));
            } else if !explained.iter().any(restored) {
                let outlived = explained.iter().map(|event| event.span.ret).max();
                before = before.min((outlived.unwrap_or(u64::MAX), cell));
            }
        }
        self.check_room(after, before).map_err(|why| format!("a restore of {last:?}: {why}"))?;
        Ok(true)
    }

    /// Whether there is an instant after the one and before the other, each with the cell that it is from.
    fn check_room(&self, after: (u64, usize), before: (u64, usize)) -> Result<(), String> {
        if after.0 < before.0 {
            return Ok(());
        }
        let cell = |cell: usize| match cell {
            CELLS => String::from("the call itself"),
            cell => format!("cell {cell} at {}, {:?}", offset_of(cell), self.events(cell)),
        };
        Err(format!(
            "not of one instant: after {} by {}; before {} by {}",
            after.0,
            cell(after.1),
            before.0,
            cell(before.1)
        ))
    }

    /// Rule 6.
    pub(crate) fn check_length(&self, found: u64, seen: Span) -> Result<(), String> {
        if offset_of(cell_at(found)) != found {
            return Err(format!("the length {found} ends within a cell"));
        }
        let restores = self.restores.read().unwrap();
        let whole = restores.iter().filter(|restore| restore.certain.is_none());
        let mut lengths = vec![(self.base_length, AT_ONCE)];
        lengths.extend(whole.map(|restore| (restore.point.length(), restore.span)));
        drop(restores);
        let reaches = self.reaches.lock().unwrap();
        let mut allowed = Vec::new();
        for (length, set) in &lengths {
            let again = |(_, later): &&(u64, Span)| set.before(*later) && later.before(seen);
            if seen.before(*set) || lengths.iter().find(again).is_some() {
                continue;
            }
            let end = |within: &dyn Fn(Span) -> bool| {
                let reaches = reaches.iter().filter(|reach| within(reach.span));
                reaches.map(|reach| reach.end).max().unwrap_or(0).max(*length)
            };
            let least = end(&|span| set.before(span) && span.before(seen));
            let most = end(&|span| !span.before(*set) && !seen.before(span));
            allowed.push(least..=most);
        }
        if allowed.iter().any(|range| range.contains(&found)) {
            return Ok(());
        }
        Err(format!("the length {found} seen in {seen:?}; allowed {allowed:?}, set by {lengths:?}"))
    }
}

/// The operations that a cell may hold this of, at some instant of `seen`.
fn explanations(events: &[Event], found: Version, seen: Span) -> Vec<Event> {
    let is_over = |event: &Event| {
        events
            .iter()
            .any(|later| later.certain && event.span.before(later.span) && later.span.before(seen))
    };
    let explains =
        |event: &&Event| event.leaves == found && !seen.before(event.span) && !is_over(event);
    events.iter().filter(explains).copied().collect()
}

fn told(cell: usize, found: Version, seen: Span, events: &[Event]) -> String {
    let events: Vec<String> = events.iter().map(|event| format!("    {event:?}")).collect();
    format!(
        "cell {cell} at {} holds {found} in {seen:?}, which nothing explains:\n{}",
        offset_of(cell),
        events.join("\n")
    )
}
