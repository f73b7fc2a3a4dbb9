//! How the hosts of a play follow each other: batches, quorums, and the time that a batch has to settle.

use std::collections::BTreeMap;

use super::action::{Action, ActionKind, Quorum, Stage, StageKind, Track};
use super::acts;
use super::member::Member;
use super::planner::{Input, stage};
use crate::release::Release;

/// What must keep serving, by component.
pub(super) fn quorums(input: &Input<'_>) -> BTreeMap<String, Quorum> {
    let all = || input.instances.iter().chain(input.others);
    let mut quorums = BTreeMap::new();
    for instance in all() {
        let name = &instance.component.name;
        let Some(share) = instance.component.quorum else { continue };
        let of = all().filter(|other| other.component.name == *name).count();
        let serving = share.at_least(of);
        let known = quorums.entry(name.clone()).or_insert(Quorum { serving, of });
        // Where two hosts declare it differently, the stricter one holds.
        known.serving = known.serving.max(serving);
    }
    quorums
}

/// The stages of hosts that don't depend on each other: as many at a time as the play of the first of them says, and never
/// so many that less than a quorum is left.
pub(super) fn batches(
    release: &Release,
    title: &str,
    mut tracks: Vec<Track>,
    members: &[Member<'_>],
    quorums: &BTreeMap<String, Quorum>,
) -> Vec<Stage> {
    let first = tracks.first().and_then(|track| track.actions.first()).map(Action::instance);
    let Some(member) = members.iter().find(|member| Some(member.instance.id()) == first) else { return Vec::new() };
    let play = member.instance.play;
    let mut hosts: Vec<_> = members.iter().map(|m| m.instance).filter(|i| i.play == play).map(|i| &i.host).collect();
    hosts.dedup();
    let sizes = match &member.instance.rolling.serial {
        Some(serial) => serial.batches(tracks.len(), hosts.len()),
        None => vec![tracks.len()],
    };
    if tracks.iter().any(|track| track.actions.iter().any(|action| quorums.contains_key(&action.component))) {
        // What doesn't serve takes nothing away when it changes, and adds something when it has.
        tracks.sort_by_key(|track| track.actions.iter().any(|action| action.kind == ActionKind::Stop));
    }
    let mut chunks: Vec<Vec<Track>> = Vec::new();
    for size in sizes {
        let mut left = size;
        while left > 0 && !tracks.is_empty() {
            let fitting = fitting(&tracks, quorums).min(left);
            let rest = tracks.split_off(fitting.min(tracks.len()));
            chunks.push(std::mem::replace(&mut tracks, rest));
            left -= fitting;
        }
    }
    let count = chunks.len();
    let mut stages = Vec::with_capacity(count);
    for (number, tracks) in chunks.into_iter().enumerate() {
        let title = if count == 1 { title.to_owned() } else { format!("{title} ({} of {count})", number + 1) };
        let settling = settling(release, &title, StageKind::Independent, &tracks, members);
        stages.push(Stage { tracks, ..stage(title, StageKind::Independent, Vec::new()) });
        stages.extend(settling);
    }
    stages
}

/// How many of these tracks, from the first on, may go side by side; at least one.
fn fitting(tracks: &[Track], quorums: &BTreeMap<String, Quorum>) -> usize {
    let stops = |track: &Track, name: &str| {
        track.actions.iter().any(|action| action.kind == ActionKind::Stop && action.component == *name)
    };
    let starts = |track: &Track, name: &str| {
        track.actions.iter().any(|a| matches!(a.kind, ActionKind::Start { .. }) && a.component == *name)
    };
    for count in 1..=tracks.len() {
        let is_broken = |(name, quorum): (&String, &Quorum)| {
            let stopped = tracks[..count].iter().filter(|track| stops(track, name)).count();
            // What is started without having been stopped is down until then.
            let down = tracks.iter().filter(|track| starts(track, name) && !stops(track, name)).count();
            stopped > 0 && stopped + down > quorum.spare()
        };
        if quorums.iter().any(is_broken) {
            return (count - 1).max(1);
        }
    }
    tracks.len().max(1)
}

/// The stage in which what these tracks start has to stay healthy, where its play says for how long.
pub(super) fn settling<'t>(
    release: &Release,
    title: &str,
    kind: StageKind,
    tracks: impl IntoIterator<Item = &'t Track>,
    members: &[Member<'_>],
) -> Option<Stage> {
    let mut actions = Vec::new();
    let mut longest = 0;
    for track in tracks {
        let mut watched: BTreeMap<String, Release> = BTreeMap::new();
        let mut seconds = 0;
        let mut first = None;
        for action in &track.actions {
            let ActionKind::Start { release } = &action.kind else { continue };
            let Some(member) = members.iter().find(|member| member.instance.id() == action.instance()) else {
                continue;
            };
            if let Some(settle) = member.instance.rolling.settle {
                seconds = seconds.max(settle);
                watched.insert(action.component.clone(), release.clone());
                first = first.or(Some(member));
            }
        }
        longest = longest.max(seconds);
        actions.extend(first.map(|member| acts::settle(release, member, watched, seconds)));
    }
    (!actions.is_empty()).then(|| stage(format!("{title}: settle for {longest} s"), kind, actions))
}
