//! What a configuration may read beside its own text.

use std::fs;
use std::io;
use std::path::Path;

/// Where the files and environment variables that a configuration names come from.
pub trait Environment {
    /// The text of the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is not UTF-8.
    fn file(&self, path: &Path) -> io::Result<String>;

    /// The names of what is in the directory at `path`, in no order. One that is not UTF-8 is shown as far as
    /// it is: no file has that name, and whoever asks for it is told.
    ///
    /// # Errors
    ///
    /// It cannot be listed.
    fn names(&self, path: &Path) -> io::Result<Vec<String>>;

    /// The environment variable `name`, if it is set.
    fn variable(&self, name: &str) -> Option<String>;
}

/// The machine that we run on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Machine;

impl Environment for Machine {
    fn file(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        fs::read_dir(path)?.map(|entry| entry.map(name)).collect()
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}
