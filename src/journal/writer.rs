//! Writes one file: record after record, each durable before it is answered for. I/O.
//!
//! A thread of its own writes, so that waiting for a disk stops nothing else of the run. What is asked for while it waits is
//! written together and made durable at once: many hosts cost one wait. After the first thing that goes wrong it writes
//! nothing any more: what has failed may stand there in part, and a disk that has refused to make something durable says so only
//! once.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tokio::sync::{mpsc, oneshot};

use super::line::Chain;
use super::record::Record;
use super::store::JournalError;
use crate::model::Timestamp;

/// Each track has one record under way at most, and there are no more tracks at work than this at any number of forks
/// that a machine bears; more would only wait a moment.
const QUEUE: usize = 1024;

/// What is written to: a file, or in tests something that fails.
pub(super) trait Sink: Write + Send + 'static {
    /// Returns when all that was written is durable.
    fn sync(&mut self) -> io::Result<()>;
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

struct Order {
    record: Record,
    answer: oneshot::Sender<Result<(), JournalError>>,
}

/// The way to the file of one run.
#[derive(Debug)]
pub struct Writer {
    orders: mpsc::Sender<Order>,
    path: PathBuf,
}

impl Writer {
    /// Writes to `sink` behind what `chain` ends with.
    pub(super) fn start(sink: impl Sink, path: PathBuf, chain: Chain, clock: fn() -> Timestamp) -> Self {
        let (orders, queue) = mpsc::channel(QUEUE);
        let pen = Pen { sink, path: path.clone(), chain, clock, broken: None };
        // It ends when nobody can ask any more. Where no thread can be had, nothing is ever answered: see `append`.
        let started = std::thread::Builder::new().name("journal".into()).spawn(move || pen.work(queue));
        drop(started);
        Self { orders, path }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a record. When this returns well, it is durable.
    ///
    /// # Errors
    /// When it could not be written or made durable, now or earlier.
    pub async fn append(&self, record: Record) -> Result<(), JournalError> {
        let gone = || JournalError::Write {
            what: "written",
            path: self.path.clone(),
            reason: "the thread that writes it has ended".into(),
        };
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order { record, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

/// What the thread holds.
struct Pen<S> {
    sink: S,
    path: PathBuf,
    chain: Chain,
    clock: fn() -> Timestamp,
    broken: Option<JournalError>,
}

impl<S: Sink> Pen<S> {
    fn work(mut self, mut queue: mpsc::Receiver<Order>) {
        let mut orders = Vec::new();
        while queue.blocking_recv_many(&mut orders, QUEUE) > 0 {
            let records: Vec<Record> = orders.iter().map(|order: &Order| order.record.clone()).collect();
            let written = self.write(&records);
            for order in orders.drain(..) {
                // Whoever has gone away needs no answer.
                let _ = order.answer.send(written.clone());
            }
        }
    }

    fn write(&mut self, records: &[Record]) -> Result<(), JournalError> {
        if let Some(broken) = &self.broken {
            return Err(broken.clone());
        }
        let written = self.try_write(records).map_err(|error| JournalError::Write {
            what: "written",
            path: self.path.clone(),
            reason: error.to_string(),
        });
        self.broken = written.as_ref().err().cloned();
        written
    }

    fn try_write(&mut self, records: &[Record]) -> io::Result<()> {
        let mut text = String::new();
        for record in records {
            text.push_str(&self.chain.append((self.clock)(), record)?);
        }
        self.sink.write_all(text.as_bytes())?;
        self.sink.sync()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::journal::fixture::{done, first, intended};
    use crate::journal::read;

    /// A disk with room for so many bytes, whose `sync` may fail once.
    #[derive(Clone, Default)]
    struct Disk {
        bytes: Arc<Mutex<Vec<u8>>>,
        synced: Arc<Mutex<Vec<usize>>>,
        room: usize,
        sync_fails: Arc<Mutex<bool>>,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut there = self.bytes.lock().unwrap();
            let room = self.room - there.len();
            if room == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            let written = bytes.len().min(room);
            there.extend(&bytes[..written]);
            Ok(written)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Sink for Disk {
        fn sync(&mut self) -> io::Result<()> {
            if std::mem::take(&mut *self.sync_fails.lock().unwrap()) {
                return Err(io::Error::other("input/output error"));
            }
            self.synced.lock().unwrap().push(self.bytes.lock().unwrap().len());
            Ok(())
        }
    }

    fn writer(disk: &Disk) -> Writer {
        Writer::start(disk.clone(), "/j/run.jsonl".into(), Chain::default(), || Timestamp(1_795_577_400))
    }

    #[tokio::test]
    async fn what_is_answered_for_is_durable() {
        let disk = Disk { room: usize::MAX, ..Disk::default() };
        let writer = writer(&disk);
        for record in [first(), intended("stop"), done("stop")] {
            writer.append(record).await.unwrap();
            assert_eq!(disk.synced.lock().unwrap().last(), Some(&disk.bytes.lock().unwrap().len()));
        }
        let journal = read(&disk.bytes.lock().unwrap()).unwrap();
        assert_eq!((journal.entries.len(), journal.all_faults().count()), (3, 0));
    }

    #[tokio::test]
    async fn many_at_once_are_all_there_in_one_chain() {
        let disk = Disk { room: usize::MAX, ..Disk::default() };
        let writer = Arc::new(writer(&disk));
        writer.append(first()).await.unwrap();
        let mut appending = tokio::task::JoinSet::new();
        for _ in 0..500 {
            let writer = Arc::clone(&writer);
            appending.spawn(async move { writer.append(intended("stop")).await });
        }
        while let Some(appended) = appending.join_next().await {
            appended.unwrap().unwrap();
        }
        let journal = read(&disk.bytes.lock().unwrap()).unwrap();
        assert_eq!((journal.entries.len(), journal.all_faults().count()), (501, 0));
        assert!(disk.synced.lock().unwrap().len() < 501, "those that wait are made durable together");
    }

    #[tokio::test]
    async fn a_full_disk_ends_it_for_good() {
        let disk = Disk { room: 1200, ..Disk::default() };
        let writer = writer(&disk);
        writer.append(first()).await.unwrap();
        let error = loop {
            if let Err(error) = writer.append(intended("stop")).await {
                break error.to_string();
            }
        };
        assert_eq!(error, "the journal /j/run.jsonl can't be written: no storage space");
        let before = disk.bytes.lock().unwrap().clone();
        assert!(read(&before).unwrap().torn.is_some());
        assert!(writer.append(done("stop")).await.is_err());
        assert_eq!(*disk.bytes.lock().unwrap(), before, "nothing is written behind what is torn");
    }

    #[tokio::test]
    async fn what_could_not_be_made_durable_once_is_not_believed_later() {
        let disk = Disk { room: usize::MAX, ..Disk::default() };
        let writer = writer(&disk);
        writer.append(first()).await.unwrap();
        *disk.sync_fails.lock().unwrap() = true;
        for _ in 0..2 {
            let error = writer.append(intended("stop")).await.unwrap_err().to_string();
            assert_eq!(error, "the journal /j/run.jsonl can't be written: input/output error");
        }
    }
}
