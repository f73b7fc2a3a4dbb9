//! Processes of a component, recognised by their title (the command line as `ps` shows it) or by a
//! pid file, with owner, parent and start time.
//!
//! All titles of a probe are matched in one pass over `/proc`, whose end the record `asked` proves. `setproctitle` overwrites a command
//! line in place and pads it with NULs, so NULs count as spaces and trailing ones are dropped.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, Clock, Record, quote};
use crate::model::Timestamp;

/// How to recognise the processes. With both given, a process in the pid file must match the title too.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProcessQuery {
    /// POSIX extended regular expression over the command line, its arguments joined by spaces.
    pub title: Option<String>,
    /// Only processes of this user.
    pub user: Option<String>,
    /// A file that holds the main process's number.
    pub pid_file: Option<String>,
}

/// One running process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its parent's number.
    pub parent: u32,
    /// When it started, in hundredths of a second since boot: with `pid`, its identity.
    pub start_ticks: i64,
    /// When it started, by the host's clock.
    pub started_at: Timestamp,
    /// Its numeric owner.
    pub uid: u32,
    /// Its command line, arguments joined by spaces.
    pub title: String,
}

/// The processes that were recognised; none is an empty list.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Processes {
    /// In the order of their numbers.
    pub all: Vec<Process>,
}

impl Processes {
    /// Processes whose parent isn't among them: the ones to signal, which end their workers.
    pub fn roots(&self) -> impl Iterator<Item = &Process> {
        self.all.iter().filter(|process| !self.all.iter().any(|other| other.pid == process.parent))
    }
}

/// `r PID TITLE` emits one process: parent, start and owner come from `/proc/PID`.
/// Of `/proc/PID/stat`, everything behind the last `)` is safe to split: fields 3 (state), 4 (parent) and 22 (start).
pub(super) const FUNCTION: &str = r#"r() {
p=$1; w=$2; read -r s 2>&- </proc/$p/stat || return
while read -r k o x; do [ "$k" = Uid: ] && break; done </proc/$p/status
set -f; set -- ${s##*) }; set +f; [ "$1" = Z ] || e process "$p $2 ${20} $o $w"
}
c() { tr '\0\t\n' '   ' <"/proc/$1/cmdline" 2>/dev/null; }
"#;

/// What awk does with a process: `m(PID, COMMAND-LINE)` matches it with all titles and writes its answers.
/// Titles and the numbers of their questions come in the environment: a `-v` assignment would interpret backslashes.
const MATCH: &str = r#"function m(p,t, j,f,l,s,a,b,u){sub(/ +$/,"",t);for(j=2;j<=n;j+=2)if(t~r[j]){
if(s==""){f="/proc/"p;while((getline l<(f"/stat"))>0)s=s l;sub(/^.*\) /,"",s);split(s,a);
while((getline l<(f"/status"))>0)if(l~/^Uid/){split(l,b);u=b[2]}close(f"/stat");close(f"/status")}
if(a[20]&&a[1]!="Z")print N,r[j-1],"process",p" "a[2]" "a[20]" "u" "t}}
BEGIN{N=ENVIRON["N"];OFS="\t";n=split(ENVIRON["R"],r,/[\t\n]/)}
END{for(j=1;j<n;j+=2)print N,r[j],"asked",1}
"#;

/// The quick way: one awk that reads the command lines and the clock by itself. It first tries on its own command
/// line whether it can read NULs (gawk and mawk can), and writes nothing if not.
const SCAN: &str = r#"BEGIN{d="[\\0\\t]";getline l<"/proc/self/cmdline";gsub(d," ",l);if(l!~/^awk /){n=0;exit 1}
getline l<"/proc/uptime";print N,"-","uptime",l;print N,"-","now",systime()
for(i=1;i<ARGC;i++){f=ARGV[i];t="";while((getline l<f)>0){gsub(d," ",l);t=t l " "}close(f);
split(f,a,"/");if(t!="")m(a[3],t)}exit}"#;

/// Asks for the clocks, and matches all titles in one pass. `titles` come with the numbers of their questions.
/// Each fork costs the host about a millisecond: the quick way is one, the other that works with any awk is five.
pub(super) fn scan(titles: &[(usize, &str)]) -> String {
    if titles.is_empty() {
        return "k\n".into();
    }
    let lines: Vec<String> = titles.iter().map(|(number, title)| format!("{number}\t{title}")).collect();
    format!(
        "R={}\nM='{MATCH}'\nexport N R\n\
         awk \"$M\"'{SCAN}' /proc/[0-9]*/cmdline 2>/dev/null || {{ k; grep -as '' /proc/[0-9]*/cmdline | tr '\\0\\t' '  ' |\n\
         awk \"$M\"'{{i=index($0,\":\");split($0,c,\"/\");m(c[3],substr($0,i+1))}}'; }}\n",
        quote(&lines.join("\n"))
    )
}

pub(super) fn call(query: &ProcessQuery) -> String {
    let mut call = String::new();
    if let Some(user) = &query.user {
        call.push_str(&format!("e user \"$(id -u {} 2>/dev/null)\"; ", quote(user)));
    }
    if let Some(file) = &query.pid_file {
        let file = quote(file);
        call.push_str(&format!(
            "e file 1; if [ -f {file} ]; then read -r p w <{file}; e written \"$(stat -c %Y {file} 2>/dev/null)\"; \
             case $p in *[!0-9]*|'') ;; *) [ -d \"/proc/$p\" ] && r \"$p\" \"$(c \"$p\")\";; esac; fi"
        ));
    } else if query.title.is_none() {
        call.push_str("e unknown 'no title and no pid file to recognise the process by'");
    }
    // Titles were matched all at once, before the first question.
    if call.is_empty() { ":".into() } else { call }
}

pub(super) fn parse(query: &ProcessQuery, answer: &Answer<'_>) -> Observed<Processes> {
    let uid: Option<u32> = match (&query.user, answer.get("user").map(str::parse)) {
        (Some(_), Some(Ok(uid))) => Some(uid),
        (Some(user), _) => return Observed::Unknown(format!("the host has no user {user}")),
        (None, _) => None,
    };
    if query.title.is_some() && answer.get("asked").is_none() {
        return Observed::Unknown("the host's processes could not be listed (has it awk, grep and tr?)".into());
    }
    let mut all = read_processes(&answer.records, answer.clock);
    if query.title.is_none() {
        // A pid file outlives its process, and numbers are given out again: a process that started
        // after the file was written is another one. Two seconds allow for whole-second file times.
        if let Some(Ok(written)) = answer.get("written").map(str::parse::<i64>) {
            all.retain(|process| process.started_at.0 <= written + 2);
        }
    }
    all.retain(|process| uid.is_none_or(|uid| process.uid == uid));
    all.sort_by_key(|process| process.pid);
    all.dedup_by_key(|process| process.pid);
    if let (Some(title), Some(_)) = (&query.title, &query.pid_file)
        && let Ok(title) = regex::Regex::new(title)
    {
        all.retain(|process| title.is_match(&process.title));
    }
    Observed::Known(Processes { all })
}

/// Reads `process` records: `PID PARENT START UID COMMAND-LINE`.
pub(super) fn read_processes(records: &[Record<'_>], clock: Clock) -> Vec<Process> {
    let process = |record: &Record<'_>| {
        let mut words = record.value.splitn(5, ' ');
        let pid = words.next()?.parse().ok()?;
        let parent = words.next()?.parse().ok()?;
        let start_ticks: i64 = words.next()?.parse().ok()?;
        let uid = words.next()?.parse().ok()?;
        let title = words.next().unwrap_or_default().trim_end().to_owned();
        let started_at = Timestamp(clock.now - (clock.uptime_ticks - start_ticks) / 100);
        Some(Process { pid, parent, start_ticks, started_at, uid, title })
    };
    records.iter().filter(|record| record.key == "process").filter_map(process).collect()
}

impl fmt::Display for ProcessQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.title, &self.pid_file) {
            (Some(title), _) => write!(f, "titled {title:?}")?,
            (None, Some(file)) => write!(f, "in {file}")?,
            (None, None) => write!(f, "of any kind")?,
        }
        match &self.user {
            Some(user) => write!(f, " of {user}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(title: Option<&str>, user: Option<&str>, pid_file: Option<&str>) -> ProcessQuery {
        ProcessQuery { title: title.map(Into::into), user: user.map(Into::into), pid_file: pid_file.map(Into::into) }
    }

    fn answer<'a>(records: &[(&'a str, &'a str)]) -> Answer<'a> {
        Answer {
            records: records.iter().map(|(key, value)| Record { key, value }).collect(),
            clock: Clock { now: 1_000, uptime_ticks: 50_000 },
        }
    }

    #[test]
    fn roots_are_the_processes_whose_parent_is_another_program() {
        let observed = parse(
            &query(Some("^backend"), None, None),
            &answer(&[
                ("asked", "1"),
                ("process", "31 30 49000 0 backend.ai: manager worker-0"),
                ("process", "30 1 48000 0 backend.ai: manager local   "),
            ]),
        );
        let processes = observed.known().unwrap();
        assert_eq!(processes.roots().map(|p| p.pid).collect::<Vec<_>>(), [30]);
        assert_eq!(processes.all[0].started_at, Timestamp(980));
        assert_eq!(processes.all[0].title, "backend.ai: manager local");
    }

    #[test]
    fn another_users_process_does_not_count_and_an_unknown_user_is_unknown() {
        let records =
            [("asked", "1"), ("user", "1100"), ("process", "30 1 48000 0 x"), ("process", "31 1 48000 1100 x")];
        let observed = parse(&query(Some("x"), Some("bai"), None), &answer(&records));
        assert_eq!(observed.known().unwrap().all.iter().map(|p| p.pid).collect::<Vec<_>>(), [31]);
        let observed = parse(&query(Some("x"), Some("nobody-here"), None), &answer(&[("user", "")]));
        assert!(observed.unknown().unwrap().contains("nobody-here"));
    }

    #[test]
    fn a_pid_file_older_than_its_process_names_another_one() {
        let records = [("asked", "1"), ("written", "900"), ("process", "30 1 48000 0 x")];
        assert_eq!(parse(&query(None, None, Some("/run/x.pid")), &answer(&records)).known().unwrap().all.len(), 0);
        let records = [("asked", "1"), ("written", "981"), ("process", "30 1 48000 0 x")];
        assert_eq!(parse(&query(None, None, Some("/run/x.pid")), &answer(&records)).known().unwrap().all.len(), 1);
    }
}
