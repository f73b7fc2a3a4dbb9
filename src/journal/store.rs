//! Where journals lie: a directory with a file for each run. I/O.
//!
//! Two processes never write to one file at a time: a run makes its own, and holds a lock on it that the kernel releases when
//! the process ends, however it ends. So a file that isn't locked belongs to a run that is over.

#![expect(
    clippy::disallowed_methods,
    reason = "journals are files, and are kept for so long by the controller's clock"
)]

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::doubt::{Doubt, in_doubt};
use super::line::{Chain, Journal, ReadError, read};
use super::record::Record;
use super::writer::Writer;
use crate::model::{RunId, Timestamp};

const SUFFIX: &str = ".jsonl";
/// A run of 10,000 actions, each of which failed with all that a failure holds, makes 100 MB.
const LARGEST: u64 = 256 * 1024 * 1024;
/// Whoever looks at a file locks it for as long as one system call takes.
const LOCK_TRIES: u32 = 50;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// The journals of this controller's user.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Seconds after which a run is forgotten.
    pub age: i64,
    /// How many runs are kept.
    pub runs: usize,
}

impl Default for Limits {
    /// A quarter of a year, and two patches a day in it with room for what is tried.
    fn default() -> Self {
        Self { age: 90 * 24 * 3600, runs: 500 }
    }
}

/// Whether the process of a run still writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// It does.
    Live,
    /// It is over.
    Over,
}

/// A journal as it lies there.
#[derive(Debug)]
pub struct Kept {
    /// The run.
    pub run: RunId,
    /// Its file.
    pub path: PathBuf,
    /// Whether its process still writes.
    pub reach: Reach,
    /// What it says, or why it can't be read.
    pub journal: Result<Journal, JournalError>,
}

impl Kept {
    /// What is in doubt: nothing where the run still goes on. Where the file can't be read, that isn't known.
    ///
    /// # Errors
    /// Why it can't be read.
    pub fn in_doubt(&self) -> Result<Vec<Doubt>, &JournalError> {
        match (&self.reach, &self.journal) {
            (Reach::Live, _) => Ok(Vec::new()),
            // Cut off before its first record was whole, and so before it began anything.
            (Reach::Over, Err(JournalError::Read { source: ReadError::Unbegun, .. })) => Ok(Vec::new()),
            (Reach::Over, Ok(journal)) => Ok(in_doubt(journal)),
            (Reach::Over, Err(error)) => Err(error),
        }
    }
}

/// Why a journal can't be kept or read.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// A directory or a file can't be made, locked, written, or made durable.
    #[error("the journal {} can't be {what}: {reason}", path.display())]
    Write {
        /// `made`, `locked`, `written`.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// The directory belongs to somebody else, who could read and change what is kept.
    #[error("the journal's directory {} belongs to the user {owner}, not to {user}: name another with --state-dir", path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
        /// Its owner.
        owner: u32,
        /// Who runs this.
        user: u32,
    },
    /// A file can't be read by the system.
    #[error("the journal {} can't be read: {reason}", path.display())]
    Access {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
    /// A file can't be read as a journal.
    #[error("the journal {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ReadError,
    },
    /// The run still goes on.
    #[error("the run {0} still goes on: its process holds its journal")]
    Live(RunId),
}

impl Store {
    /// The journals below `state`, a directory for converge's own state. Nothing is made yet.
    #[must_use]
    pub fn below(state: &Path) -> Self {
        Self { directory: state.join("runs") }
    }

    /// The file of a run.
    #[must_use]
    pub fn path(&self, run: &RunId) -> PathBuf {
        self.directory.join(format!("{run}{SUFFIX}"))
    }

    /// Makes the file of a run, with its first record. When this returns well, both are durable.
    ///
    /// # Errors
    /// When the directory or the file can't be made, is there already, or can't be written.
    pub async fn create(&self, run: &RunId, first: Record, clock: fn() -> Timestamp) -> Result<Writer, JournalError> {
        let path = self.path(run);
        let wrong = |what: &'static str, path: &Path, error: &io::Error| JournalError::Write {
            what,
            path: path.to_path_buf(),
            reason: error.to_string(),
        };
        self.make_directory()?;
        let opened = OpenOptions::new().append(true).create_new(true).mode(0o600).open(&path);
        let file = opened.map_err(|error| wrong("made", &path, &error))?;
        lock(&file).map_err(|error| wrong("locked", &path, &error))?;
        let writer = Writer::start(file, path, Chain::default(), clock);
        writer.append(first).await?;
        // The file's entry in its directory, and the directory's in the one above it, where it was made just now.
        for directory in [Some(self.directory.as_path()), self.directory.parent()].into_iter().flatten() {
            let synced = File::open(directory).and_then(|directory| directory.sync_all());
            synced.map_err(|error| wrong("written", directory, &error))?;
        }
        Ok(writer)
    }

    /// Makes the directory for its user alone, or sees that it is so.
    fn make_directory(&self) -> Result<(), JournalError> {
        let path = &self.directory;
        let wrong =
            |error: io::Error| JournalError::Write { what: "made", path: path.clone(), reason: error.to_string() };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(wrong)?;
        let found = fs::metadata(path).map_err(wrong)?;
        let user = fs::metadata("/proc/self").map_err(wrong)?.uid();
        if found.uid() != user {
            return Err(JournalError::Foreign { path: path.clone(), owner: found.uid(), user });
        }
        if found.permissions().mode() & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(wrong)?;
        }
        Ok(())
    }

    /// The runs that there are files of, newest first. Other files are passed over.
    ///
    /// # Errors
    /// When the directory is there and can't be read.
    pub fn runs(&self) -> Result<Vec<RunId>, JournalError> {
        let wrong = |error: io::Error| JournalError::Access { path: self.directory.clone(), reason: error.to_string() };
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(wrong)?,
        };
        let mut runs = Vec::new();
        for entry in entries {
            let name = entry.map_err(wrong)?.file_name();
            let run = name.to_str().and_then(|name| name.strip_suffix(SUFFIX)).and_then(|run| RunId::parse(run).ok());
            runs.extend(run);
        }
        runs.sort_by(|a, b| b.cmp(a));
        Ok(runs)
    }

    /// Reads the journal of a run.
    #[must_use]
    pub fn read(&self, run: &RunId) -> Kept {
        let path = self.path(run);
        let opened =
            File::open(&path).map_err(|error| JournalError::Access { path: path.clone(), reason: error.to_string() });
        let (reach, journal) = match opened {
            Err(error) => (Reach::Over, Err(error)),
            Ok(file) => {
                // Looked at before it is read: one that ends in between is read whole, and counts as live once more.
                let reach = match file.try_lock_shared() {
                    Err(TryLockError::WouldBlock) => Reach::Live,
                    Ok(()) | Err(TryLockError::Error(_)) => Reach::Over,
                };
                let journal = contents(&file, &path);
                (reach, journal)
            }
        };
        Kept { run: run.clone(), path, reach, journal }
    }

    /// Opens the journal of a run that is over, to write down what came of what it left in doubt. What stands torn at its end is
    /// cut off; it is returned with the file's content, and belongs into the record that comes next.
    ///
    /// # Errors
    /// When the run goes on, or the file can't be read, cut, or written.
    pub fn take_up(&self, run: &RunId, clock: fn() -> Timestamp) -> Result<(Writer, Journal), JournalError> {
        let path = self.path(run);
        let wrong =
            |error: &io::Error| JournalError::Write { what: "written", path: path.clone(), reason: error.to_string() };
        let opened = OpenOptions::new().read(true).append(true).open(&path);
        let file = opened.map_err(|error| wrong(&error))?;
        match lock(&file) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Err(JournalError::Live(run.clone())),
            locked => locked.map_err(|error| wrong(&error))?,
        }
        let journal = contents(&file, &path)?;
        if journal.torn.is_some() {
            file.set_len(journal.whole_bytes).and_then(|()| file.sync_all()).map_err(|error| wrong(&error))?;
        }
        Ok((Writer::start(file, path, journal.chain.clone(), clock), journal))
    }

    /// Forgets runs that are too old or too many; never one that goes on, that left something in doubt, or of which that
    /// isn't known. What can't be removed stays: that fails nothing.
    pub fn prune(&self, now: Timestamp, limits: Limits) -> usize {
        let runs = self.runs().unwrap_or_default();
        let too_old = |run: &RunId| run.start().0.saturating_add(limits.age) < now.0;
        let old = runs.iter().enumerate().filter(|(index, run)| *index >= limits.runs || too_old(run));
        let forgotten = old.filter(|(_, run)| {
            let kept = self.read(run);
            let settled = kept.reach == Reach::Over && kept.in_doubt().is_ok_and(|doubts| doubts.is_empty());
            settled && fs::remove_file(&kept.path).is_ok()
        });
        forgotten.count()
    }
}

fn contents(mut file: &File, path: &Path) -> Result<Journal, JournalError> {
    let wrong = |reason: String| JournalError::Access { path: path.to_path_buf(), reason };
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0)).map_err(|error| wrong(error.to_string()))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(format!("it has more than {} MB, which no run makes", LARGEST / 1024 / 1024)));
    }
    read(&bytes).map_err(|source| JournalError::Read { path: path.to_path_buf(), source })
}

/// Takes the lock that says that a process writes. Readers hold theirs for moments only.
fn lock(file: &File) -> io::Result<()> {
    for _ in 0..LOCK_TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_PAUSE),
        }
    }
    Err(io::ErrorKind::WouldBlock.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::fixture::{RUN, done, file, first, intended};
    use crate::journal::{Fault, What};

    fn clock() -> Timestamp {
        Timestamp(1_795_577_400)
    }

    fn run(text: &str) -> RunId {
        RunId::parse(text).unwrap()
    }

    fn store() -> (tempfile::TempDir, Store) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::below(&directory.path().join("state"));
        (directory, store)
    }

    fn put(store: &Store, name: &str, text: &str) {
        fs::create_dir_all(&store.directory).unwrap();
        fs::write(store.path(&run(name)), text).unwrap();
    }

    #[tokio::test]
    async fn a_run_has_a_file_of_its_own_for_its_user_alone() {
        let (_directory, store) = store();
        assert_eq!(store.runs().unwrap(), []);
        let writer = store.create(&run(RUN), first(), clock).await.unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(writer.path()), mode(&store.directory)), (0o600, 0o700));
        assert_eq!(store.runs().unwrap(), [run(RUN)]);
        let error = store.create(&run(RUN), first(), clock).await.unwrap_err().to_string();
        assert!(error.contains("can't be made: File exists"), "{error}");

        // While its process is there, it goes on: nothing is in doubt yet, and nobody else writes.
        writer.append(intended("stop")).await.unwrap();
        let kept = store.read(&run(RUN));
        assert_eq!((kept.reach, kept.in_doubt().unwrap().len()), (Reach::Live, 0));
        assert!(matches!(store.take_up(&run(RUN), clock), Err(JournalError::Live(_))));
        drop(writer);
        let over = || store.read(&run(RUN)).reach == Reach::Over;
        for _ in 0..100 {
            if over() {
                break;
            }
            std::thread::sleep(LOCK_PAUSE);
        }
        assert_eq!(store.read(&run(RUN)).in_doubt().unwrap().len(), 1);

        // Two runs in one second.
        let other = run("20261125T033000Z-000000");
        let _writer = store.create(&other, first(), clock).await.unwrap();
        assert_eq!(store.runs().unwrap(), [run(RUN), other]);
    }

    #[tokio::test]
    async fn a_directory_that_others_could_read_is_closed() {
        let (_directory, store) = store();
        fs::create_dir_all(&store.directory).unwrap();
        fs::set_permissions(&store.directory, fs::Permissions::from_mode(0o755)).unwrap();
        store.create(&run(RUN), first(), clock).await.unwrap();
        assert_eq!(fs::metadata(&store.directory).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[tokio::test]
    async fn where_nothing_can_be_made_it_is_said() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("file"), "").unwrap();
        for place in [directory.path().join("file"), "/proc/nowhere".into()] {
            let error = Store::below(&place).create(&run(RUN), first(), clock).await.unwrap_err().to_string();
            assert!(error.starts_with(&format!("the journal {}/runs can't be made: ", place.display())), "{error}");
        }
    }

    #[tokio::test]
    async fn a_torn_end_is_cut_off_by_whoever_goes_on() {
        let (_directory, store) = store();
        let whole = file(&[first(), intended("stop")]);
        put(&store, RUN, &format!("{whole}{{\"seq\":3,\"at\":"));
        let (writer, journal) = store.take_up(&run(RUN), clock).unwrap();
        assert_eq!(journal.torn, Some(Fault { line: 3, what: What::Torn { bytes: 14 } }));
        assert_eq!(journal.torn_text.as_deref(), Some("{\"seq\":3,\"at\":"));
        writer.append(done("stop")).await.unwrap();
        let text = fs::read_to_string(store.path(&run(RUN))).unwrap();
        assert!(text.starts_with(&whole));
        let journal = read(text.as_bytes()).unwrap();
        assert_eq!((journal.entries.len(), journal.all_faults().count()), (3, 0));
    }

    #[test]
    fn files_that_are_no_journals_are_errors_with_their_name() {
        let (_directory, store) = store();
        put(&store, RUN, "{\"format\":7,\"written_by\":\"converge 9\"}\n");
        fs::write(store.directory.join("notes.txt"), "").unwrap();
        fs::write(store.directory.join("x.jsonl"), "").unwrap();
        assert_eq!(store.runs().unwrap(), [run(RUN)]);
        let kept = store.read(&run(RUN));
        let error = kept.in_doubt().unwrap_err().to_string();
        assert!(error.contains(&format!("{RUN}.jsonl: it has format 7, written by converge 9")), "{error}");
        // Nothing at all was begun by a run that was cut off this early.
        put(&store, RUN, "{\"seq\":1,");
        assert_eq!(store.read(&run(RUN)).in_doubt().unwrap(), []);
    }

    #[test]
    fn old_and_superfluous_runs_go_unless_something_is_in_doubt() {
        let (_directory, store) = store();
        let settled = file(&[first(), intended("stop"), done("stop")]);
        let names = [
            "20260101T000000Z-000001",
            "20260102T000000Z-000002",
            "20261101T000000Z-000003",
            "20261102T000000Z-000004",
        ];
        for name in names {
            put(&store, name, &settled);
        }
        put(&store, "20260101T000000Z-00000d", &file(&[first(), intended("stop")]));
        put(&store, "20260101T000000Z-00000e", "{\"format\":7,\"written_by\":\"converge 9\"}\n");
        let left =
            |store: &Store| store.runs().unwrap().iter().map(|run| run.as_str()[16..].to_owned()).collect::<Vec<_>>();

        assert_eq!(store.prune(clock(), Limits::default()), 2);
        assert_eq!(left(&store), ["-000004", "-000003", "-00000e", "-00000d"]);
        assert_eq!(store.prune(clock(), Limits { runs: 1, ..Limits::default() }), 1);
        assert_eq!(left(&store), ["-000004", "-00000e", "-00000d"]);
        assert_eq!(Store::below(Path::new("/proc/nowhere")).prune(clock(), Limits::default()), 0);
    }
}
