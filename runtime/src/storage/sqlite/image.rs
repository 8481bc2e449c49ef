//! The first page of an empty database in write-ahead mode, made by hand.
//!
//! Left alone, SQLite makes a new database through a rollback journal: write a journal, sync it, write the page, sync it, delete the
//! journal; and then once more to switch to write-ahead mode. That is the larger part of the price of a new object. The
//! page is 4096 known bytes, so we write them ourselves, in one write, without waiting: until the first batch is durable nobody has
//! been told that the object exists.
//!
//! So a loss of power may leave the page torn, or the file empty. [`Page::of`] tells these states from a database that is not ours.

/// The page size of every database.
pub(crate) const PAGE_BYTES: usize = 4096;

/// What power loss leaves whole.
const SECTOR_BYTES: usize = 512;

/// What the start of a main database file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// The empty database, complete.
    Empty,
    /// The empty database, of which some sectors never reached the disk: to be written again. Nothing is lost by that, because a
    /// file is longer, or its sectors are neither ours nor zero, as soon as anything has moved from the write-ahead log into it.
    Torn,
    /// Something else: a database with contents, or no database at all. SQLite will tell.
    Other,
}

impl Page {
    /// Judges the whole contents of a file that is not longer than a page.
    pub(super) fn of(contents: &[u8]) -> Self {
        let image = empty_database();
        if contents == image {
            return Self::Empty;
        }
        let torn = contents.len() <= PAGE_BYTES
            && contents
                .chunks(SECTOR_BYTES)
                .zip(image.chunks(SECTOR_BYTES))
                .all(|(found, ours)| {
                    found == &ours[..found.len()] || found.iter().all(|&byte| byte == 0)
                });
        if torn { Self::Torn } else { Self::Other }
    }
}

/// An empty database in write-ahead mode. Fields: the header and the b-tree page of SQLite's documented file format.
pub(super) fn empty_database() -> [u8; PAGE_BYTES] {
    let mut page = [0; PAGE_BYTES];
    let mut put =
        |offset: usize, bytes: &[u8]| page[offset..offset + bytes.len()].copy_from_slice(bytes);
    put(0, b"SQLite format 3\0");
    put(16, &4096_u16.to_be_bytes());
    put(18, &[2, 2]); // write-ahead mode, for writing and for reading
    put(21, &[64, 32, 32]); // payload fractions, fixed by the format
    put(24, &1_u32.to_be_bytes()); // change counter
    put(28, &1_u32.to_be_bytes()); // size in pages; counts only because the number at 92 equals the change counter
    put(92, &1_u32.to_be_bytes());
    put(100, &[0x0d]); // the schema table: an empty leaf
    put(105, &4096_u16.to_be_bytes()); // its cells begin at the end of the page
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_of_which_any_sectors_are_missing_is_torn_and_not_foreign() {
        let image = empty_database();
        assert_eq!(Page::of(&image), Page::Empty);
        assert_eq!(Page::of(&[]), Page::Torn);
        for lost in 0..8 {
            let mut page = image;
            page[lost * SECTOR_BYTES..(lost + 1) * SECTOR_BYTES].fill(0);
            // Only the first sector carries anything: without any other the page is complete.
            assert_eq!(
                Page::of(&page),
                if lost == 0 { Page::Torn } else { Page::Empty }
            );
        }
        assert_eq!(Page::of(&image[..512]), Page::Torn);
    }

    #[test]
    fn anything_else_is_left_to_sqlite() {
        let mut page = empty_database();
        page[40] = 1;
        assert_eq!(Page::of(&page), Page::Other);
        assert_eq!(Page::of(b"my holiday photographs"), Page::Other);
        assert_eq!(Page::of(&[0; PAGE_BYTES + 1]), Page::Other);
    }
}
