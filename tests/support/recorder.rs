//! A journal in memory, on a disk that may get full.

use std::sync::Mutex;

use converge::event::Event;
use converge::execute::{Recorder, Unrecorded};

/// Keeps events, up to a number of them.
#[derive(Debug)]
pub struct Memory {
    events: Mutex<Vec<Event>>,
    room: usize,
}

impl Default for Memory {
    fn default() -> Self {
        Self::with_room_for(usize::MAX)
    }
}

impl Memory {
    /// Room for as many records, and then none.
    pub fn with_room_for(room: usize) -> Self {
        Self { events: Mutex::default(), room }
    }

    pub fn events(&self) -> Vec<Event> {
        self.events.lock().expect("no panic while it was held").clone()
    }
}

impl Recorder for Memory {
    async fn record(&self, event: &Event) -> Result<(), Unrecorded> {
        if matches!(event, Event::ActionOutput { .. }) {
            return Ok(());
        }
        let mut events = self.events.lock().expect("no panic while it was held");
        if events.len() >= self.room {
            return Err(Unrecorded("no space left on device".into()));
        }
        events.push(event.clone());
        Ok(())
    }
}
