//! What fuzzing found and keeps, replayed: every file in `fuzz/corpus` through the `check` of its target.
//! `fuzz/run` goes on from there.

use std::fs;
use std::path::Path;

use crate::run::quiet;

/// The checks, as the fuzz targets have them.
#[expect(unreachable_pub, reason = "a library to the fuzz targets")]
#[path = "../../fuzz/src/lib.rs"]
mod checks;

fn replay(target: &str, check: fn(&[u8])) {
    let _quiet = quiet();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = fs::read_dir(&corpus).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 20, "{} holds {} files", corpus.display(), files.len());
    for file in files {
        // The test's own output says which file it was.
        println!("{}", file.display());
        check(&fs::read(&file).unwrap());
    }
}

#[test]
fn config() {
    replay("config", checks::config::check);
}

/// What is held against another reader live is held against an independent reading here.
#[test]
fn differential() {
    replay("differential", checks::update::check);
}

#[test]
fn frame() {
    replay("frame", checks::frame::check);
}

#[test]
fn mrt() {
    replay("mrt", checks::mrt::check);
}

#[test]
fn notification() {
    replay("notification", checks::notification::check);
}

#[test]
fn open() {
    replay("open", checks::open::check);
}

#[test]
fn session() {
    replay("session", checks::session::check);
}

#[test]
fn update() {
    replay("update", checks::update::check);
}
