//! The node's data folder: which version wrote it, and the key material of its namespaces.
//!
//! A namespace's key decides its objects' ids. It is generated once and stored, so that ids outlive every change of names (ID-8). Losing it would
//! orphan every object; so the file is written whole beside the old one, made durable, and only then put in its place.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    AlarmIndexError,
    platform::{Disk, DiskError, OpenMode},
};

/// The version of the folder's layout that this program writes and reads.
const FOLDER_FORMAT: u32 = 1;
const FOLDER_FILE: &str = "dormouse.json";
const FOLDER_FILE_NEXT: &str = "dormouse.json.next";
const FOLDER_FILE_BYTES_MAX: u64 = 16 << 20;

/// The contents of `dormouse.json`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Folder {
    format: u32,
    /// Class name to the namespace's unique key.
    #[serde(default)]
    namespaces: BTreeMap<String, String>,
}

/// Why a node could not start on its data folder. Nothing in the folder was changed.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another version of the program wrote the folder.
    #[error(
        "data folder has format {found}, this version reads format {FOLDER_FORMAT}: run it with the version that wrote it, \
         or choose another folder"
    )]
    OtherFormat {
        /// The format that the folder names.
        found: u32,
    },
    /// The folder's description cannot be read.
    #[error(
        "{FOLDER_FILE} in the data folder is damaged ({why}): restore it from a copy, the objects' ids depend on it"
    )]
    Damaged {
        /// What the parser said.
        why: String,
    },
    /// Objects without the description that their ids depend on.
    #[error(
        "the data folder holds objects but no {FOLDER_FILE}: it is no data folder of this program, or the file was lost"
    )]
    Undescribed,
    /// Two bindings of one name.
    #[error("{binding} assigned to multiple Durable Object bindings")]
    DuplicateBinding {
        /// The name.
        binding: String,
    },
    /// Two classes of one name: their objects would have the same ids and files.
    #[error(
        "{first} and {second} are bound to two classes of the name {class}, whose objects would be the same: rename one of them, or give both \
         bindings the same one"
    )]
    DuplicateClass {
        /// The name of both.
        class: String,
        /// A binding of the one.
        first: String,
        /// A binding of the other.
        second: String,
    },
    /// One class on two storage backends.
    #[error(
        "{first} and {second} bind the class {class} with different storage backends: choose one"
    )]
    DifferentBackends {
        /// The class.
        class: String,
        /// A binding with the one.
        first: String,
        /// A binding with the other.
        second: String,
    },
    /// What should be a compatibility date is none.
    #[error("compatibility date {found:?} is no date: write it as YYYY-MM-DD")]
    CompatibilityDate {
        /// What was given.
        found: String,
    },
    /// A flag that changes nothing here, or that is misspelt.
    #[error("no such compatibility flag: {found:?} (known: {known})")]
    CompatibilityFlag {
        /// What was given.
        found: String,
        /// The flags that there are.
        known: String,
    },
    /// Two flags that say the opposite.
    #[error("the compatibility flags {first} and {second} contradict each other: keep one")]
    CompatibilityFlagsContradict {
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// The index of the alarms.
    #[error(transparent)]
    Alarms(AlarmIndexError),
    /// The disk refused.
    #[error("cannot use the data folder: {0}")]
    Disk(#[from] DiskError),
}

impl From<AlarmIndexError> for StartError {
    fn from(error: AlarmIndexError) -> Self {
        match error {
            AlarmIndexError::Disk(error) => Self::Disk(error),
            error => Self::Alarms(error),
        }
    }
}

impl Folder {
    /// Reads the folder's description; a new folder has none. Says whether there was one.
    pub(super) fn read(disk: &dyn Disk) -> Result<(Self, bool), StartError> {
        if !disk.exists(FOLDER_FILE)? {
            if disk.list("objects/")?.is_empty() {
                return Ok((
                    Self {
                        format: FOLDER_FORMAT,
                        namespaces: BTreeMap::new(),
                    },
                    false,
                ));
            }
            return Err(StartError::Undescribed);
        }
        let file = disk.open(FOLDER_FILE, OpenMode::Existing)?;
        let text = read_whole(disk, file);
        disk.close(file);
        let damaged = |error: serde_json::Error| StartError::Damaged {
            why: error.to_string(),
        };
        let text = text?;
        // The format first: a later version may have changed everything else.
        let FormatOnly { format } = serde_json::from_slice(&text).map_err(damaged)?;
        if format != FOLDER_FORMAT {
            return Err(StartError::OtherFormat { found: format });
        }
        Ok((serde_json::from_slice(&text).map_err(damaged)?, true))
    }

    /// The unique key of a class's namespace: the stored one, or `default` from now on.
    pub(super) fn unique_key(&mut self, class: &str, default: impl FnOnce() -> String) -> String {
        self.namespaces
            .entry(class.to_owned())
            .or_insert_with(default)
            .clone()
    }

    pub(super) fn namespace_count(&self) -> usize {
        self.namespaces.len()
    }

    /// Replaces the description; durable when it returns.
    pub(super) fn write(&self, disk: &dyn Disk) -> Result<(), StartError> {
        let text = serde_json::to_vec_pretty(self).expect("a map of strings has a JSON form");
        let file = disk.open(FOLDER_FILE_NEXT, OpenMode::Create)?;
        let written = disk
            .truncate(file, 0) // what a crash in here may have left
            .and_then(|()| disk.write_at(file, &text, 0))
            .and_then(|()| disk.barrier(file));
        disk.close(file);
        written?;
        disk.rename(FOLDER_FILE_NEXT, FOLDER_FILE)?;
        Ok(())
    }
}

#[derive(Deserialize)]
struct FormatOnly {
    format: u32,
}

fn read_whole(disk: &dyn Disk, file: crate::platform::FileId) -> Result<Vec<u8>, StartError> {
    let len = disk.len(file)?;
    if len > FOLDER_FILE_BYTES_MAX {
        return Err(StartError::Damaged {
            why: format!("it has {len} bytes"),
        });
    }
    let mut text = vec![0; usize::try_from(len).expect("checked against the maximum")];
    let read = disk.read_at(file, &mut text, 0)?;
    text.truncate(read);
    Ok(text)
}
