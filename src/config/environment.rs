//! What a configuration may read beside its own text.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Where the files and environment variables that a configuration names come from.
pub trait Environment {
    /// The text of the file at `path`.
    ///
    /// # Errors
    ///
    /// It cannot be read, is no regular file, or is not UTF-8.
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
        // A pipe would be waited for.
        let mut file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is no regular file"));
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        Ok(text)
    }

    fn names(&self, path: &Path) -> io::Result<Vec<String>> {
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        fs::read_dir(path)?.map(|entry| entry.map(name)).collect()
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let path = std::env::temp_dir().join(format!("thirdleaf-pipe-{}", std::process::id()));
        assert!(std::process::Command::new("mkfifo").arg(&path).status().unwrap().success());
        let error = Machine.file(&path).unwrap_err().to_string();
        fs::remove_file(&path).unwrap();
        assert_eq!(error, "it is no regular file");
        assert_eq!(Machine.file(&std::env::temp_dir()).unwrap_err().to_string(), "it is no regular file");
    }
}
