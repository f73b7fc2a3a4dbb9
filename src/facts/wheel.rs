//! A release's wheel, fetched (not installed) by the host's own pip with the host's own configuration, and read.
//!
//! The host only unpacks: names, `METADATA`, revision files and suspect sources come back packed in one record, and the
//! parsers of `release` read them, the same as on the controller. Nothing of the wheel is executed; the temporary
//! directory goes on every way out. `--ignore-requires-python`, because the next release may need another Python.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::probe::{Answer, quote};
use super::published::PublishedQuery;
use super::{Observed, packed};
use crate::model::{AtMost, AtMostNamed, Digest};
use crate::release::{Release, WHEEL_FILES, Wheel, WheelContents};

/// Which wheel, and through which environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WheelQuery {
    /// The virtual environment whose pip fetches the wheel.
    pub venv: String,
    /// The package.
    pub package: String,
    /// The release.
    pub release: Release,
    /// pip's options that say where packages come from.
    pub index_args: Vec<String>,
    /// Where in the package the migrations lie.
    pub migrations: MigrationsAt,
}

/// Where in a package the migrations lie.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MigrationsAt {
    /// Where the wheel holds a directory laid out as alembic does.
    Layout,
    /// In this directory of the wheel, as in `ai/backend/manager/models/alembic`.
    Directory(String),
    /// Where `script_location` of this `alembic.ini` on the host says.
    Ini(String),
}

impl WheelQuery {
    /// A question to the pip of `venv`; of `pip_args` only what says where packages come from is used.
    #[must_use]
    pub fn new(venv: &str, package: &str, release: &Release, pip_args: &[String], migrations: MigrationsAt) -> Self {
        let PublishedQuery { venv, package, index_args } = PublishedQuery::new(venv, package, pip_args);
        Self { venv, package, release: release.clone(), index_args, migrations }
    }
}

/// Runs in the environment's Python without its packages. The limits are those of `release::wheel_parts`, which looks
/// again. pip's own temporary files lie in the same directory, so that a killed pip leaves nothing; what a killed
/// probe left is cleared by the next one after an hour.
const PROGRAM: &str = r#"import sys,os,re,json,glob,zlib,base64,hashlib,shutil,signal,stat,time,zipfile,tempfile,resource,configparser,subprocess as S
N,Q,kind,where,spec=sys.argv[1:6]
M=256<<20
sys.excepthook=lambda t,v,b:print(t.__name__+": "+" ".join(str(v).split()),file=sys.stderr)
def stop(*_):raise SystemExit(143)
for s in(signal.SIGTERM,signal.SIGHUP,signal.SIGINT):signal.signal(s,stop)
def fail(m):raise SystemExit(" ".join(m.split())[:400])
if kind=="ini":
 c=configparser.ConfigParser({"here":os.path.dirname(os.path.abspath(where))})
 try:
  c.read_file(open(where));s=c["alembic"]["script_location"]
 except OSError as x:fail(str(x))
 except Exception as x:fail(type(x).__name__+" while reading script_location in "+where)
 if"/site-packages/"in s:where=s.split("/site-packages/",1)[1]
 elif":"in s:m,_,p=s.partition(":");where=m.replace(".","/")+"/"+p
 else:fail("script_location "+s+" in "+where+" is a directory of the host, not of the package: its revisions don't come with the wheel")
T=tempfile.gettempdir()
for d in glob.glob(T+"/converge-wheel-*"):
 try:
  i=os.lstat(d)
  if stat.S_ISDIR(i.st_mode)and i.st_uid==os.getuid()and i.st_mtime<time.time()-3600:shutil.rmtree(d,True)
 except OSError:pass
W=tempfile.mkdtemp(prefix="converge-wheel-",dir=T)
try:
 def bound():resource.setrlimit(resource.RLIMIT_FSIZE,(M,resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
 try:p=S.run([sys.executable,"-m","pip","--disable-pip-version-check","--no-input","download","--no-deps","--only-binary=:all:","--ignore-requires-python","--progress-bar=off","-d",W+"/out",*sys.argv[6:],spec],env={**os.environ,"TMPDIR":W,"LC_ALL":"C"},stdin=S.DEVNULL,stdout=S.PIPE,stderr=S.STDOUT,timeout=280,preexec_fn=bound,cwd="/")
 except S.TimeoutExpired:fail("pip download "+spec+" took longer than 280 s")
 o=p.stdout.decode("utf8","replace").splitlines()
 if p.returncode:
  r=[l for l in o if"ERROR"in l]or o[-1:]or["no words"]
  n=" (no wheel of it is offered; source distributions are not read)"if"No matching distribution"in r[-1]else""
  fail("pip download "+spec+": "+r[-1]+n)
 w=glob.glob(W+"/out/*.whl")
 if len(w)!=1:fail("pip download "+spec+" left %d wheels (expected one)"%len(w))
 size=os.path.getsize(w[0])
 if size>M:fail("the wheel has %d bytes (expected at most %d)"%(size,M))
 h=hashlib.sha256()
 with open(w[0],"rb")as f:
  for b in iter(lambda:f.read(1<<20),b""):h.update(b)
 z=zipfile.ZipFile(w[0]);A=z.namelist()
 if len(A)>50000:fail("the wheel holds %d files (expected at most 50000)"%len(A))
 left=128<<20
 def read(n):
  global left
  with z.open(n)as f:b=f.read(min(left,8<<20)+1)
  left-=len(b)
  if len(b)>8<<20 or left<0:fail("the wheel's "+n+" unpacks to more than is read")
  return b
 P={n[:-12].replace("/",".")for n in A if n.endswith("/__init__.py")};H=set()
 for n in A:
  d,_,f=n.rpartition("/");x=d.split("/")
  H|={".".join(x[:i])for i in range(1,len(x)+1)}
  if f.endswith((".py",".so",".pyd")):H.add(".".join(x+[f.split(".")[0]]))
 def prefixes(m):return{".".join(m.split(".")[:i])for i in range(1,m.count(".")+1)}
 R={p for p in P if not prefixes(p)&P}
 def lacks(n,b):
  for l in re.findall(rb"^(?:from|import)[ \t][^\n]*",b,re.M):
   k,_,r=l.decode("utf8","replace").partition(" ")
   for m in(r.split(" import")[0].split()[:1]if k=="from"else[q.split()[0]for q in r.split(",")if q.split()]):
    u=len(m)-len(m.lstrip("."))
    if u:m=".".join([y for y in n.split("/")[:-u]]+[y for y in m.lstrip(".").split(".")if y])
    if prefixes(m)&R and m not in H:return True
 F={}
 for n in A:
  if re.fullmatch(r"[^/]+\.dist-info/METADATA",n)or re.search(r"(^|/)versions/[^/]+\.py$",n):F[n]=read(n)
  elif n.endswith(".py"):
   b=read(n)
   if b"def apply_missi"in b or lacks(n,b):F[n]=b
 j=json.dumps({"file":os.path.basename(w[0]),"bytes":size,"sha256":h.hexdigest(),"migrations":where if kind!="layout"else None,"names":A,"files":{n:b.decode("latin1")for n,b in F.items()}})
 print(N+"\t"+Q+"\twheel\t"+base64.b64encode(zlib.compress(j.encode(),9)).decode(),flush=True)
finally:shutil.rmtree(W,True)
"#;

/// The shell function. What the program writes goes straight out, as it may be a megabyte; only its errors are kept.
pub(super) fn function() -> String {
    format!(
        "m() {{\nv=$1; shift\n{{ o=$(\"$v/bin/python\" -I -S - \"$N\" \"$Q\" \"$@\" 2>&1 >&3 <<'P'\n{PROGRAM}P\n) || \
         e unknown \"$(printf '%s' \"$o\" | grep -a . | tail -n 1)\"; }} 3>&1\n}}\n"
    )
}

pub(super) fn call(query: &WheelQuery) -> String {
    let (kind, place) = match &query.migrations {
        MigrationsAt::Layout => ("layout", ""),
        MigrationsAt::Directory(directory) => ("directory", directory.as_str()),
        MigrationsAt::Ini(ini) => ("ini", ini.as_str()),
    };
    let spec = format!("{}=={}", query.package, query.release.normalized());
    let mut call = format!("m {}", quote(&query.venv));
    for word in [kind, place, &spec].into_iter().chain(query.index_args.iter().map(String::as_str)) {
        call.push(' ');
        call.push_str(&quote(word));
    }
    call
}

/// What the host sends. The files' bytes are written as characters of the same number (Latin-1), so that a text that
/// isn't UTF-8 arrives as it is, and is refused here.
#[derive(Deserialize)]
struct Packed {
    file: String,
    bytes: u64,
    sha256: String,
    migrations: Option<String>,
    names: AtMost<WHEEL_FILES, String>,
    files: AtMostNamed<WHEEL_FILES, String>,
}

pub(super) fn parse(query: &WheelQuery, answer: &Answer<'_>) -> Observed<Wheel> {
    let Some(packed) = answer.get("wheel") else {
        return Observed::Unknown("the host told nothing of the wheel".into());
    };
    let read = unpack(packed).and_then(|(contents, migrations)| {
        Wheel::read(&contents, &query.package, &query.release, migrations.as_deref()).map_err(|error| error.to_string())
    });
    match read {
        Ok(wheel) => Observed::Known(wheel),
        Err(reason) => Observed::Unknown(format!("the wheel of {} {}: {reason}", query.package, query.release)),
    }
}

fn unpack(packed: &str) -> Result<(WheelContents, Option<String>), String> {
    let garbled = |what: &str| format!("the host's answer is garbled: {what}");
    let packed: Packed = packed::unpack(packed).map_err(|reason| garbled(&reason))?;
    let sha256 = Digest::parse(&packed.sha256).ok_or_else(|| garbled("its digest is none"))?;
    let mut files = BTreeMap::new();
    for (name, text) in packed.files.0 {
        let bytes: Result<Vec<u8>, _> = text.chars().map(|c| u8::try_from(u32::from(c))).collect();
        files.insert(name, bytes.map_err(|_| garbled("a file in it is no sequence of bytes"))?);
    }
    let contents = WheelContents { file: packed.file, bytes: packed.bytes, sha256, names: packed.names.0, files };
    Ok((contents, packed.migrations))
}

impl fmt::Display for WheelQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.package, self.release)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::super::probe::{Clock, Record};
    use super::*;

    fn query() -> WheelQuery {
        let args = ["--no-index".to_owned(), "-c".to_owned(), "old.txt".to_owned()];
        WheelQuery::new("/v", "p", &Release::parse("1.0").unwrap(), &args, MigrationsAt::Layout)
    }

    fn packed(json: &str) -> String {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(json.as_bytes()).unwrap();
        STANDARD.encode(encoder.finish().unwrap())
    }

    fn read(value: &str) -> Observed<Wheel> {
        parse(&query(), &Answer { records: vec![Record { key: "wheel", value }], clock: Clock::default() })
    }

    fn json(metadata: &str) -> String {
        format!(
            r#"{{"file":"p-1.0.whl","bytes":9,"sha256":"{}","migrations":null,"names":["p-1.0.dist-info/METADATA"],
               "files":{{"p-1.0.dist-info/METADATA":"{metadata}"}}}}"#,
            Digest::of(b"")
        )
    }

    #[test]
    fn a_wheel_arrives_packed() {
        let observed = read(&packed(&json("Name: p\\nVersion: 1.0\\n")));
        assert_eq!(observed.known().unwrap().file, "p-1.0.whl");
    }

    #[test]
    fn what_is_garbled_or_of_another_release_is_unknown() {
        for (value, expected) in [
            ("!".to_owned(), "garbled"),
            (STANDARD.encode("no zlib"), "garbled"),
            (packed("{}"), "garbled"),
            (packed(&json("Name: \\u0100")), "no sequence of bytes"),
            (packed(&json("Name: \\u00ff")), "expected UTF-8"),
            (packed(&json("Name: p\\nVersion: 2.0\\n")), "says that it is p 2.0"),
        ] {
            let observed = read(&value);
            assert!(observed.unknown().is_some_and(|reason| reason.contains(expected)), "{observed:?}");
        }
    }

    #[test]
    fn only_options_about_the_index_are_passed_on() {
        assert_eq!(call(&query()), "m /v layout '' p==1.0 --no-index");
    }
}
