//! What can't be recorded is not begun, wherever the disk gets full.

use std::sync::Arc;

use converge::event::{ActionResult, Event};
use converge::execute::{Executor, RunOutcome};
use converge::plan::Plan;
use tokio::sync::watch;

use crate::clusters::{at, before_a_major, cluster};
use crate::recorder::Memory;
use crate::simulated::Simulated;
use crate::turns::{Asked, converge_as, plan_as};

fn run(plan: Plan, simulated: &Simulated, memory: &Arc<Memory>) -> RunOutcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (_stop, stopping) = watch::channel(false);
        let hosts = Arc::new(simulated.clone());
        Executor::new(Arc::new(plan), hosts, Arc::clone(memory), 64, stopping, Arc::new(|_| {})).run().await
    })
}

fn intents(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event, Event::ActionStarted { .. })).count()
}

/// As many cases as there are records in a run: the disk is full before the first, the second, …
fn wherever_the_disk_gets_full(asked: &Asked, fresh: impl Fn() -> Simulated) {
    let simulated = fresh();
    let memory = Arc::new(Memory::default());
    let outcome = run(plan_as(asked, &simulated), &simulated, &memory);
    assert!(outcome.is_complete(), "{outcome:?}");
    let all = memory.events();
    assert_eq!(intents(&all), simulated.lock().acts, "each act has its record");
    assert!(all.len() > 20);

    for room in 0..all.len() {
        let simulated = fresh();
        let memory = Arc::new(Memory::with_room_for(room));
        let outcome = run(plan_as(asked, &simulated), &simulated, &memory);
        let recorded = memory.events();
        assert_eq!(recorded.len(), room);
        assert_eq!(simulated.lock().acts, intents(&recorded), "room for {room}: something was begun unrecorded");
        assert!(outcome.unrecorded.is_some() && !outcome.is_complete() && !outcome.stopped, "room for {room}");
        for failure in &outcome.failures {
            assert!(failure.observed.contains("no space left on device; so it was not begun"), "{failure:?}");
            assert!(failure.next.contains("make room for the journal"), "{failure:?}");
        }
        assert!(outcome.recovered.is_none(), "a way back can't be recorded either");
        converge_as(asked, &simulated);
        assert_eq!(simulated.lock().violations, Vec::<String>::new());
    }
}

#[test]
fn a_patch_run_stops_where_it_cannot_be_recorded() {
    wherever_the_disk_gets_full(&Asked::patches(), || Simulated::new(at(cluster(1, 1, true, "25.6.4"), "25.6.1")));
}

#[test]
fn an_action_is_recorded_before_it_begins_and_after_it_ended() {
    let simulated = Simulated::new(at(cluster(1, 1, false, "25.6.2"), "25.6.1"));
    let memory = Arc::new(Memory::default());
    let plan = plan_as(&Asked::patches(), &simulated);
    let ids: Vec<String> = plan.actions().map(|action| action.id.clone()).collect();
    run(plan, &simulated, &memory);
    for id in ids {
        let of_it: Vec<&str> = memory.events().iter().filter_map(|event| kind(event, &id)).collect();
        assert_eq!(of_it, ["intended", "done"], "{id}");
    }
}

fn kind(event: &Event, wanted: &str) -> Option<&'static str> {
    match event {
        Event::ActionStarted { id, .. } if id == wanted => Some("intended"),
        Event::ActionEnded { id, result: ActionResult::Done { .. }, .. } if id == wanted => Some("done"),
        Event::ActionEnded { id, .. } if id == wanted => Some("ended otherwise"),
        _ => None,
    }
}

#[test]
fn a_major_upgrade_stops_where_it_cannot_be_recorded() {
    wherever_the_disk_gets_full(&Asked::major(), || Simulated::new(before_a_major(1, 1, false)));
}
