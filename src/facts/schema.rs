//! A database's alembic rows, by SQL, and the revision graph of the installed package, from the text
//! of its revision files. Neither the application nor alembic is imported.
//!
//! The operator keeps `alembic.ini` on the host; its URL, password included, never leaves the host.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use crate::release::RevisionGraph;

/// Which database and which package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SchemaQuery {
    /// The operator's `alembic.ini`.
    pub ini: String,
    /// The directory that alembic runs in, which relative paths in the ini start from.
    pub chdir: String,
    /// The virtual environment that holds the package with the migrations.
    pub venv: String,
}

/// The kind of database server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DatabaseKind {
    /// PostgreSQL.
    Postgresql,
    /// An SQLite file.
    Sqlite,
}

/// One database, whichever host it is looked at from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Database {
    /// Its kind.
    pub kind: DatabaseKind,
    /// PostgreSQL: the server's system identifier and the database's name, so that two hosts that reach it
    /// by different addresses agree. SQLite: the machine's identifier and the file's real path.
    pub identity: String,
}

/// What a database and the package beside it say of the schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaFact {
    /// The database.
    pub database: Database,
    /// Its name for people and file names.
    pub name: String,
    /// All rows of `alembic_version`; none where the table is missing or empty.
    pub rows: BTreeSet<String>,
    /// The database's size in bytes.
    pub bytes: u64,
    /// The installed package's revisions.
    pub graph: Observed<RevisionGraph>,
    /// The revisions of the package in the environment that the installed one has taken the place of, as long as a note
    /// ([`MIGRATION_NOTE`]) in the installed one says that its migration has not succeeded yet: that package, and not
    /// the installed one, tells what the database has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<RevisionGraph>,
    /// The major version of `pg_dump` on the host; PostgreSQL only.
    pub dump_tool: Option<u32>,
    /// The major version of the server; PostgreSQL only.
    pub server: Option<u32>,
}

/// The file in a new environment that says that its migration has not succeeded yet: one line, the path of the environment
/// that was used before.
pub const MIGRATION_NOTE: &str = "migration-pending";

/// Reads an alembic.ini and takes its URL apart: defines `kind`, `url` (a `urlsplit` result), `name` and
/// `env` (libpq's variables). Shared with the backup, so that both speak to the same database.
/// Only errors of the operating system are printed whole: a parser's message could quote the password.
pub const DATABASE_URL_PY: &str = r#"import sys,os,configparser as C
from urllib.parse import urlsplit,unquote,parse_qs
sys.excepthook=lambda t,v,b:print(t.__name__+(": "+" ".join(str(v).split())if issubclass(t,OSError)else" while reading "+sys.argv[1]),file=sys.stderr)
ini,cwd=sys.argv[1:3]
c=C.ConfigParser({"here":os.path.dirname(os.path.abspath(ini))})
c.read_file(open(ini));A=c["alembic"];os.chdir(cwd)
raw=A["sqlalchemy.url"];url=urlsplit(raw);kind=url.scheme.split("+")[0];env={}
if kind=="sqlite":name=os.path.realpath(raw.split("://",1)[1][1:].split("?")[0])
elif kind.startswith("postgres"):
 kind="postgresql";name=unquote(url.path[1:]);h=parse_qs(url.query).get("host")
 for k,v in(("HOST",url.hostname or h and h[0]),("PORT",url.port),("USER",url.username),("PASSWORD",url.password),("DATABASE",name)):
  if v:env["PG"+k]=unquote(str(v))
 env["PGCONNECT_TIMEOUT"]="5"
"#;

/// An SQLite file whose writer was killed is opened for writing, because only so can SQLite roll its journal back.
const PROGRAM: &str = r#"import re,glob,subprocess as S,shutil
def e(k,v):print(N+"\t"+Q+"\t"+k+"\t"+" ".join(str(v).split()))
N,Q,venv=sys.argv[3:]
if kind=="sqlite":
 import sqlite3
 M="/etc/machine-id";M=M if os.path.exists(M)else"/proc/sys/kernel/random/boot_id"
 e("identity",open(M).read().strip()+":"+name);e("bytes",os.path.getsize(name))
 d=sqlite3.connect("file:"+name+"?mode="+("rw"if os.path.exists(name+"-journal")else"ro"),uri=True,timeout=5)
 r=[x[0]for x in d.execute("select version_num from alembic_version")]if d.execute("select 1 from sqlite_master where name='alembic_version'").fetchone()else[]
elif kind=="postgresql":
 def sql(q):
  p=S.run(["psql","-XAtqw","-c",q],env={**os.environ,**env,"PGOPTIONS":"-c statement_timeout=5000"},capture_output=True,text=True)
  if p.returncode:raise OSError(p.stderr)
  return p.stdout.split()
 if not shutil.which("psql"):raise OSError("the host has no psql")
 i,b,s,t=sql("select system_identifier||':'||(select oid from pg_database where datname=current_database()),pg_database_size(current_database()),current_setting('server_version_num'),to_regclass('alembic_version') is not null from pg_control_system()")[0].split("|")
 e("identity",i);e("bytes",b);e("server",int(s)//10000)
 if shutil.which("pg_dump"):e("dump",re.search(r"(\d+)\.",S.run(["pg_dump","--version"],capture_output=True,text=True).stdout)[1])
 r=sql("select version_num from alembic_version")if t=="t"else[]
else:raise OSError("databases of kind "+kind+" are not supported")
for x in r:e("row",x)
e("kind",kind);e("name",os.path.basename(name))
def G(venv):
 s=A["script_location"];D=s
 if "version_locations"in A:raise OSError("version_locations is not supported")
 if ":"in s:m,_,p=s.partition(":");D=(glob.glob(venv+"/lib/python3*/site-packages/"+m.replace(".","/"))or["?"])[0]+"/"+p
 if not os.path.isdir(D):raise OSError("no migrations at "+D)
 L=[]
 for f in glob.glob(D+"/versions/*.py"):
  t=open(f,encoding="utf8").read();m=re.search(r"^revision\b[^=\n]*=\s*['\"](\w+)",t,re.M)
  if m:
   d=re.search(r"^down_revision\b[^=\n]*=\s*(\([^)]*\)|\[[^\]]*\]|[^\n]*)",t,re.M)
   L.append(m[1]+"<"+",".join(re.findall(r"['\"](\w+)['\"]",d[1]if d else"")))
 return" ".join(sorted(L))
try:e("graph",G(venv))
except(OSError,UnicodeError)as x:e("nograph",x)
try:
 with open(venv+"/migration-pending")as f:e("previous",G(f.readline().rstrip("\n")))
except(OSError,UnicodeError):pass
"#;

/// The shell function, put together from the shared and the own part of the program. The Python of the
/// environment runs it; `-S` keeps site-packages out, and so it starts in milliseconds.
pub(super) fn function() -> String {
    format!(
        "s() {{\n[ -f \"$1\" ] || {{ e absent 1; return; }}\nfor p in \"$3/bin/python\" python3; do command -v \"$p\" >/dev/null && break; done\n\
         o=$(\"$p\" -I -S - \"$1\" \"$2\" \"$N\" \"$Q\" \"$3\" 2>&1 <<'P'\n{DATABASE_URL_PY}{PROGRAM}P\n)\nr=$?; printf '%s\\n' \"$o\"\n\
         [ $r = 0 ] || e unknown \"$(printf '%s' \"$o\" | grep -av \"^$N\" | grep -a . | tail -n 1)\"\n}}\n"
    )
}

pub(super) fn call(query: &SchemaQuery) -> String {
    format!("s {} {} {}", quote(&query.ini), quote(&query.chdir), quote(&query.venv))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<SchemaFact> {
    if answer.get("absent").is_some() {
        return Observed::Absent;
    }
    let kind = match answer.get("kind") {
        Some("postgresql") => DatabaseKind::Postgresql,
        Some("sqlite") => DatabaseKind::Sqlite,
        Some(_) | None => return Observed::Unknown("the database's kind is not known".into()),
    };
    let (Some(identity), Some(Ok(bytes))) = (answer.get("identity"), answer.get("bytes").map(str::parse)) else {
        return Observed::Unknown("the database did not say which one it is".into());
    };
    let graph = match (answer.get("graph"), answer.get("nograph")) {
        (Some(edges), _) => Observed::Known(parse_graph(edges)),
        (None, Some(reason)) => Observed::Unknown(reason.to_owned()),
        (None, None) => Observed::Unknown("the revision files could not be read".into()),
    };
    Observed::Known(SchemaFact {
        database: Database { kind, identity: identity.to_owned() },
        name: answer.get("name").unwrap_or("database").to_owned(),
        rows: answer.all("row").map(str::to_owned).collect(),
        bytes,
        graph,
        previous: answer.get("previous").map(parse_graph),
        dump_tool: answer.get("dump").and_then(|major| major.parse().ok()),
        server: answer.get("server").and_then(|major| major.parse().ok()),
    })
}

/// Reads `REVISION<DOWN,DOWN …`.
fn parse_graph(edges: &str) -> RevisionGraph {
    let edge = |word: &str| {
        let (revision, downs) = word.split_once('<')?;
        let downs = downs.split(',').filter(|down| !down.is_empty()).map(str::to_owned).collect();
        Some((revision.to_owned(), downs))
    };
    RevisionGraph::of_edges(edges.split(' ').filter_map(edge).collect())
}

impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            DatabaseKind::Postgresql => write!(f, "postgresql {}", self.identity),
            DatabaseKind::Sqlite => write!(f, "sqlite {}", self.identity),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    #[test]
    fn rows_are_a_set_and_the_graph_is_read() {
        let records = [
            ("identity", "77:5"),
            ("bytes", "8192"),
            ("row", "b"),
            ("row", "a"),
            ("kind", "postgresql"),
            ("name", "backend"),
            ("graph", "a< b<a c<a,b"),
        ];
        let records = records.iter().map(|(key, value)| Record { key, value }).collect();
        let observed = parse(&Answer { records, clock: Clock::default() });
        let fact = observed.known().unwrap();
        assert_eq!(fact.rows.iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(fact.graph.known().unwrap().heads().into_iter().collect::<Vec<_>>(), ["c"]);
    }

    #[test]
    fn a_package_without_revision_files_has_an_empty_graph() {
        assert!(parse_graph("").revisions.is_empty());
    }
}
