//! Answers of `ssh -G`, kept on disk: a file for each state of the configuration, a line an answer.
//!
//! Nothing depends on it. What can't be read is asked again; what can't be written is not kept.

#![expect(clippy::disallowed_methods, reason = "reads and writes the files of the cache")]

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::dump::Dump;

/// States of configurations that are kept: an old one is never asked for again, as only the last one is in use.
const MOST_STATES: usize = 8;

/// An answer has 5 KB: those of 3,000 hosts. Beyond it no more are kept.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The answers under one state of the configuration.
#[derive(Debug)]
pub(super) struct Kept {
    file: PathBuf,
    answers: Mutex<HashMap<String, Dump>>,
}

#[derive(Serialize, Deserialize)]
struct Line {
    asked: String,
    answer: Dump,
}

impl Kept {
    /// What is kept in `directory` under this state.
    pub(super) fn open(directory: &Path, state: &str) -> Self {
        let file = directory.join(format!("{state}.jsonl"));
        let small = fs::metadata(&file).is_ok_and(|metadata| metadata.len() <= LARGEST);
        let text = if small { fs::read_to_string(&file).unwrap_or_default() } else { String::new() };
        // A line that two writers tore, or that was cut off, is none.
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Line>(line).ok());
        Self { file, answers: Mutex::new(lines.map(|line| (line.asked, line.answer)).collect()) }
    }

    pub(super) fn get(&self, asked: &str) -> Option<Dump> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(asked).cloned()
    }

    /// Keeps an answer.
    pub(super) fn put(&self, asked: String, answer: &Dump) {
        let line = Line { asked, answer: answer.clone() };
        if let Err(error) = self.append(&line) {
            tracing::debug!(%error, file = %self.file.display(), "an answer of ssh is not kept");
        }
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).insert(line.asked, line.answer);
    }

    fn append(&self, line: &Line) -> std::io::Result<()> {
        if fs::metadata(&self.file).map(|metadata| metadata.len()).is_ok_and(|length| length > LARGEST) {
            return Ok(());
        }
        let mut text = serde_json::to_string(line)?;
        text.push('\n');
        let options = || {
            let mut options = OpenOptions::new();
            options.append(true).mode(0o600);
            options
        };
        let mut file = match options().open(&self.file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                self.prune()?;
                options().create(true).open(&self.file)?
            }
            opened => opened?,
        };
        file.write_all(text.as_bytes())
    }

    /// Makes room for a new state.
    fn prune(&self) -> std::io::Result<()> {
        let Some(directory) = self.file.parent() else { return Ok(()) };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mut states: Vec<_> = fs::read_dir(directory)?
            .flatten()
            .filter(|entry| entry.path().extension().is_some_and(|end| end == "jsonl"))
            .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
            .collect();
        states.sort();
        for (_, old) in states.iter().rev().skip(MOST_STATES - 1) {
            fs::remove_file(old)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_come_back_and_torn_lines_do_not() {
        let dir = tempfile::tempdir().unwrap();
        let directory = dir.path().join("new/ssh");
        let answer = Dump::parse("hostname gpu07\nidentityfile a\nidentityfile b\n");
        Kept::open(&directory, "s").put("gpu07".into(), &answer);
        let mut file = OpenOptions::new().append(true).open(directory.join("s.jsonl")).unwrap();
        file.write_all(b"{\"asked\":\"gpu08\",\"ans").unwrap();
        let kept = Kept::open(&directory, "s");
        assert_eq!((kept.get("gpu07"), kept.get("gpu08")), (Some(answer.clone()), None));
        assert_eq!(Kept::open(&directory, "other").get("gpu07"), None);
        for n in 0..20 {
            Kept::open(&directory, &format!("state{n}")).put("x".into(), &answer);
        }
        assert_eq!(fs::read_dir(&directory).unwrap().count(), MOST_STATES);
    }
}
