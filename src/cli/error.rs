//! What can go wrong on the command line, and the exit code of each.

use std::io;
use std::process::ExitCode;

/// Why a verb failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// What was asked for makes no sense.
    #[error("{0}")]
    Usage(String),
    /// A configuration file is wrong; the text is a whole diagnosis.
    #[error("{0}")]
    Config(String),
    /// The daemon ended because of something outside its configuration.
    #[error("{0}")]
    Daemon(String),
    /// The daemon does not answer.
    #[error("cannot reach the daemon at {server}: {cause}")]
    Unreachable {
        /// Where it was looked for.
        server: String,
        /// What happened instead.
        cause: String,
    },
    /// The daemon answered with an error.
    #[error("{message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// The error's code.
        code: String,
        /// What the daemon said.
        message: String,
    },
    /// The daemon's answer is not what this version understands.
    #[error("the daemon's answer is not understood: {0}")]
    Answer(String),
    /// A journal's file has no answer.
    #[error(transparent)]
    Journal(#[from] crate::journal::read::Trouble),
    /// Reading a file or writing the output failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl Error {
    /// The code to exit with.
    pub fn exit(&self) -> u8 {
        match self {
            // Whoever read our output had enough: `thirdleaf routes | head`.
            Self::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Unreachable { .. } | Self::Answer(_) | Self::Refused { status: 500.., .. } => 3,
            Self::Refused { status: 409, .. } => 4,
            Self::Usage(_)
            | Self::Config(_)
            | Self::Daemon(_)
            | Self::Refused { .. }
            | Self::Journal(_)
            | Self::Io(_) => 2,
        }
    }

    /// Tells people on standard error, and the shell by the code.
    pub fn report(&self) -> ExitCode {
        let code = self.exit();
        match self {
            _ if code == 0 => {}
            // A whole diagnosis, several lines with carets.
            Self::Config(text) => eprintln!("{text}"),
            Self::Refused { code, message, .. } if code == "invalid_config" => eprintln!("{message}"),
            _ => eprintln!("thirdleaf: {self}"),
        }
        code.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_that_scripts_rely_on() {
        let refused = |status| Error::Refused { status, code: String::new(), message: String::new() };
        assert_eq!(Error::Usage(String::new()).exit(), 2);
        assert_eq!(Error::Config(String::new()).exit(), 2);
        assert_eq!(Error::Unreachable { server: String::new(), cause: String::new() }.exit(), 3);
        assert_eq!(refused(400).exit(), 2);
        assert_eq!(refused(403).exit(), 2);
        assert_eq!(refused(409).exit(), 4);
        assert_eq!(refused(503).exit(), 3);
    }

    #[test]
    fn a_reader_that_had_enough_is_no_failure() {
        assert_eq!(Error::Io(io::ErrorKind::BrokenPipe.into()).exit(), 0);
        assert_eq!(Error::Io(io::ErrorKind::StorageFull.into()).exit(), 2);
    }
}
