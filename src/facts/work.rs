//! Running work, counted in a database: rows whose status is not one of the terminal ones.
//!
//! New statuses keep coming with new releases, so what is *not* running is listed, never what is: an unheard-of status
//! counts as running. The database is reached as the schema's own is; its URL never leaves the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use super::schema::{DATABASE_URL_PY, SchemaQuery};

/// Which rows of which database.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkQuery {
    /// The database.
    pub database: SchemaQuery,
    /// The table with a row for each piece of work.
    pub table: String,
    /// The column with its status.
    pub column: String,
    /// The statuses in which it is over.
    pub terminal: Vec<String>,
}

/// Work that isn't over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// How many rows are in each status that isn't terminal.
    pub by_status: BTreeMap<String, u64>,
}

impl Work {
    /// How many there are in all.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.by_status.values().sum()
    }
}

/// Names and statuses are arguments: they are quoted for SQL here, whatever they hold.
const PROGRAM: &str = r#"import subprocess as S
def e(k,v):print(N+"\t"+Q+"\t"+k+"\t"+" ".join(str(v).split()))
N,Q,table,column=sys.argv[3:7]
n=lambda x:'"'+x.replace('"','""')+'"'
s="CAST("+n(column)+" AS TEXT)"
q="select "+s+",count(*) from "+n(table)+" where "+s+" is null or "+s+" not in ("+",".join("'"+x.replace("'","''")+"'"for x in sys.argv[7:])+") group by 1 order by 1"
if kind=="sqlite":
 import sqlite3
 d=sqlite3.connect("file:"+name+"?mode=ro",uri=True,timeout=5)
 try:rows=[[x[0]or"",x[1]]for x in d.execute(q)]
 except sqlite3.Error as x:raise OSError("the count failed: "+str(x))
elif kind=="postgresql":
 p=S.run(["psql","-XAtqw","-F","\t","-c",q],env={**os.environ,**env,"PGOPTIONS":"-c statement_timeout=10000"},capture_output=True,text=True)
 if p.returncode:raise OSError("the count failed: "+p.stderr)
 rows=[x.split("\t")for x in p.stdout.splitlines()]
else:raise OSError("databases of kind "+kind+" are not supported")
for x in rows:e("status",str(x[1])+" "+x[0])
e("counted",1)
"#;

pub(super) fn function() -> String {
    format!(
        "b() {{\n[ -f \"$1\" ] || {{ e unknown \"$1 is not there\"; return; }}\ni=$1 d=$2 v=$3; shift 3\nfor p in \"$v/bin/python\" python3; do command -v \"$p\" >/dev/null && break; done\n\
         o=$(\"$p\" -I -S - \"$i\" \"$d\" \"$N\" \"$Q\" \"$@\" 2>&1 <<'P'\n{DATABASE_URL_PY}{PROGRAM}P\n)\nr=$?; O=\"$O$o\n\"\n\
         [ $r = 0 ] || e unknown \"$(printf '%s' \"$o\" | grep -av \"^$N\" | grep -a . | tail -n 1)\"\n}}\n"
    )
}

pub(super) fn call(query: &WorkQuery) -> String {
    let SchemaQuery { ini, chdir, venv } = &query.database;
    let mut call = format!("b {} {} {}", quote(ini), quote(chdir), quote(venv));
    for word in [&query.table, &query.column].into_iter().chain(&query.terminal) {
        call.push(' ');
        call.push_str(&quote(word));
    }
    call
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Work> {
    if answer.get("counted").is_none() {
        return Observed::Unknown("the count of running work was not finished".into());
    }
    let mut by_status = BTreeMap::new();
    for line in answer.all("status") {
        let (count, status) = line.split_once(' ').unwrap_or((line, ""));
        let Ok(count) = count.parse() else {
            return Observed::Unknown(format!("{count:?} is no count of running work"));
        };
        by_status.insert(if status.is_empty() { "(none)".to_owned() } else { status.to_owned() }, count);
    }
    Observed::Known(Work { by_status })
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    fn read(records: &[(&str, &str)]) -> Observed<Work> {
        let records = records.iter().map(|(key, value)| Record { key, value }).collect();
        parse(&Answer { records, clock: Clock::default() })
    }

    #[test]
    fn what_is_not_over_is_counted_by_status() {
        let work = read(&[("status", "2 RUNNING"), ("status", "1 PENDING"), ("status", "1"), ("counted", "1")]);
        let work = work.known().unwrap();
        assert_eq!((work.count(), work.by_status["RUNNING"], work.by_status["(none)"]), (4, 2, 1));
        assert_eq!(read(&[("counted", "1")]).known().unwrap().count(), 0);
    }

    #[test]
    fn a_count_that_was_cut_short_is_unknown() {
        assert!(read(&[("status", "2 RUNNING")]).unknown().is_some());
        assert!(read(&[("status", "many RUNNING"), ("counted", "1")]).unknown().is_some());
    }
}
