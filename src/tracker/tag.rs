//! The tag: one line of text in an extended attribute of the source, or beside a device.
//!
//! `splitmirror source <volume id> <epoch>`: the epoch grows by one with each session that writes the source
//! through a volume. A pair whose catalog is behind the tag has missed writes; a tag behind the catalog is an older
//! copy of the source. `cp -a` carries the tag to a copy, `cp` does not.
//!
//! A mirror carries `splitmirror mirror <pair id>`, so that no second pair takes it for its own.

use uuid::Uuid;

/// What an area says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tag {
    /// The source of a volume.
    Source {
        /// Identity of the volume.
        volume: Uuid,
        /// How many sessions have written it.
        epoch: u64,
    },
    /// The mirror of a pair.
    Mirror {
        /// Identity of the pair.
        pair: Uuid,
    },
}

/// What the tag of a source means to a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceSeen {
    /// It is ours and has had no session that we did not see.
    Known,
    /// It is ours and a session of another pair wrote it: this is its epoch.
    Missed(u64),
    /// It is not the file that was mirrored, or an older copy of it.
    Replaced,
}

impl Tag {
    /// As it is stored.
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Source { volume, epoch } => format!("splitmirror source {volume} {epoch}"),
            Self::Mirror { pair } => format!("splitmirror mirror {pair}"),
        }
        .into_bytes()
    }

    /// Reads a stored tag; anything else is no tag.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(bytes).ok()?.split(' ');
        if words.next() != Some("splitmirror") {
            return None;
        }
        let (kind, id) = (words.next()?, Uuid::parse_str(words.next()?).ok()?);
        match kind {
            "source" => Some(Self::Source { volume: id, epoch: words.next()?.parse().ok()? }),
            "mirror" => Some(Self::Mirror { pair: id }),
            _ => None,
        }
    }

    /// What the tag found on a source means to a pair of `volume` that has seen epoch `current`, and may have been
    /// about to begin `next`.
    pub fn judge(found: Option<Self>, volume: Uuid, current: u64, next: Option<u64>) -> SourceSeen {
        match found {
            Some(Self::Source { volume: theirs, epoch }) if theirs == volume => {
                if epoch == current || Some(epoch) == next {
                    SourceSeen::Known
                } else if epoch > current {
                    SourceSeen::Missed(epoch)
                } else {
                    SourceSeen::Replaced
                }
            }
            None if current == 0 => SourceSeen::Known,
            _ => SourceSeen::Replaced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_survive_storage_and_nonsense_is_no_tag() {
        let id = Uuid::new_v4();
        for tag in [Tag::Source { volume: id, epoch: 7 }, Tag::Mirror { pair: id }] {
            assert_eq!(Tag::parse(&tag.to_bytes()), Some(tag));
        }
        for bad in
            [&b""[..], b"splitmirror", b"splitmirror source x 1", b"\xff\xfe", b"splitmirror other"]
        {
            assert_eq!(Tag::parse(bad), None);
        }
    }

    #[test]
    fn i6_the_epoch_tells_missed_writes_from_an_older_copy() {
        let (ours, other) = (Uuid::new_v4(), Uuid::new_v4());
        let tag = |volume, epoch| Some(Tag::Source { volume, epoch });
        assert_eq!(Tag::judge(tag(ours, 5), ours, 5, None), SourceSeen::Known);
        assert_eq!(Tag::judge(tag(ours, 6), ours, 5, Some(6)), SourceSeen::Known);
        assert_eq!(Tag::judge(tag(ours, 6), ours, 5, None), SourceSeen::Missed(6));
        assert_eq!(Tag::judge(tag(ours, 4), ours, 5, None), SourceSeen::Replaced);
        assert_eq!(Tag::judge(tag(other, 5), ours, 5, None), SourceSeen::Replaced);
        assert_eq!(
            Tag::judge(Some(Tag::Mirror { pair: ours }), ours, 5, None),
            SourceSeen::Replaced
        );
        assert_eq!(Tag::judge(None, ours, 5, None), SourceSeen::Replaced);
        assert_eq!(Tag::judge(None, ours, 0, None), SourceSeen::Known);
    }
}
