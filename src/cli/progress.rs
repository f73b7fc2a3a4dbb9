//! Shows a run while it goes on: a line for each action that has ended, and one for an action that takes its time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::AbortHandle;

use super::output;
use crate::event::Event;
use crate::report::progress_line;

/// A stop and a start on a quiet host take about this long; what takes longer makes people wonder.
const WORTH_A_LINE: Duration = Duration::from_secs(2);

/// Prints events. Without verbosity the beginning of an action is shown only when its end is long in coming.
pub(super) struct Progress {
    verbose: bool,
    begun: Arc<Mutex<BTreeMap<String, AbortHandle>>>,
}

impl Progress {
    pub(super) fn new(verbose: bool) -> Self {
        Self { verbose, begun: Arc::default() }
    }

    /// Shows an event. Must be called within the runtime.
    pub(super) fn show(&self, event: &Event) {
        match event {
            Event::ActionStarted { id, .. } if !self.verbose => return self.show_later(id.clone(), event.clone()),
            Event::ActionEnded { id, .. } => {
                if let Ok(mut begun) = self.begun.lock()
                    && let Some(waiting) = begun.remove(id)
                {
                    waiting.abort();
                }
            }
            Event::StageStarted { .. }
            | Event::ActionStarted { .. }
            | Event::ActionOutput { .. }
            | Event::StageEnded { .. }
            | Event::RecoveryStarted { .. }
            | Event::RecoveryEnded { .. }
            | Event::Stopping => {}
        }
        print(event, self.verbose);
    }

    fn show_later(&self, id: String, event: Event) {
        let waiting = tokio::spawn(async move {
            tokio::time::sleep(WORTH_A_LINE).await;
            print(&event, false);
        });
        if let Ok(mut begun) = self.begun.lock() {
            begun.insert(id, waiting.abort_handle());
        }
    }
}

fn print(event: &Event, verbose: bool) {
    if let Some(line) = progress_line(event, verbose) {
        output::progress(&line);
    }
}
