//! A command with the most memory that it ever held, and the time that it took.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Runs a program and then says how much it held, in KiB, as the last line of standard error: only its parent is told that.
const MEASURE: &str = "import resource, subprocess, sys\ncode = subprocess.run(sys.argv[1:]).returncode\n\
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)\nsys.exit(code)";

/// What a command said, and what it cost.
pub(crate) struct Measured {
    pub(crate) exit: Option<i32>,
    pub(crate) out: Vec<u8>,
    pub(crate) err: Vec<u8>,
    pub(crate) mebibytes: u64,
    pub(crate) took: Duration,
}

/// Runs `converge ARGUMENTS` in the environment of `shell`, a command for any program.
pub(crate) fn measured(mut shell: Command, arguments: &[&str]) -> Measured {
    let start = Instant::now();
    let shell = shell.args(["-c", MEASURE, env!("CARGO_BIN_EXE_converge")]).args(arguments).stdin(Stdio::null());
    let Output { status, stdout, mut stderr } = shell.output().expect("python3 starts");
    let took = start.elapsed();
    let text = String::from_utf8_lossy(&stderr).into_owned();
    let last = text.trim_end().rsplit('\n').next().unwrap_or_default();
    let kibibytes: u64 = last.parse().unwrap_or_else(|_| panic!("no measurement: {text}"));
    stderr.truncate(stderr.len() - last.len() - 1);
    Measured { exit: status.code(), out: stdout, err: stderr, mebibytes: kibibytes / 1024, took }
}

/// Python, which measures.
pub(crate) fn python() -> &'static Path {
    Path::new("/usr/bin/python3")
}

impl Measured {
    /// All of it as text, for messages.
    pub(crate) fn shown(&self) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).chars().take(8000).collect::<String>();
        format!(
            "exit {:?}, {} MiB, {:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.exit,
            self.mebibytes,
            self.took,
            text(&self.out),
            text(&self.err)
        )
    }

    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.exit, Some(code), "{}", self.shown());
        self
    }

    /// It said each of these, on either stream.
    #[track_caller]
    pub(crate) fn says(self, parts: &[&str]) -> Self {
        let all = format!("{}\n{}", String::from_utf8_lossy(&self.out), String::from_utf8_lossy(&self.err));
        for part in parts {
            assert!(all.contains(part), "not said: {part}\n{}", self.shown());
        }
        self
    }

    /// It held no more than so many MiB, and took no longer than it must. A debug build on a busy machine is slow: seconds
    /// tell a bound from none, not a fast program from a slow one.
    #[track_caller]
    pub(crate) fn stays_below(self, mebibytes: u64, limit: Duration) -> Self {
        assert!(self.mebibytes <= mebibytes && self.took <= limit, "{}", self.shown());
        self
    }
}
