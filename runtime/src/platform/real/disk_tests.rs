//! What the port promises of a disk, on real files. (That a sync outlives the power cannot be shown here.)

use tempfile::TempDir;

use super::*;

fn disk() -> (TempDir, RealDisk) {
    let folder = TempDir::new().expect("a temporary folder");
    let disk = RealDisk::open(folder.path()).expect("a fresh folder");
    (folder, disk)
}

fn create(disk: &RealDisk, path: &str) -> FileId {
    disk.open(path, OpenMode::Create).expect("a new file")
}

fn content(disk: &RealDisk, file: FileId) -> Vec<u8> {
    let mut bytes = vec![0xff; 64];
    let count = disk.read_at(file, &mut bytes, 0).expect("a readable file");
    bytes.truncate(count);
    bytes
}

#[test]
fn a_write_is_read_at_once_and_a_gap_reads_as_zeroes() {
    let (_folder, disk) = disk();
    let (file, same) = (create(&disk, "a"), create(&disk, "a"));
    disk.write_at(file, b"xy", 3).expect("a write");
    assert_eq!(content(&disk, same), b"\0\0\0xy");
    assert_eq!(disk.len(same), Ok(5));
    let mut end = [0; 4];
    assert_eq!(disk.read_at(same, &mut end, 4), Ok(1));
    assert_eq!(disk.read_at(same, &mut end, 9), Ok(0));
}

#[test]
fn truncate_cuts_and_extends() {
    let (_folder, disk) = disk();
    let file = create(&disk, "a");
    disk.write_at(file, b"abc", 0).expect("a write");
    disk.truncate(file, 1).expect("a cut");
    disk.truncate(file, 3).expect("an extension");
    assert_eq!(content(&disk, file), b"a\0\0");
}

#[test]
fn only_create_makes_a_file() {
    let (_folder, disk) = disk();
    assert_eq!(
        disk.open("a/b/c", OpenMode::Existing),
        Err(DiskError::NotFound("a/b/c".to_owned()))
    );
    assert_eq!(disk.exists("a/b/c"), Ok(false));
    create(&disk, "a/b/c");
    assert_eq!(disk.exists("a/b/c"), Ok(true));
    assert_eq!(disk.exists("a/b"), Ok(false), "a folder is no file");
    assert_eq!(disk.exists("a/b/c/d"), Ok(false));
    assert!(disk.open("a/b/c", OpenMode::Existing).is_ok());
}

#[test]
fn a_deleted_file_stays_usable_where_it_is_open_and_its_name_is_free() {
    let (_folder, disk) = disk();
    let file = create(&disk, "a");
    disk.write_at(file, b"old", 0).expect("a write");
    disk.delete("a").expect("a delete");
    assert_eq!(disk.delete("a"), Err(DiskError::NotFound("a".to_owned())));
    let new = create(&disk, "a");
    assert_eq!(
        (content(&disk, file), content(&disk, new)),
        (b"old".to_vec(), Vec::new())
    );
}

#[test]
fn a_rename_replaces_what_was_there() {
    let (_folder, disk) = disk();
    let (a, b) = (create(&disk, "a"), create(&disk, "x/b"));
    disk.write_at(a, b"a", 0).expect("a write");
    disk.write_at(b, b"b", 0).expect("a write");
    disk.rename("a", "x/b").expect("a rename");
    assert_eq!(disk.list(""), Ok(vec!["x/b".to_owned()]));
    let file = disk
        .open("x/b", OpenMode::Existing)
        .expect("the renamed file");
    assert_eq!(content(&disk, file), b"a");
    disk.rename("x/b", "new/folder/c")
        .expect("a rename into a new folder");
    assert_eq!(
        disk.rename("a", "b"),
        Err(DiskError::NotFound("a".to_owned()))
    );
    assert_eq!(disk.list(""), Ok(vec!["new/folder/c".to_owned()]));
}

#[test]
fn a_list_has_the_files_below_a_prefix_in_byte_order() {
    let (_folder, disk) = disk();
    for path in ["b/2", "b/1/x", "a", "b-1", "b/10", "c"] {
        create(&disk, path);
    }
    assert_eq!(
        disk.list("b"),
        Ok(["b-1", "b/1/x", "b/10", "b/2"].map(str::to_owned).to_vec())
    );
    assert_eq!(
        disk.list("b/1"),
        Ok(["b/1/x", "b/10"].map(str::to_owned).to_vec())
    );
    assert_eq!(
        disk.list("b/"),
        Ok(["b/1/x", "b/10", "b/2"].map(str::to_owned).to_vec())
    );
    assert_eq!(disk.list("none/"), Ok(Vec::new()));
    assert_eq!(
        disk.list("").map(|all| all.len()),
        Ok(6),
        "the lock is not listed"
    );
}

#[test]
fn no_path_leads_out_of_the_data_folder() {
    let (_folder, disk) = disk();
    for path in [
        "",
        "/etc/passwd",
        "..",
        "../a",
        "a/../../b",
        "a//b",
        "a/",
        "./a",
        "a\0b",
        LOCK_FILE,
    ] {
        let refused = Err(DiskError::Io(format!(
            "`{path}` is no path of a file below the data folder"
        )));
        assert_eq!(disk.open(path, OpenMode::Create), refused);
        assert_eq!(disk.delete(path).map(|()| FileId(0)), refused);
        assert_eq!(disk.exists(path).map(|_| FileId(0)), refused);
    }
    assert!(matches!(disk.list("../"), Err(DiskError::Io(_))));
}

#[tokio::test]
async fn a_sync_and_a_barrier_cover_a_new_file_and_its_folders() {
    let (_folder, disk) = disk();
    let file = create(&disk, "a/b/c");
    disk.write_at(file, b"x", 0).expect("a write");
    let durable = Arc::clone(&disk.file(file).expect("an open file").durable);
    assert_eq!(
        durable.folders,
        ["a/b", "a", ""].map(|path| disk.folder.join(path).components().collect::<PathBuf>())
    );
    assert_eq!(disk.sync(file).await, Ok(()));
    assert!(durable.name_synced.load(Ordering::Acquire));
    assert_eq!(disk.barrier(file), Ok(()));
}

#[tokio::test]
async fn a_sync_runs_on_when_its_future_is_dropped_and_its_file_closed() {
    let (_folder, disk) = disk();
    let file = create(&disk, "a");
    let durable = Arc::clone(&disk.file(file).expect("an open file").durable);
    drop(disk.sync(file));
    disk.close(file);
    while !durable.name_synced.load(Ordering::Acquire) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_closed_file_is_an_error_everywhere() {
    let (_folder, disk) = disk();
    let file = create(&disk, "a");
    disk.close(file);
    let refused = Err(DiskError::Io("file 0 is not open".to_owned()));
    assert_eq!(disk.write_at(file, b"x", 0), refused);
    assert_eq!(disk.truncate(file, 0), refused);
    assert_eq!(disk.barrier(file), refused);
    assert_eq!(disk.sync(file).await, refused);
    assert_eq!(disk.len(file).map(drop), refused);
}

#[test]
fn a_data_folder_is_opened_once_at_a_time() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("made/on/the/way");
    let first = RealDisk::open(&path).expect("a new folder");
    let error = RealDisk::open(&path).err().expect("the folder is in use");
    assert_eq!(error.kind(), io::ErrorKind::ResourceBusy);
    let text = error.to_string();
    assert!(
        text.ends_with("is already in use by another process: stop it or choose another folder"),
        "{text}"
    );
    drop(first);
    RealDisk::open(&path)
        .map(drop)
        .expect("the folder is free again");
}

#[test]
fn what_cannot_be_a_folder_is_refused_with_its_name() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("file");
    fs::write(&path, "").expect("a file");
    let error = RealDisk::open(&path.join("data"))
        .err()
        .expect("a file is no folder");
    let expected = format!(
        "cannot make the data folder {}",
        path.join("data").display()
    );
    assert!(error.to_string().starts_with(&expected), "{error}");
}

#[test]
fn a_full_disk_is_called_full() {
    let full = io::Error::from(io::ErrorKind::StorageFull);
    assert_eq!(failure("a", &full), DiskError::Full);
}
