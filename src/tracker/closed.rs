//! The time between a close and the next open: what proves that the source did not change meanwhile.
//!
//! A clean close leaves a mark with the source's stamp. The mark is believed when nobody else had the source open
//! at that moment, in the same boot, and every field of the stamp is still the same. After a reboot never: a power
//! cut can leave new data under the old times. The clock behind the times moves in ticks, so a change within the
//! same tick would leave the same time: the mark is written only once the last change is [`SETTLED_NS`] old.

use crate::area::Stamp;
use crate::state::{Mode, Reason};

/// Two ticks of the slowest kernel clock (100 Hz).
pub const SETTLED_NS: i128 = 20_000_000;

/// How long a close has still to wait before the stamp can be told from that of a later change.
pub fn unsettled_ns(source: &Stamp, now_ns: i128) -> u64 {
    let age = now_ns - source.changed_ns;
    // A change time in the future (the clock was set back) never settles; a bounded wait, then no mark.
    if (0..SETTLED_NS).contains(&age) { u64::try_from(SETTLED_NS - age).unwrap_or(0) } else { 0 }
}

/// Whether a stamp taken now could be told from that of a later change.
pub fn settled(source: &Stamp, now_ns: i128) -> bool {
    now_ns - source.changed_ns >= SETTLED_NS
}

/// The mark that the last close left.
#[derive(Debug, Clone, Copy)]
pub struct Mark<'a> {
    /// The boot in which it was written.
    pub boot_id: &'a str,
    /// The source then.
    pub source: &'a Stamp,
    /// Whether nobody else had it open then.
    pub sole: bool,
}

/// Why the tracking is not believed after the pair was closed; `None` when it is.
pub fn judge(mode: Mode, mark: Option<Mark<'_>>, boot_id: &str, source: &Stamp) -> Option<Reason> {
    match (mode, mark) {
        (Mode::Shared, None) => Some(Reason::UncleanClose),
        (Mode::Exclusive, None) => None,
        (Mode::Exclusive, Some(mark)) => {
            // Everything goes through the volume, says the user. A file that changed all the same is not believed.
            let same = mark.source.same_file(source)
                && mark.source.length == source.length
                && mark.source.modified_ns == source.modified_ns;
            (!same).then_some(Reason::OutsideWrites)
        }
        (Mode::Shared, Some(mark)) if mark.boot_id != boot_id => Some(Reason::Rebooted),
        (Mode::Shared, Some(mark)) if !mark.source.same_content(source) => {
            Some(Reason::OutsideWrites)
        }
        (Mode::Shared, Some(mark)) => (!mark.sole).then_some(Reason::UncleanTracker),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAMP: Stamp = Stamp {
        device: 1,
        file_system: 9,
        inode: 2,
        length: 100,
        modified_ns: 1_000,
        changed_ns: 1_000,
    };

    fn judged(mode: Mode, boot: &str, sole: bool, now: Stamp) -> Option<Reason> {
        judge(mode, Some(Mark { boot_id: "a", source: &STAMP, sole }), boot, &now)
    }

    #[test]
    fn only_the_untouched_file_of_the_same_boot_is_believed() {
        assert_eq!(judged(Mode::Shared, "a", true, STAMP), None);
        assert_eq!(judged(Mode::Shared, "b", true, STAMP), Some(Reason::Rebooted));
        assert_eq!(judged(Mode::Shared, "a", false, STAMP), Some(Reason::UncleanTracker));
        assert_eq!(judge(Mode::Shared, None, "a", &STAMP), Some(Reason::UncleanClose));
        let changed = [
            Stamp { inode: 3, ..STAMP },
            Stamp { length: 99, ..STAMP },
            Stamp { modified_ns: 1_001, ..STAMP },
            Stamp { changed_ns: 1_001, ..STAMP },
            Stamp { device: 7, file_system: 8, ..STAMP },
        ];
        for now in changed {
            assert_eq!(
                judged(Mode::Shared, "a", true, now),
                Some(Reason::OutsideWrites),
                "{now:?}"
            );
        }
    }

    #[test]
    fn exclusive_mode_is_believed_across_boots_unless_the_file_shows_a_change() {
        assert_eq!(judged(Mode::Exclusive, "b", false, STAMP), None);
        assert_eq!(judge(Mode::Exclusive, None, "b", &STAMP), None);
        assert_eq!(
            judged(Mode::Exclusive, "a", true, Stamp { modified_ns: 2, ..STAMP }),
            Some(Reason::OutsideWrites)
        );
    }

    #[test]
    fn a_stamp_settles_two_ticks_after_the_last_change() {
        assert_eq!(unsettled_ns(&STAMP, 1_000), 20_000_000);
        assert!(!settled(&STAMP, 19_000_000) && settled(&STAMP, 20_001_000));
        assert_eq!(unsettled_ns(&STAMP, 90_000_000), 0);
        assert_eq!(unsettled_ns(&STAMP, 0), 0);
        assert!(!settled(&STAMP, 0), "a change time in the future");
    }
}
