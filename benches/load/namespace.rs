//! A network namespace of this run's own. Everything happens in it, and it is removed at the end, whatever the end.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// Users and groups that daemons insist on: `ip netns exec` shows these files in place of the machine's.
const USERS: [(&str, &str); 2] = [
    ("passwd", "_openbgpd:x:64901:64901::/usr/share:/usr/sbin/nologin\n"),
    ("group", "_openbgpd:x:64901:\nfrrvty:x:64902:\n"),
];

/// Removed when dropped.
pub(crate) struct Namespace {
    name: String,
}

impl Namespace {
    pub(crate) fn new() -> io::Result<Self> {
        let namespace = Self { name: format!("load-{}", std::process::id()) };
        ip(&["netns", "add", &namespace.name])?;
        let name = namespace.name.as_str();
        ip(&["-n", name, "link", "set", "lo", "up"])?;
        // All of it is then local: nodes and leaves speak from addresses of their own.
        ip(&["-n", name, "addr", "add", "192.168.255.254/16", "dev", "lo"])?;
        fs::create_dir_all(namespace.files())?;
        for (file, more) in USERS {
            let text = fs::read_to_string(format!("/etc/{file}"))?;
            fs::write(namespace.files().join(file), text + more)?;
        }
        Ok(namespace)
    }

    /// Files that are to be seen in it below `/etc`.
    fn files(&self) -> PathBuf {
        PathBuf::from("/etc/netns").join(&self.name)
    }

    /// A command that runs in it.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name]).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // It cannot go while the last process in it still dies.
        for _ in 0..100 {
            if ip(&["netns", "del", &self.name]).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let _ = fs::remove_dir_all(self.files());
        // It stays if others use it.
        let _ = fs::remove_dir("/etc/netns");
    }
}

fn ip(arguments: &[&str]) -> io::Result<()> {
    let output = Command::new("ip").args(arguments).output()?;
    if output.status.success() {
        return Ok(());
    }
    let says = String::from_utf8_lossy(&output.stderr).into_owned();
    Err(io::Error::other(format!("ip {}: {says}", arguments.join(" "))))
}
