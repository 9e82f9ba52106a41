//! The configuration file: model, defaults, validation with spans, and what a reload would change.
//!
//! [`load`] and [`parse`] read TOML and answer either a whole, valid [`Config`] or [`Errors`]: everything
//! that is wrong with the file, each with a caret under its place. What the file only names (files and
//! environment variables that hold secrets) is read through an [`Environment`]. [`diff()`] tells what
//! going from one configuration to another means for the sessions. `deploy/thirdleaf.toml` is the
//! reference of all keys.

use std::path::Path;

mod diff;
mod environment;
mod error;
pub mod model;
mod read;
mod shown;
mod table;

pub use diff::{Change, Changes, Effect, diff, same_terms};
pub use environment::{Environment, Machine};
pub use error::{Error, Errors};
pub use model::Config;
pub use shown::text;
pub(crate) use table::nearest;

/// Reads the configuration file at `path`.
///
/// # Errors
///
/// All that is wrong with it.
pub fn load(path: &Path, environment: &dyn Environment) -> Result<Config, Errors> {
    match environment.file(path) {
        // The same file names the same places, from wherever it is read.
        Ok(text) => {
            let directory = std::path::absolute(path).ok();
            let directory = directory.as_deref().unwrap_or(path).parent().unwrap_or(Path::new(""));
            read::config(&text, directory, environment).map_err(|errors| Errors::new(path, &text, errors))
        }
        Err(error) => {
            Err(Errors::new(path, "", vec![Error::plain(format!("cannot read {}: {error}", path.display()))]))
        }
    }
}

/// Reads a configuration from `text`; `path` names it in errors, and paths in it are relative to its
/// directory.
///
/// # Errors
///
/// All that is wrong with it.
pub fn parse(text: &str, path: &Path, environment: &dyn Environment) -> Result<Config, Errors> {
    let directory = path.parent().unwrap_or(Path::new(""));
    read::config(text, directory, environment).map_err(|errors| Errors::new(path, text, errors))
}

#[cfg(test)]
mod tests;
