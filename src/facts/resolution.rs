//! What would be installed for a release, told by a pip of the interpreter that it would be installed with, with the
//! host's own configuration: names, versions and the digests of files. Nothing is installed (`pip install --dry-run
//! --report`, pip 22.2 or newer).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::probe::{Answer, quote};
use super::{Observed, packed};
use crate::model::{AtMost, Digest};
use crate::release::{LockedDistribution, LockedFile, LockedSet, Release, normalize_name, series};

/// What is to be resolved, and with what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ResolutionQuery {
    /// The virtual environment that runs now.
    pub venv: String,
    /// The interpreter that a new environment would be made with; `None` for the environment's own.
    pub interpreter: Option<String>,
    /// Requirements (PEP 508).
    pub requirements: Vec<String>,
    /// Distributions that are wanted at the version that the environment has.
    pub same: Vec<String>,
    /// Constraint files on the host, each with whether it may be missing.
    pub constraints: Vec<(String, bool)>,
    /// pip's own options.
    pub args: Vec<String>,
}

/// What pip would install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resolution {
    /// The kind of the machine, as `uname -m` names it.
    pub machine: String,
    /// The Python as `x.y`.
    pub python: String,
    /// Everything, what was there before among it.
    pub set: LockedSet,
}

/// Runs in the environment's Python without its packages. Where the release needs another interpreter, a bare
/// environment of that one is made for pip alone, and goes on every way out.
const PROGRAM: &str = r#"import sys,os,re,json,glob,zlib,base64,hashlib,shutil,signal,tempfile,subprocess as S
from urllib.parse import urlsplit,unquote
N,Q,spec=sys.argv[1:4]
spec=json.loads(spec)
sys.excepthook=lambda t,v,b:print(t.__name__+": "+" ".join(str(v).split()),file=sys.stderr)
def stop(*_):raise SystemExit(143)
for s in(signal.SIGTERM,signal.SIGHUP,signal.SIGINT):signal.signal(s,stop)
def fail(m):raise SystemExit(" ".join(m.split())[:600])
def norm(n):return re.sub(r"[-_.]+","-",n).lower()
W=tempfile.mkdtemp(prefix="converge-lock-")
try:
 def run(*a):
  try:p=S.run(a,env={**os.environ,"TMPDIR":W,"LC_ALL":"C"},stdin=S.DEVNULL,stdout=S.PIPE,stderr=S.STDOUT,timeout=840)
  except S.TimeoutExpired:fail(" ".join(a[1:5])+" took longer than 840 s")
  if p.returncode:
   o=p.stdout.decode("utf8","replace").splitlines();r=[l for l in o if"ERROR"in l or"error:"in l]or o[-1:]or["no words"]
   fail(" ".join(a[1:5])+": "+" ".join(r[-3:]))
  return p.stdout.decode("utf8","replace")
 P=spec["venv"]+"/bin/python"
 if spec["interpreter"]:run(spec["interpreter"],"-I","-m","venv",W+"/env");P=W+"/env/bin/python"
 A={}
 for d in glob.glob(spec["venv"]+"/lib/python3*/site-packages/*.dist-info"):
  n,_,v=os.path.basename(d)[:-10].rpartition("-")
  if n and n[0]!="~"and os.path.exists(d+"/RECORD"):A.setdefault(norm(n),set()).add(v)
 L=list(spec["requirements"])
 for n in spec["same"]:
  v=A.get(norm(n),())
  if len(v)!=1:fail("carry: %s is to be carried over from %s, which has %s"%(n,spec["venv"],"several versions"if v else"nothing of it"))
  L+=[n+"=="+v.pop()]
 with open(W+"/r.txt","w")as f:f.write("\n".join(L)+"\n")
 C=[w for p,o in spec["constraints"]if not(o and not os.path.exists(p))for w in("-c",p)]
 run(P,"-I","-m","pip","--disable-pip-version-check","--no-input","install","--quiet","--dry-run","--ignore-installed","--report",W+"/report.json",*C,*spec["args"],"-r",W+"/r.txt")
 R=[]
 with open(W+"/report.json")as f:I=json.load(f)["install"]
 for i in I:
  m=i["metadata"];d=i["download_info"];u=urlsplit(d["url"]);n=os.path.basename(unquote(u.path));a=d.get("archive_info")
  if a is None:fail(m["name"]+" "+m["version"]+" comes from no file that has a digest (a directory or a repository)")
  h=(a.get("hashes")or{}).get("sha256")or dict([(a.get("hash")or"=").split("=",1)]).get("sha256")
  if not h and u.scheme=="file":
   s=hashlib.sha256()
   with open(unquote(u.path),"rb")as f:
    for b in iter(lambda:f.read(1<<20),b""):s.update(b)
   h=s.hexdigest()
  if not h:fail("the index tells no SHA-256 of "+n)
  R.append([m["name"],m["version"],n,h])
 v=run(P,"-I","-S","-c","import sys;print('%d.%d'%sys.version_info[:2])").strip()
 j=json.dumps({"machine":os.uname().machine,"python":v,"files":R})
 print(N+"\t"+Q+"\tresolution\t"+base64.b64encode(zlib.compress(j.encode(),9)).decode(),flush=True)
finally:shutil.rmtree(W,True)
"#;

/// The shell function. What the program writes goes straight out; only its errors are kept.
pub(super) fn function() -> String {
    format!(
        "l() {{\nv=$1; shift\n{{ o=$(\"$v/bin/python\" -I -S - \"$N\" \"$Q\" \"$@\" 2>&1 >&3 <<'P'\n{PROGRAM}P\n) || \
         e unknown \"$(printf '%s' \"$o\" | grep -a . | tail -n 1)\"; }} 3>&1\n}}\n"
    )
}

pub(super) fn call(query: &ResolutionQuery) -> String {
    // Texts, lists and booleans: there is nothing in it that JSON can't hold.
    let spec = serde_json::to_string(query).unwrap_or_default();
    format!("l {} {}", quote(&query.venv), quote(&spec))
}

/// Files of distributions that an environment is made of: a large one has some hundreds.
const MOST_FILES: usize = 10_000;

/// What the host sends.
#[derive(Deserialize)]
struct Packed {
    machine: String,
    python: String,
    files: AtMost<MOST_FILES, (String, String, String, String)>,
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<Resolution> {
    match answer.get("resolution").map(unpack) {
        None => Observed::Unknown("the host told nothing of what would be installed".into()),
        Some(Ok(resolution)) => Observed::Known(resolution),
        Some(Err(reason)) => Observed::Unknown(format!("the host's answer is garbled: {reason}")),
    }
}

fn unpack(packed: &str) -> Result<Resolution, String> {
    let packed: Packed = packed::unpack(packed)?;
    let mut set = LockedSet::default();
    for (name, version, file, sha256) in packed.files.0 {
        let distribution = LockedDistribution {
            name: normalize_name(&name),
            version: Release::parse(&version).map_err(|error| format!("{name}: {error}"))?,
            files: vec![LockedFile {
                sha256: Digest::parse(&sha256).ok_or_else(|| format!("the digest of {file} is none"))?,
                name: file,
            }],
        };
        set.join(LockedSet { distributions: vec![distribution] })?;
    }
    if set.distributions.is_empty() {
        return Err("nothing would be installed".into());
    }
    Ok(Resolution { machine: packed.machine, python: series(&packed.python).to_owned(), set })
}

impl fmt::Display for ResolutionQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.requirements.join(" "))
    }
}
