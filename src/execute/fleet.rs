//! Real hosts: actions as scripts over a session.

use std::time::Duration;

use super::{Attempt, Hosts};
use crate::facts::{HostFacts, Query};
use crate::gather::Fleet;
use crate::model::{HostName, printable};
use crate::plan::{Action, BUSY, Plan, log_script, script};
use crate::transport::{Command, Connector, Outcome, OutputChunk, Session};

/// pip and alembic print some hundred lines; what is beyond a megabyte is counted, not kept.
const OUTPUT_LIMIT: usize = 1024 * 1024;
/// Reading the end of a log is a matter of moments.
const LOG_LIMIT: Duration = Duration::from_secs(15);

impl<C: Connector> Hosts for Fleet<C>
where
    C::Session: Session + 'static,
{
    async fn observe(&self, host: HostName, queries: Vec<Query>) -> HostFacts {
        self.ask(host, queries).await
    }

    async fn act(
        &self,
        plan: &Plan,
        action: &Action,
        facts: &HostFacts,
        output: &mut (dyn FnMut(String) + Send),
    ) -> Attempt {
        let Some(script) = script(plan, action, facts) else {
            return Attempt::NotStarted { reason: "the plan lacks what the action needs".into() };
        };
        let command = Command { script: script.text.into_bytes(), limit: script.limit, output_limit: OUTPUT_LIMIT };
        let mut lines = Lines::default();
        let completed = self.run(&action.host, &command, &mut |chunk| lines.take(chunk, output)).await;
        lines.finish(output);
        match completed {
            Err(error) => Attempt::NotStarted { reason: error.in_full() },
            Ok(completed) => match completed.outcome {
                Outcome::Exited(0) => Attempt::Succeeded,
                Outcome::Exited(BUSY) => Attempt::Busy,
                Outcome::Exited(status) => Attempt::Failed { how: format!("exit status {status}") },
                Outcome::Signaled(signal) => Attempt::Failed { how: format!("ended by SIG{signal}") },
                Outcome::Unknown(cause) => Attempt::Unknown { cause: cause.to_string() },
            },
        }
    }

    async fn last_words(&self, plan: &Plan, action: &Action) -> Vec<String> {
        let Some(text) = plan.instance(&action.instance()).and_then(|instance| log_script(&instance.component)) else {
            return Vec::new();
        };
        let command = Command { script: text.into_bytes(), limit: LOG_LIMIT, output_limit: 64 * 1024 };
        match self.run(&action.host, &command, &mut |_| {}).await {
            Ok(completed) => {
                completed.stdout.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).map(printable).collect()
            }
            Err(error) => vec![format!("(its log could not be read: {error})")],
        }
    }
}

/// Cuts chunks into lines: both streams by one, since a person reads them in the order of arrival.
#[derive(Default)]
struct Lines {
    open: Vec<u8>,
}

/// A line longer than this is shown in pieces, so that output without line breaks doesn't pile up.
const LINE_LIMIT: usize = 4096;

impl Lines {
    fn take(&mut self, chunk: OutputChunk<'_>, output: &mut (dyn FnMut(String) + Send)) {
        for byte in chunk.bytes {
            if *byte == b'\n' || self.open.len() >= LINE_LIMIT {
                self.finish(output);
            }
            if *byte != b'\n' && *byte != b'\r' {
                self.open.push(*byte);
            }
        }
    }

    fn finish(&mut self, output: &mut (dyn FnMut(String) + Send)) {
        if !self.open.is_empty() {
            output(printable(std::mem::take(&mut self.open)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Stream;

    #[test]
    fn chunks_become_lines_however_they_are_cut() {
        let (mut lines, mut seen) = (Lines::default(), Vec::new());
        for bytes in ["Collecting a", "iohttp\nInst", "alled\r\n\n", "end \u{1b}[31m"] {
            lines.take(OutputChunk { stream: Stream::Stdout, bytes: bytes.as_bytes() }, &mut |line| seen.push(line));
        }
        lines.finish(&mut |line| seen.push(line));
        assert_eq!(seen, ["Collecting aiohttp", "Installed", "end \\x1b[31m"]);
    }
}
