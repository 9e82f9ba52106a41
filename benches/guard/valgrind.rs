//! Runs kernels under callgrind and reads what it counted.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::counts::Count;

/// Nothing that depends on the processor is to choose how the libraries work.
const TUNABLES: &str = "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX,-ERMS,-FSRM,-RTM,-SSSE3,-SSE4_1,-SSE4_2,-BMI2,-MOVBE";

/// Counts every kernel in a process of its own, as many at a time as there are processors.
pub(crate) fn count(names: &[&'static str]) -> Vec<(&'static str, Count)> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let directory = std::env::temp_dir().join(format!("thirdleaf-guard-{}", std::process::id()));
    std::fs::create_dir_all(&directory).expect("a place for what callgrind writes");
    let mut counted = Vec::new();
    for names in names.chunks(processors) {
        let runs = names.iter().map(|name| (*name, directory.join(name)));
        let runs: Vec<_> = runs.map(|(name, file)| (name, start(name, &file), file)).collect();
        counted.extend(runs.into_iter().map(|(name, run, file)| (name, finish(name, run, &file))));
    }
    std::fs::remove_dir_all(&directory).ok();
    counted
}

fn start(name: &str, file: &Path) -> Child {
    Command::new("valgrind")
        .args(["--tool=callgrind", "--toggle-collect=guard::kernels::measured*", "--dump-line=no"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(program())
        .args(["--kernel", name])
        .env("GLIBC_TUNABLES", TUNABLES)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("valgrind: {error}"))
}

fn finish(name: &str, run: Child, file: &Path) -> Count {
    let output = run.wait_with_output().expect("a process that ends");
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let count = read(&text, &program());
    assert!(
        output.status.success() && count.program > 0,
        "{name}: nothing was counted\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    count
}

fn program() -> PathBuf {
    std::env::current_exe().expect("a program knows where it is")
}

/// Adds up the cost lines of a callgrind profile, by object: `ob=(1) PATH` begins one, a cost line is a
/// position and a count. The line after `calls=` holds what the callee took, which is counted there.
fn read(profile: &str, program: &Path) -> Count {
    let mut count = Count { program: 0, libraries: 0 };
    let mut objects = HashMap::new();
    let mut is_program = false;
    let mut lines = profile.lines();
    while let Some(line) = lines.next() {
        if line.starts_with("calls=") {
            lines.next();
        } else if let Some(object) = line.strip_prefix("ob=").or_else(|| line.strip_prefix("cob=")) {
            let (id, path) = object.split_once(' ').unwrap_or((object, ""));
            if !path.is_empty() {
                objects.insert(id, Path::new(path) == program);
            }
            if line.starts_with('o') {
                is_program = objects.get(id).copied().unwrap_or_default();
            }
        } else if line.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '*')) {
            let instructions = line.split(' ').nth(1).and_then(|count| count.parse().ok()).unwrap_or(0);
            let sum = if is_program { &mut count.program } else { &mut count.libraries };
            *sum += instructions;
        }
    }
    count
}
