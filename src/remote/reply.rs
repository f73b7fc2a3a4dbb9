//! What a launcher prints: noise of the login, a first record, the job's output as it is, and a last record. A record is
//! a line `NONCE <tab> KEY <tab> VALUE`; the job can't forge one, because it never hears the nonce.

use crate::model::printable;

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobEnd {
    /// With this exit status.
    Exited(u32),
    /// By its time-out on the host, after this many seconds: it was asked to end, then killed.
    TimedOut(u32),
    /// The fence fell before it began: nothing of it ran.
    Fenced,
}

/// What the host told about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// It has ended.
    Ended(JobEnd),
    /// It is at work.
    Running,
    /// It never began.
    Never,
    /// It began, nothing of it is alive, and it left no status: it was killed, or the host was restarted.
    Lost,
    /// It was not started, for this reason.
    Refused(String),
    /// It was not started, because the host is another run's now.
    Fenced(String),
    /// Whether it began is not known, for this reason.
    Unsure(String),
}

/// A record is short. A line without a record that is longer is passed on in pieces.
const LINE_LIMIT: usize = 4096;

/// Reads an answer piece by piece.
#[derive(Debug)]
pub struct Reply {
    mark: Vec<u8>,
    line: Vec<u8>,
    begun: bool,
    passed: usize,
    omitted: u64,
    told: Option<Told>,
    /// What still comes is another copy of it.
    over: bool,
}

impl Reply {
    /// Expects an answer that is marked by `nonce`.
    #[must_use]
    pub fn new(nonce: &str) -> Self {
        let mark = format!("{nonce}\t").into_bytes();
        Self { mark, line: Vec::new(), begun: false, passed: 0, omitted: 0, told: None, over: false }
    }

    /// Takes the next bytes; `output` gets what the job printed.
    pub fn take(&mut self, bytes: &[u8], output: &mut (dyn FnMut(&[u8]) + Send)) {
        for byte in bytes {
            if self.over {
                return;
            }
            self.line.push(*byte);
            if *byte == b'\n' {
                self.end_line(output);
            } else if self.line.len() >= LINE_LIMIT {
                self.pass_on(output);
            }
        }
    }

    /// The end of what arrives: what the host told, if its answer was whole.
    pub fn finish(&mut self, output: &mut (dyn FnMut(&[u8]) + Send)) -> Option<Told> {
        // The first letters of a record that was cut off are no output.
        let cut = self.line.len().min(self.mark.len());
        if self.line.get(..cut) == self.mark.get(..cut) {
            self.line.clear();
        }
        self.pass_on(output);
        self.told.take()
    }

    /// Whether the job was there to be followed.
    #[must_use]
    pub fn begun(&self) -> bool {
        self.begun
    }

    /// How many bytes of output arrived.
    #[must_use]
    pub fn passed(&self) -> usize {
        self.passed
    }

    /// How many bytes the host left out.
    #[must_use]
    pub fn omitted(&self) -> u64 {
        self.omitted
    }

    fn end_line(&mut self, output: &mut (dyn FnMut(&[u8]) + Send)) {
        let Some(record) = self.line.strip_prefix(self.mark.as_slice()) else { return self.pass_on(output) };
        let mut parts = record.trim_ascii_end().splitn(2, |byte| *byte == b'\t');
        let key = printable(parts.next().unwrap_or_default());
        let value = printable(parts.next().unwrap_or_default());
        self.line.clear();
        match key.as_str() {
            // Another copy of what was told already.
            "begin" if self.told.is_some() => self.over = true,
            "begin" => self.begun = true,
            "omitted" => self.omitted = value.parse().unwrap_or_default(),
            _ => self.told = told(&key, &value).or_else(|| self.told.take()),
        }
    }

    fn pass_on(&mut self, output: &mut (dyn FnMut(&[u8]) + Send)) {
        if self.begun && !self.line.is_empty() {
            // Behind `omitted` comes the end of the output, out of turn.
            if self.omitted == 0 {
                self.passed += self.line.len();
            }
            output(&self.line);
        }
        self.line.clear();
    }
}

fn told(key: &str, value: &str) -> Option<Told> {
    Some(match key {
        "ended" => Told::Ended(end(value)?),
        "running" => Told::Running,
        "never" => Told::Never,
        "lost" => Told::Lost,
        "refused" => Told::Refused(value.to_owned()),
        "fenced" => Told::Fenced(value.to_owned()),
        "unsure" => Told::Unsure(value.to_owned()),
        _ => return None,
    })
}

fn end(status: &str) -> Option<JobEnd> {
    let mut words = status.split_whitespace();
    let end = match (words.next()?, words.next()) {
        ("exit", Some(status)) => JobEnd::Exited(status.parse().ok()?),
        ("late", Some(limit)) => JobEnd::TimedOut(limit.parse().ok()?),
        ("fenced", None) => JobEnd::Fenced,
        _ => return None,
    };
    words.next().is_none().then_some(end)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(bytes: &[u8], piece: usize) -> (Vec<u8>, Reply, Option<Told>) {
        let (mut reply, mut seen) = (Reply::new("n1"), Vec::new());
        for part in bytes.chunks(piece) {
            reply.take(part, &mut |bytes| seen.extend_from_slice(bytes));
        }
        let told = reply.finish(&mut |bytes| seen.extend_from_slice(bytes));
        (seen, reply, told)
    }

    #[test]
    fn noise_output_and_records_are_told_apart_however_they_are_cut() {
        let whole = b"Welcome!\nn2\tended\texit 0\n\nn1\tbegin\t0\none\ntwo\x00\nno end\nn1\tended\texit 3\n";
        for piece in 1..=whole.len() {
            let (seen, reply, told) = read(whole, piece);
            assert_eq!(seen, b"one\ntwo\x00\nno end\n");
            assert_eq!((reply.passed(), told), (16, Some(Told::Ended(JobEnd::Exited(3)))));
        }
    }

    #[test]
    fn an_answer_that_breaks_off_tells_nothing_but_what_arrived() {
        for cut in [&b"n1\tbegin\t0\nhalf a li"[..], b"n1\tbegin\t0\nhalf a li\nn1\ten", b"n1\tbegin\t0\nhalf a li\nn"]
        {
            let (seen, reply, told) = read(cut, 7);
            assert!(reply.begun() && told.is_none());
            assert!(seen.starts_with(b"half a li") && seen.len() <= 10, "{seen:?}");
        }
        let (seen, reply, told) = read(b"sh: not found\n", 3);
        assert!(seen.is_empty() && !reply.begun() && told.is_none());
    }

    #[test]
    fn what_was_left_out_is_counted_and_the_end_does_not_count_as_received() {
        let (seen, reply, told) = read(b"n1\tbegin\t0\nstart\n\nn1\tomitted\t900\nthe end\n\nn1\tended\tlate 60\n", 5);
        assert_eq!(seen, b"start\n\nthe end\n\n");
        assert_eq!((reply.passed(), reply.omitted()), (7, 900));
        assert_eq!(told, Some(Told::Ended(JobEnd::TimedOut(60))));
    }

    #[test]
    fn a_reply_that_arrives_twice_counts_once_and_one_of_another_question_never() {
        let reply = |nonce: &str| format!("{nonce}\tbegin\t0\none\ntwo\n{nonce}\tended\texit 3\n");
        for piece in [1, 7, 1000] {
            let (once, _, told) = read(reply("n1").as_bytes(), piece);
            assert_eq!(told, Some(Told::Ended(JobEnd::Exited(3))));
            let twice = reply("n1") + &reply("n1").replace("exit 3", "exit 0");
            let (seen, state, told) = read(twice.as_bytes(), piece);
            assert_eq!((seen, state.passed(), told), (once, 8, Some(Told::Ended(JobEnd::Exited(3)))));
            assert_eq!(read(reply("n0").as_bytes(), piece).2, None);
        }
    }

    #[test]
    fn a_status_that_is_none_is_no_end() {
        for status in ["", "exit", "exit x", "exit 1 2", "late", "fenced 1", "done"] {
            assert_eq!(end(status), None, "{status}");
        }
        assert_eq!(end("fenced"), Some(JobEnd::Fenced));
    }

    proptest! {
        #[test]
        fn whatever_a_host_says_is_bounded_and_never_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..9000)) {
            let (seen, reply, _) = read(&bytes, 1000);
            prop_assert!(seen.len() <= bytes.len() && reply.line.len() <= LINE_LIMIT);
        }
    }
}
