//! Answers of package indexes, kept on disk. Nothing depends on it: what can't be read is asked again, what can't be
//! written is not kept, and either is said once.

#![expect(clippy::disallowed_methods, reason = "reads and writes the files of the cache")]

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::Environment;
use super::wheel_cache::caches_of;
use crate::facts::Published;
use crate::model::{Digest, Timestamp};

/// The format of the files. Another one is not read, and written over.
const FORMAT: u32 = 1;

/// A directory of answers.
#[derive(Debug)]
pub struct Cache {
    directory: Option<PathBuf>,
    complained: AtomicBool,
}

/// One file.
#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    /// For people who look in: which package this is about.
    package: String,
    asked_at: Timestamp,
    published: Published,
}

impl Cache {
    /// The cache below `$XDG_CACHE_HOME` or `~/.cache`; without either, nothing is kept.
    #[must_use]
    pub fn of(environment: &Environment) -> Self {
        let directory = caches_of(environment).map(|caches| caches.join("published"));
        Self { directory, complained: AtomicBool::new(false) }
    }

    /// A cache that keeps nothing.
    #[must_use]
    pub fn none() -> Self {
        Self { directory: None, complained: AtomicBool::new(false) }
    }

    /// What was kept under `key`, with the time it was asked in `asked_at`. A file that can't be understood is none, and
    /// `note` is told.
    pub fn read(&self, key: &Digest, note: impl FnOnce(String)) -> Option<Published> {
        let file = self.file(key)?;
        let text = match fs::read_to_string(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                self.complain(note, &file, "read", &error);
                return None;
            }
        };
        match serde_json::from_str::<Kept>(&text) {
            Ok(kept) if kept.format == FORMAT => Some(Published { asked_at: Some(kept.asked_at), ..kept.published }),
            // Written by another version: nothing is wrong with it.
            Ok(_) => None,
            Err(error) => {
                note(format!("{} is damaged ({error}) and not used; the index is asked again", file.display()));
                None
            }
        }
    }

    /// Keeps an answer. Written beside its place and renamed, so that nobody reads half of one.
    pub fn write(&self, key: &Digest, package: &str, published: &Published, now: Timestamp, note: impl FnOnce(String)) {
        let Some(file) = self.file(key) else { return };
        let kept = Kept {
            format: FORMAT,
            package: package.to_owned(),
            asked_at: now,
            published: Published { asked_at: None, python: None, ..published.clone() },
        };
        let written =
            serde_json::to_string(&kept).map_err(io::Error::other).and_then(|text| replace(&file, text.as_bytes()));
        if let Err(error) = written {
            self.complain(note, &file, "write", &error);
        }
    }

    fn file(&self, key: &Digest) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(format!("{key}.json")))
    }

    /// A disk that is full or read-only is so for every file: once is enough.
    fn complain(&self, note: impl FnOnce(String), file: &Path, what: &str, error: &io::Error) {
        if !self.complained.swap(true, Ordering::Relaxed) {
            note(format!("can't {what} {}: {error}; this goes on without a cache", file.display()));
        }
    }
}

/// Writes a file so that it is there whole or not at all. What somebody asks of an index is their own business: the
/// directory is for its owner alone.
pub(super) fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    if let Some(directory) = file.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    // Two runs may write the same file at the same time.
    let part = file.with_extension(format!("{}.part", std::process::id()));
    let written = File::create(&part).and_then(|mut out| out.write_all(bytes));
    written.and_then(|()| fs::rename(&part, file)).inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::release::{PublishedRelease, Release};

    fn cache(directory: &Path) -> Cache {
        Cache { directory: Some(directory.join("a/b")), complained: AtomicBool::new(false) }
    }

    fn answer() -> Published {
        Published {
            sources: vec!["https://x/simple".into()],
            python: Some("3.12.1".into()),
            ..Published::new(vec![PublishedRelease::plain(Release::parse("25.6.1").unwrap())])
        }
    }

    #[test]
    fn what_is_kept_is_read_back_with_its_time() {
        let scratch = tempfile::tempdir().unwrap();
        let (cache, key) = (cache(scratch.path()), Digest::of(b"key"));
        assert_eq!(cache.read(&key, |note| panic!("{note}")), None);
        cache.write(&key, "p", &answer(), Timestamp(5), |note| panic!("{note}"));
        let read = cache.read(&key, |note| panic!("{note}")).unwrap();
        // For which Python it is used is the reader's business.
        assert_eq!(read, Published { asked_at: Some(Timestamp(5)), python: None, ..answer() });
        assert_eq!(cache.read(&Digest::of(b"other"), |note| panic!("{note}")), None);
        assert_eq!(fs::read_dir(scratch.path().join("a/b")).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_no_answer() {
        let scratch = tempfile::tempdir().unwrap();
        let (cache, key) = (cache(scratch.path()), Digest::of(b"key"));
        cache.write(&key, "p", &answer(), Timestamp(5), |note| panic!("{note}"));
        let file = cache.file(&key).unwrap();
        let whole = fs::read_to_string(&file).unwrap();
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let mut notes = Vec::new();
        assert_eq!(cache.read(&key, |note| notes.push(note)), None);
        assert!(notes.len() == 1 && notes[0].contains("is damaged"), "{notes:?}");
        fs::write(&file, whole.replace("\"format\":1", "\"format\":2")).unwrap();
        assert_eq!(cache.read(&key, |note| panic!("{note}")), None);
    }

    #[test]
    fn a_place_that_can_t_be_written_is_said_once() {
        let scratch = tempfile::tempdir().unwrap();
        fs::write(scratch.path().join("a"), "a file in the way").unwrap();
        let cache = cache(scratch.path());
        let mut notes = Vec::new();
        for key in [b"one", b"two"] {
            cache.write(&Digest::of(key), "p", &answer(), Timestamp(5), |note| notes.push(note));
        }
        assert_eq!(notes.len(), 1, "{notes:?}");
        assert!(notes[0].contains("without a cache"), "{notes:?}");
        Cache::none().write(&Digest::of(b"x"), "p", &answer(), Timestamp(5), |note| panic!("{note}"));
    }
}
