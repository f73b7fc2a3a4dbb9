//! Jobs of converge on a host that have no status yet: at work, or lost.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, Clock};
use crate::model::{RunId, Timestamp};
use crate::remote::PLACE;

/// One job without a status.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnfinishedJob {
    /// The run that it belongs to.
    pub run: RunId,
    /// The action that it carries out.
    pub action: String,
    /// When it was started, by the host's clock; of another boot, nobody knows.
    pub since: Option<Timestamp>,
    /// How long it may take, in seconds.
    pub limit: u32,
    /// Whether anything of it is alive. Otherwise it is lost: killed, or ended by a restart of the host.
    pub alive: bool,
}

/// The jobs without a status, in the order of their names; none is an empty list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Jobs {
    /// One after the other.
    pub unfinished: Vec<UnfinishedJob>,
}

impl Jobs {
    /// Those that are at work.
    pub fn at_work(&self) -> impl Iterator<Item = &UnfinishedJob> {
        self.unfinished.iter().filter(|job| job.alive)
    }
}

/// Forks nothing, however many jobs there are: the shell reads their files by itself.
const ASK: &str = r#"jb() {
if place; then
for d in "$S"/jobs/*/; do d=${d%/}
[ -e "$d/pid" ] && [ ! -e "$d/status" ] || continue
a=dead; at_work "$d" && a=alive
[ ! -e "$d/status" ] || continue
read -r p t c <"$d/pid"; [ "$c" = "$b" ] || t=-
R=-; L=0; X=; while read -r k v; do case $k in run) R=$v;; action) X=$v;; limit) L=$v;; esac; done <"$d/about"
e job "$a $t $L $R $X"
done
elif [ -e "$S" ] || [ -L "$S" ]; then e unknown "$WHY"; return; fi
e looked 1
}
"#;

pub(super) fn function() -> String {
    format!("{PLACE}{ASK}")
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Jobs> {
    if answer.get("looked").is_none() {
        return Observed::Unknown("the host didn't say where it looked for jobs".into());
    }
    let read: Option<Vec<UnfinishedJob>> = answer.all("job").map(|job| read_job(job, answer.clock)).collect();
    match read {
        Some(unfinished) => Observed::Known(Jobs { unfinished }),
        None => Observed::Unknown("what the host says of its jobs makes no sense".into()),
    }
}

/// Reads `alive|dead START LIMIT RUN ACTION`.
fn read_job(text: &str, clock: Clock) -> Option<UnfinishedJob> {
    let mut words = text.splitn(5, ' ');
    let alive = match words.next()? {
        "alive" => true,
        "dead" => false,
        _ => return None,
    };
    let since = words.next()?.parse::<i64>().ok();
    let since = since.map(|start| Timestamp(clock.now - (clock.uptime_ticks - start) / 100));
    let limit = words.next()?.parse().ok()?;
    let run = RunId::parse(words.next()?).ok()?;
    Some(UnfinishedJob { run, action: words.next()?.to_owned(), since, limit, alive })
}

#[cfg(test)]
mod tests {
    use super::super::probe::Record;
    use super::*;

    fn answer<'a>(records: &[(&'a str, &'a str)]) -> Answer<'a> {
        Answer {
            records: records.iter().map(|(key, value)| Record { key, value }).collect(),
            clock: Clock { now: 1_000, uptime_ticks: 50_000 },
        }
    }

    #[test]
    fn jobs_are_read_with_their_start_by_ticks_and_nonsense_is_unknown() {
        let observed = parse(&answer(&[
            ("job", "alive 48000 600 20261125T033000Z-7f3a9c 25.6.2/mgr1/manager/migrate"),
            ("job", "dead - 60 20261125T033000Z-7f3a9c a b"),
            ("looked", "1"),
        ]));
        let jobs = observed.known().unwrap();
        assert_eq!(jobs.at_work().map(|job| job.since).collect::<Vec<_>>(), [Some(Timestamp(980))]);
        assert_eq!((jobs.unfinished[1].action.as_str(), jobs.unfinished[1].since), ("a b", None));
        assert_eq!(parse(&answer(&[("looked", "1")])), Observed::Known(Jobs::default()));
        for odd in ["", "alive", "alive 1 x 20261125T033000Z-7f3a9c a", "alive 1 2 run a", "maybe 1 2 3 4"] {
            assert!(parse(&answer(&[("job", odd), ("looked", "1")])).unknown().is_some(), "{odd}");
        }
        assert!(parse(&answer(&[("job", "alive 1 2 3 4")])).unknown().is_some());
    }
}
