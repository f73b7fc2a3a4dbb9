//! Events of a run as lines, in the words of Ansible's users.

use super::style::{BAD, CHANGED, GOOD, HEAD, Styled};
use crate::event::{ActionResult, Event, Handled};

/// Lines wider than this wrap on a common terminal; headings are filled up to it.
const WIDTH: usize = 78;

/// The line for an event; `None` for one that isn't shown. `verbose` shows what actions print.
#[must_use]
pub fn progress_line(event: &Event, verbose: bool) -> Option<String> {
    match event {
        Event::StageStarted { number, of, title, hosts: _ } => {
            let heading = format!("STAGE {number}/{of} [{title}] ");
            Some(format!("\n{}", Styled(HEAD, format!("{heading:*<WIDTH$}"))))
        }
        Event::ActionStarted { host, id: _, text } => Some(format!("at work: [{host}] {text} ...")),
        Event::ActionOutput { host, id: _, line } => verbose.then(|| format!("       [{host}] | {line}")),
        Event::ActionEnded { host, id: _, text, result, took_ms } => Some(match result {
            ActionResult::Done { evidence } => {
                format!("{} {text}: {evidence} ({})", Styled(CHANGED, format!("changed: [{host}]")), seconds(*took_ms))
            }
            ActionResult::AlreadyDone { evidence } => {
                format!("{} {text}: already so, {evidence}", Styled(GOOD, format!("ok: [{host}]")))
            }
            ActionResult::Failed(failure) => {
                let (what, then) = match failure.handled {
                    None if failure.unreachable => ("UNREACHABLE!".to_owned(), ""),
                    None => ("FAILED!".to_owned(), ""),
                    Some(Handled::Ignored) => ("FAILED!".to_owned(), "\n...ignoring"),
                    Some(Handled::Rescued) => ("FAILED!".to_owned(), "\n...going on with the rescue of its block"),
                    Some(Handled::Retried { left }) => (format!("FAILED - RETRYING ({left} left)."), ""),
                };
                let head = format!("fatal: [{host}]: {what}");
                format!("{} {text}: {} ({}){then}", Styled(BAD, head), failure.observed, seconds(*took_ms))
            }
        }),
        Event::StageEnded { number, failed: 0, goes_on: _ } => verbose.then(|| format!("stage {number} is complete")),
        Event::StageEnded { number, failed, goes_on } => {
            let hosts = if *failed == 1 { "host" } else { "hosts" };
            let then = match goes_on {
                true => "within the failure budget, the run goes on without them",
                false => "no later stage starts",
            };
            Some(format!("stage {number} ended with {failed} failed {hosts}: {then}"))
        }
        Event::RecoveryStarted { title } => {
            Some(format!("\n{}", Styled(HEAD, format!("{:*<WIDTH$}", format!("RECOVERY [{title}] ")))))
        }
        Event::RecoveryEnded { title, failed: 0 } => verbose.then(|| format!("recovery is complete: {title}")),
        Event::RecoveryEnded { title, failed } => {
            Some(format!("{title}: {failed} host(s) failed on the way; the others went it to its end"))
        }
        Event::Stopping => {
            Some("stopping: what runs is finished, nothing new begins (Ctrl-C once more to leave at once)".into())
        }
    }
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}
