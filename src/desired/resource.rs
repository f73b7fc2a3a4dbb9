//! What tasks of the plain kinds declare for a host, and whose turn it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{InstanceId, Manner, Rolling};
use crate::facts::{HostFacts, facts_of};
use crate::model::{HostName, SealingKey};
use crate::resource::plain::{Differs, Plain, Verdict};

/// Something other than a component that a task declares for one host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// The host.
    pub host: HostName,
    /// What tells it from everything else on its host, such as `service nginx.service`.
    pub name: String,
    /// The number of the play that declares it, from 0.
    pub play: usize,
    /// How its play goes over its hosts.
    pub rolling: Rolling,
    /// Whether it comes before the components of the run, or behind them.
    pub phase: Phase,
    /// The task's name.
    pub task: String,
    /// What is declared.
    pub plain: Plain,
    /// What else its task says of it.
    #[serde(default, skip_serializing_if = "Manner::is_plain")]
    pub manner: Manner,
    /// `file:line:column` of the task that declares it.
    pub declared_at: String,
    /// Where it holds a secret, or its task says `no_log`: nothing that is seen of it is shown, and states are told apart by
    /// digests under this key. Such a resource doesn't get into a file.
    #[serde(skip)]
    pub veil: Option<SealingKey>,
}

/// When it is a resource's turn. Components of all plays move release by release, so what tasks declare comes before all of
/// them or behind all of them: before, where its task stands ahead of the first component of its play.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Before the components.
    Before,
    /// The components themselves; no resource is here.
    Between,
    /// Behind them.
    After,
}

impl Resource {
    /// Its name, with its host.
    #[must_use]
    pub fn id(&self) -> InstanceId {
        InstanceId { host: self.host.clone(), component: self.name.clone() }
    }

    /// Whether it is done only where something fails: it belongs to a `rescue`.
    #[must_use]
    pub fn is_conditional(&self) -> bool {
        self.manner.rescues().next().is_some()
    }

    /// Compares it with what was observed; behind a veil only whether it is as declared shows.
    #[must_use]
    pub fn judge(&self, facts: &HostFacts) -> Verdict {
        let verdict = self.plain.judge(facts);
        let Some(key) = &self.veil else { return verdict };
        let hidden = |state: &str| format!("{} (its values are not shown)", key.digest(state.as_bytes()).short());
        match verdict {
            Verdict::InSync { state } => Verdict::InSync { state: hidden(&state) },
            Verdict::Differs(Differs { state, changes: _, preview: _ }) => Verdict::Differs(Differs {
                state: hidden(&state),
                changes: vec!["it differs (its values are not shown)".into()],
                preview: None,
            }),
            Verdict::Unknown(_) => {
                Verdict::Unknown("it could not be observed; the reason may hold what is not shown".into())
            }
            Verdict::Refused { .. } => Verdict::Refused {
                observed: "something that converge doesn't replace (it is not shown)".into(),
                next: "look at what is there by hand".into(),
            },
        }
    }
}

/// What is to be done about a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Nothing: it is as declared.
    Nothing,
    /// It is to be made so.
    Act {
        /// What changes, each in words.
        changes: Vec<String>,
        /// The change of a content, as a unified diff.
        preview: Option<String>,
        /// The state that it must be found in when its turn comes; `None` where something earlier may change that.
        relies_on: Option<String>,
    },
    /// It can't be judged, and nothing of the plan will change that.
    Blocked {
        /// Whether it could not be observed; otherwise what is there is not converge's to replace.
        unknown: bool,
        /// What was observed.
        observed: String,
        /// What to do.
        next: String,
    },
}

/// What is to be done about each resource, in their order. On each host what is planned for the earlier ones counts: what
/// can't be judged now may depend on it, and is judged when its turn comes.
#[must_use]
pub fn turns(resources: &[Resource], facts: &BTreeMap<HostName, HostFacts>) -> Vec<Turn> {
    let mut changing: BTreeMap<&HostName, BTreeSet<String>> = BTreeMap::new();
    let mut order: Vec<usize> = (0..resources.len()).collect();
    order.sort_by_key(|number| (resources[*number].phase, resources[*number].play));
    let mut turns = vec![Turn::Nothing; resources.len()];
    // What may fail, by host and block.
    let mut endangered: BTreeSet<(&HostName, usize)> = BTreeSet::new();
    for number in order {
        let resource = &resources[number];
        let seen = facts_of(facts, &resource.host);
        let verdict = resource.judge(&seen);
        let before = changing.get(&resource.host);
        let turn = match resource.is_conditional() {
            // A block that has nothing to do can't fail.
            true if !resource.manner.rescues().all(|block| endangered.contains(&(&resource.host, block))) => continue,
            true => if_its_block_fails(verdict),
            false => turn(&resource.plain, verdict, before, seen.unreachable.is_some()),
        };
        if matches!(turn, Turn::Act { .. }) {
            changing.entry(&resource.host).or_default().extend(resource.plain.path().or(Some(String::new())));
            endangered.extend(resource.manner.endangers().map(|block| (&resource.host, block)));
        }
        turns[number] = turn;
    }
    turns
}

/// What a task of a `rescue` does is judged when its turn comes, if it comes.
fn if_its_block_fails(verdict: Verdict) -> Turn {
    let (changes, preview) = match verdict {
        Verdict::InSync { .. } => ("nothing, as things are".to_owned(), None),
        Verdict::Differs(differs) => (differs.changes.join(", "), differs.preview),
        Verdict::Unknown(reason) | Verdict::Refused { observed: reason, .. } => {
            (format!("judged when its turn comes: {reason}"), None)
        }
    };
    Turn::Act { changes: vec![format!("only if its block fails: {changes}")], preview, relies_on: None }
}

fn turn(plain: &Plain, verdict: Verdict, before: Option<&BTreeSet<String>>, unreachable: bool) -> Turn {
    // Of a host that can't be asked, nothing is planned.
    let later = before.is_some() && !unreachable;
    let touched = |path: &String| before.is_some_and(|paths| paths.contains(path));
    let when_its_turn_comes = |reason: String| Turn::Act {
        changes: vec![format!("judged when its turn comes: {reason}")],
        preview: None,
        relies_on: None,
    };
    match verdict {
        Verdict::InSync { .. } => match plain {
            Plain::Service(service) if service.restarts() && service.restart_on.iter().any(touched) => {
                let path = service.restart_on.iter().find(|path| touched(path)).cloned().unwrap_or_default();
                Turn::Act { changes: vec![format!("restart: {path} changes before")], preview: None, relies_on: None }
            }
            _ => Turn::Nothing,
        },
        Verdict::Differs(differs) => {
            let by_path = plain.path().filter(|path| !touched(path)).map(|_| differs.state.clone());
            Turn::Act { changes: differs.changes, preview: differs.preview, relies_on: by_path }
        }
        Verdict::Unknown(reason) if later => when_its_turn_comes(reason),
        Verdict::Refused { observed, .. } if later => when_its_turn_comes(observed),
        Verdict::Unknown(reason) => Turn::Blocked {
            unknown: true,
            observed: format!("unknown: {reason}"),
            next: "make it observable; `converge facts` shows everything that was seen".into(),
        },
        Verdict::Refused { observed, next } => Turn::Blocked { unknown: false, observed, next },
    }
}

/// The files that these turns change, by host: what was started before is out of date then.
#[must_use]
pub fn files_that_change<'r>(resources: &'r [Resource], turns: &[Turn]) -> BTreeMap<&'r HostName, BTreeSet<String>> {
    let mut files: BTreeMap<&HostName, BTreeSet<String>> = BTreeMap::new();
    for (resource, turn) in resources.iter().zip(turns) {
        // A rescue that is called for changes more than was planned: then the next run finds what that put out of date.
        if let (Turn::Act { .. }, Phase::Before, false) = (turn, resource.phase, resource.is_conditional()) {
            files.entry(&resource.host).or_default().extend(resource.plain.path());
        }
    }
    files
}
