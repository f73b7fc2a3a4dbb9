//! The journal of a simulated run: what is durable in it, and what goes wrong with writing it.

use converge::event::Event;
use converge::execute::{Recorder, Unrecorded};

use super::Simulated;

/// What goes wrong with one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteFault {
    /// The disk is full, from this write on to the end of the run.
    Full,
    /// The controller dies before anything of it is durable.
    DiesBefore,
    /// The controller dies when it is durable.
    DiesAfter,
}

/// Records what the cluster's runs do.
#[derive(Debug, Clone)]
pub struct SimJournal(Simulated);

impl Simulated {
    /// A new journal. From here on nothing may begin that isn't durable in it.
    pub fn journal(&self) -> SimJournal {
        let mut cluster = self.lock();
        (cluster.intended, cluster.disk_is_full) = (Some(Default::default()), false);
        SimJournal(self.clone())
    }
}

impl Recorder for SimJournal {
    async fn record(&self, event: &Event) -> Result<(), Unrecorded> {
        if matches!(event, Event::ActionOutput { .. }) {
            return Ok(());
        }
        let fault = {
            let mut cluster = self.0.lock();
            let number = cluster.writes;
            cluster.writes += 1;
            let fault = cluster.write_faults.remove(&number);
            cluster.disturbances += usize::from(fault.is_some());
            if let Some(fault) = fault {
                cluster.log.push(format!("write {number}: {fault:?}"));
                cluster.disk_is_full |= fault == WriteFault::Full;
            }
            if cluster.disk_is_full {
                return Err(Unrecorded("no space left on device".into()));
            }
            if let (Event::ActionStarted { id, .. }, Some(intended)) = (event, &mut cluster.intended)
                && fault != Some(WriteFault::DiesBefore)
            {
                intended.insert(id.clone());
            }
            fault
        };
        if fault.is_some() {
            self.0.kill_controller();
            std::future::pending::<()>().await;
        }
        Ok(())
    }
}
