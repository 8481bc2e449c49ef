//! A bookmark: the name of one commit of one object, as text.
//!
//! Commits are numbered by SQLite's own log: by its *generation*, which grows by one each time the log begins anew, and by the number of
//! the commit's last frame in it. Both only grow, so an earlier bookmark is the smaller string (PITR-1). The last group tells objects
//! apart: a bookmark of another object is refused instead of being taken for one of this.

use sha2::{Digest as _, Sha256};

/// How many bytes of the digest of the object's path a bookmark carries.
const TAG_BYTES: usize = 16;

/// A point in an object's history: the first commit that ends at this frame or after it, or the last one of the generation if there is
/// none; with frame 0 the state before the generation's first commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::storage) struct Position {
    pub(super) generation: u32,
    pub(super) frame: u32,
}

/// Why a string is no bookmark of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotABookmark {
    Malformed,
    OfAnotherObject,
}

impl Position {
    /// The frame of this generation, which is not an older one, that going back to the position goes back to: 0 for a later generation, which
    /// goes as a whole.
    pub(super) fn within(self, generation: u32) -> u32 {
        if generation == self.generation {
            self.frame
        } else {
            0
        }
    }

    /// As one number, for a row of the metadata.
    pub(super) fn packed(self) -> i64 {
        (u64::from(self.generation) << 32 | u64::from(self.frame)).cast_signed()
    }

    /// What [`packed`](Self::packed) made a number of.
    #[expect(clippy::cast_possible_truncation, reason = "each half is meant")]
    pub(super) fn of_packed(packed: i64) -> Self {
        let packed = packed.cast_unsigned();
        Self {
            generation: (packed >> 32) as u32,
            frame: packed as u32,
        }
    }

    /// The bookmark of the object with this tag.
    pub(super) fn bookmark(self, tag: &str) -> String {
        let generation = u64::from(self.generation) + 1;
        format!("{generation:08x}-{:08x}-00000000-{tag}", self.frame)
    }

    /// What a bookmark names.
    pub(super) fn of_bookmark(bookmark: &str, tag: &str) -> Result<Self, NotABookmark> {
        let groups: Vec<&str> = bookmark.split('-').collect();
        let [generation, frame, reserved, of_object] = groups[..] else {
            return Err(NotABookmark::Malformed);
        };
        let is_hex = |group: &str, len| {
            group.len() == len
                && group
                    .bytes()
                    .all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
        };
        let number = |group: &str| {
            is_hex(group, 8)
                .then(|| u32::from_str_radix(group, 16).ok())
                .flatten()
                .ok_or(NotABookmark::Malformed)
        };
        let position = Self {
            generation: number(generation)?
                .checked_sub(1)
                .ok_or(NotABookmark::Malformed)?,
            frame: number(frame)?,
        };
        if number(reserved)? != 0 || !is_hex(of_object, 2 * TAG_BYTES) {
            return Err(NotABookmark::Malformed);
        }
        if of_object != tag {
            return Err(NotABookmark::OfAnotherObject);
        }
        Ok(position)
    }
}

/// What tells the object whose database has this path from others.
pub(super) fn tag(path: &str) -> String {
    use std::fmt::Write as _;
    let digest = Sha256::digest(path.as_bytes());
    digest[..TAG_BYTES]
        .iter()
        .fold(String::new(), |mut tag, byte| {
            let _ = write!(tag, "{byte:02x}"); // writing to a string cannot fail
            tag
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(generation: u32, frame: u32) -> Position {
        Position { generation, frame }
    }

    #[test]
    fn a_bookmark_names_its_position_and_sorts_like_it() {
        let tag = tag("objects/Counter/a.sqlite");
        let positions = [
            at(0, 0),
            at(0, 1),
            at(0, 300),
            at(1, 0),
            at(16, 2),
            at(255, 1),
        ];
        let bookmarks = positions.map(|position| position.bookmark(&tag));
        assert!(bookmarks.is_sorted());
        for (bookmark, position) in bookmarks.iter().zip(positions) {
            assert_eq!(Position::of_bookmark(bookmark, &tag), Ok(position));
            assert_eq!(Position::of_packed(position.packed()), position);
            let groups: Vec<usize> = bookmark.split('-').map(str::len).collect();
            assert_eq!(groups, [8, 8, 8, 32], "{bookmark}");
        }
    }

    #[test]
    fn what_is_no_bookmark_of_the_object_is_refused() {
        let (ours, other) = (
            tag("objects/Counter/a.sqlite"),
            tag("objects/Counter/b.sqlite"),
        );
        let bookmark = at(3, 4).bookmark(&other);
        assert_eq!(
            Position::of_bookmark(&bookmark, &ours),
            Err(NotABookmark::OfAnotherObject)
        );
        let good = at(3, 4).bookmark(&ours);
        for bad in [
            String::new(),
            "bookmark".into(),
            good[1..].into(),
            format!("{good}0"),
            format!("{good}-"),
            good.replace("-00000000-", "-00000001-"),
            good.replacen("00000004", "+0000004", 1),
            good.replacen("00000004", "00000000", 2),
            "00000000-00000000-00000000-00000000000000000000000000000000".into(),
        ] {
            assert_eq!(
                Position::of_bookmark(&bad, &ours),
                Err(NotABookmark::Malformed),
                "{bad}"
            );
        }
    }
}
