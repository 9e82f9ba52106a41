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
mod source;
mod table;

pub use diff::{Change, Changes, Effect, diff, same_terms};
pub use environment::{Environment, Machine};
pub use error::{Error, Errors};
pub use model::Config;
pub(crate) use shown::left_out;
pub use shown::{masked, text};
pub(crate) use table::nearest;

use source::Sources;

/// Reads the configuration file at `path`, and the files that it includes.
///
/// # Errors
///
/// All that is wrong with them.
pub fn load(path: &Path, environment: &dyn Environment) -> Result<Config, Errors> {
    // The same file names the same places, from wherever it is read.
    let directory = std::path::absolute(path).ok();
    let directory = directory.as_deref().unwrap_or(path).parent().unwrap_or(Path::new("")).to_owned();
    let sources = |text| Sources::new(path.to_owned(), directory, text);
    match environment.file(path) {
        Ok(text) => read::config(sources(text), environment),
        Err(error) => {
            let error = Error::plain(format!("cannot read {}: {error}", path.display()));
            Err(Errors::new(sources(String::new()), vec![error]))
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
    let directory = path.parent().unwrap_or(Path::new("")).to_owned();
    read::config(Sources::new(path.to_owned(), directory, text.to_owned()), environment)
}

#[cfg(test)]
mod tests;
