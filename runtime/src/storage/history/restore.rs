//! The way back: the image of a past state, and how it takes the place of the current one.
//!
//! The image is put together from the files, in memory, and then written over the database in one transaction. So a crash leaves
//! the old state with the restore still armed, or the new one; and the restore is itself a commit in the history, so that it can be undone.

use rusqlite::OptionalExtension as _;

use super::{PAGE_BYTES, Past, bookmark::Position, segment::disk_failed, wal::page_offset};
use crate::{
    Error, Result,
    instrument::point,
    platform::WallTime,
    storage::{
        alarm::of_nanos,
        metadata::Row,
        sql::SqliteFailure,
        sqlite::{Database, own},
    },
};

/// What was gone back from.
pub(in crate::storage) struct Restored {
    /// The alarm that was set.
    pub(in crate::storage) alarm_before: Option<WallTime>,
}

/// Where a database's header says whether it has a write-ahead log. An image in memory has none.
const LOG_FLAGS_AT: std::ops::Range<usize> = 18..20;

impl Past {
    /// Goes back to the state for which a restore is armed, if one is. Returns from what it did.
    ///
    /// # Errors
    /// It is not possible. Nothing is changed then.
    pub(in crate::storage) fn restore_if_armed(
        &self,
        database: &mut Database,
        object: &str,
    ) -> Result<Option<Restored>> {
        let failed = |error: rusqlite::Error| Error::from(SqliteFailure::new(&error, 0).text);
        let Some(armed) = row(database, Row::Restore).map_err(failed)? else {
            return Ok(None);
        };
        let alarm_before = row(database, Row::Alarm).map_err(failed)?.map(of_nanos);
        let image = match self.image(Position::of_packed(armed)) {
            Ok(image) => image,
            Err(error) if self.is_kept() => {
                let reason = error.message();
                return Err(Error::from(format!(
                    "cannot restore the bookmark: {reason}; a node with `History::off()` gives the restore up"
                )));
            }
            Err(error) => {
                // Whoever runs the node has given up the history.
                point!("restore_dropped", object = object, reason = error.message());
                database.run_once(own::DISARM).map_err(failed)?;
                return Ok(Some(Restored { alarm_before }));
            }
        };
        point!("restore", object = object);
        database.replace_with(&image, own::DISARM).map_err(failed)?;
        self.note_commit();
        point!("restored", object = object);
        Ok(Some(Restored { alarm_before }))
    }

    /// The database at a position, without a log.
    fn image(&self, position: Position) -> Result<Vec<u8>> {
        let log = self.log()?;
        let mut image = Image(self.read_database()?);
        // A checkpoint of the current generation may have begun, or be over.
        if let Some(segment) = self.segment(log.generation())? {
            let is_later = position.generation > log.generation();
            if !is_later && !segment.reaches(position.within(log.generation())) {
                return Err(gone());
            }
            image.take_away(&segment)?;
        }
        if position.generation >= log.generation() {
            let up_to = if position.generation > log.generation() {
                u32::MAX // it has not begun: all that there is
            } else {
                position.frame
            };
            image.play(log.frames(), up_to, |index, page| {
                let read = self
                    .disk()
                    .read_at(self.files.log_id(), page, page_offset(index))
                    .map_err(disk_failed)?;
                if read < PAGE_BYTES {
                    return Err(Error::from("the log ends within a page"));
                }
                Ok(())
            })?;
        } else {
            let mut segment = None;
            for generation in (position.generation..log.generation()).rev() {
                let older = self.segment(generation)?.ok_or_else(gone)?;
                if !older.reaches(position.within(generation)) {
                    return Err(gone());
                }
                image.take_away(&older)?;
                segment = Some(older);
            }
            if let Some(segment) = segment {
                image.play(&segment.contents.frames, position.frame, |index, page| {
                    segment.read_frame(index, page)
                })?;
            }
        }
        let mut image = image.0;
        if let Some(flags) = image.get_mut(LOG_FLAGS_AT) {
            flags.fill(1);
        }
        Ok(image)
    }

    fn read_database(&self) -> Result<Vec<u8>> {
        let (disk, file) = (self.disk(), self.files.database_id());
        let len = disk.len(file).map_err(disk_failed)?;
        let len = usize::try_from(len).map_err(|_| Error::from("the database is too large"))?;
        let mut image = vec![0; len - len % PAGE_BYTES];
        let read = disk.read_at(file, &mut image, 0).map_err(disk_failed)?;
        if read < image.len() {
            return Err(Error::from("the database file ends within a page"));
        }
        Ok(image)
    }
}

fn gone() -> Error {
    Error::from("a part of the history is gone")
}

/// A database as one piece.
struct Image(Vec<u8>);

impl Image {
    fn page(&mut self, number: u32) -> &mut [u8] {
        let end = number as usize * PAGE_BYTES;
        if self.0.len() < end {
            self.0.resize(end, 0);
        }
        &mut self.0[end - PAGE_BYTES..end]
    }

    /// Goes back to before a generation, or as far as its segment leads: playing its frames gives the right state in either case.
    fn take_away(&mut self, segment: &super::Segment) -> Result<()> {
        segment.check_pages()?;
        if segment.is_gap() {
            return Ok(()); // its end is where we are
        }
        let contents = &segment.contents;
        self.0
            .resize(contents.pages_before as usize * PAGE_BYTES, 0);
        for (index, number) in contents.before.iter().enumerate() {
            segment.read_before(index, self.page(*number))?;
        }
        Ok(())
    }

    /// Goes on to the first commit that ends at the frame `up_to` or after it, or to the last one.
    fn play(
        &mut self,
        frames: &[super::wal::Frame],
        up_to: u32,
        read: impl Fn(usize, &mut [u8]) -> Result<()>,
    ) -> Result<()> {
        if up_to == 0 {
            return Ok(());
        }
        for (index, frame) in frames.iter().enumerate() {
            read(index, self.page(frame.page))?;
            if frame.commit != 0 && (index + 1 >= up_to as usize || index + 1 == frames.len()) {
                self.0.resize(frame.commit as usize * PAGE_BYTES, 0);
                break;
            }
        }
        Ok(())
    }
}

/// What the runtime remembers, before anybody knows whether its table is there.
fn row(database: &Database, row: Row) -> rusqlite::Result<Option<i64>> {
    database.as_runtime(|connection| {
        let has_table = connection
            .prepare_cached(own::HAS_TABLE)?
            .exists(["_cf_METADATA"])?;
        if !has_table {
            return Ok(None);
        }
        connection
            .prepare_cached(own::GET_METADATA)?
            .query_row([row as i64], |row| row.get::<_, Option<i64>>(0))
            .optional()
            .map(Option::flatten)
    })
}
