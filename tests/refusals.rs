//! A mixed bag of illegal requests on a real Backend.AI cluster: two managers on one database, a storage proxy and a web
//! server. Each is refused with its code, and nothing on any host changes. Needs root, and `tests/lab/install` once.

#[path = "support/lab.rs"]
mod lab;

use std::fs;
use std::path::Path;

use lab::{Ended, Lab};

/// What a finding of `converge preflight --output json` must say.
struct Answer {
    code: i32,
    json: serde_json::Value,
    text: String,
}

impl Answer {
    fn codes(&self) -> Vec<&str> {
        let findings = self.json["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
        findings.iter().filter(|finding| finding["waived"].is_null()).filter_map(|f| f["code"].as_str()).collect()
    }
}

/// Runs the real binary; what is published comes from a snapshot of the real package index.
fn converge(lab: &Lab, words: &[&str]) -> Answer {
    let snapshot = lab.home().join("snapshot.json");
    let snapshot = snapshot.to_str().expect("a path of plain letters");
    let Ended { stdout, text, code } = lab.converge(&[&["--offline", snapshot], words].concat());
    Answer { code, json: serde_json::from_str(&stdout).unwrap_or_default(), text }
}

/// What the package index had at one time, for all packages: those of one release come out together.
fn write_snapshot(lab: &Lab) {
    let recorded = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/releases/backend.ai-manager.json");
    let releases: serde_json::Value = serde_json::from_str(&fs::read_to_string(recorded).unwrap()).unwrap();
    let package = serde_json::json!({"source": "https://pypi.org/simple/", "releases": releases});
    let names = ["backend.ai-manager", "backend.ai-storage-proxy", "backend.ai-webserver"];
    let packages: serde_json::Map<_, _> = names.iter().map(|name| ((*name).to_owned(), package.clone())).collect();
    let snapshot = serde_json::json!({
        "format": 1, "written_by": "test", "taken_at": "2026-11-23T00:00:00Z", "packages": packages,
    });
    fs::write(lab.home().join("snapshot.json"), snapshot.to_string()).unwrap();
}

/// Everything on the hosts that a run could change: files of the components with size, time and owner, units, processes
/// and the database's revision.
fn fingerprint(lab: &Lab) -> Vec<String> {
    let files = "find /home/bai /etc/systemd /var/backups /srv /opt -xdev ! -name '*.log' ! -path '*/volume*' \
                 ! -name __pycache__ ! -name '*.pyc' -printf '%p %s %T@ %u\\n' | sort | sha256sum";
    let rest = "systemctl list-unit-files 'backendai-*' --no-legend; pgrep -u bai -a -f '^backend.ai:' | sort";
    let mut all: Vec<String> =
        ["mgr1", "mgr2", "edge1"].iter().map(|host| lab.ssh(host, &format!("{files}; {rest}"))).collect();
    all.push(lab.sql("select version_num from alembic_version order by 1").join(","));
    all
}

/// A request that must be refused.
struct Request {
    /// The code that must be among those of the findings.
    code: &'static str,
    /// Words for converge.
    words: Vec<&'static str>,
    /// What is done to which host before it: `sql:` for the database.
    before: Vec<(&'static str, &'static str)>,
    /// What undoes that.
    after: Vec<(&'static str, &'static str)>,
}

fn request(code: &'static str, words: &[&'static str]) -> Request {
    Request { code, words: words.to_vec(), before: vec![], after: vec![] }
}

impl Request {
    /// With a fault on a host for as long as the request takes.
    fn with(mut self, host: &'static str, before: &'static str, after: &'static str) -> Self {
        self.before.push((host, before));
        self.after.insert(0, (host, after));
        self
    }
}

/// Not a command: waits until the host takes connections again.
const WAIT: &str = "wait";

/// A session that runs, without the user and the rest that it would belong to.
const SESSION: &str = "set session_replication_role = replica; insert into sessions (cluster_size, domain_name, group_id, \
    user_uuid, occupying_slots, requested_slots, use_host_network, status) values \
    (1, 'default', gen_random_uuid(), gen_random_uuid(), '{}', '{}', false, 'RUNNING')";

/// The bag. Installed is 23.9.8; 23.9.10 is the last of its train; the next train is 24.3.
fn requests() -> Vec<Request> {
    let patch = "-erelease=23.9.10";
    let major = "-erelease=24.3.0";
    let acknowledged = "--waive=change-log=read";
    vec![
        request("downgrade", &["-erelease=23.9.6"]),
        request("downgrade", &["-erelease=23.3.12", "--major"]),
        request("major-unasked", &[major]),
        request("major-rolling", &[major, "--major", "--limit", "mgr1"]),
        request("major-rolling", &[major, "--major", "--limit", "!edge1"]),
        request("skipped-train", &["-erelease=24.9.5", "--major"]),
        request("skipped-train", &["-erelease=25.6.17", "--major"]),
        request("not-last-patch", &[major, "--major"]),
        request("not-published", &["-erelease=23.9.99"]),
        request("not-published", &["-erelease=23.9.9"]),
        request("yanked-release", &["-erelease=24.12.1", "--major"]),
        request("broken-release", &["-erelease=24.9.14", "--major"]),
        request("wrong-python", &[major, "--major", "-einterpreters=/srv/nothing/python3"]),
        request("users-not-notified", &[major, "--major"]),
        request("manual-step", &[major, "--major"]),
        request("change-log", &[patch]),
        request("outside-window", &[patch, acknowledged, "-emaintenance_window=\"Mon 00:00-00:01 Pacific/Kiritimati\""]),
        request("no-backup", &[patch, acknowledged, "-ebackup_directory=/proc/none"]),
        request("unknown-fact", &[patch, acknowledged, "-emanager_venv=/srv/nothing"]),
        request("shared-database", &[patch, acknowledged, "--limit", "mgr1"]),
        request("host-unreachable", &[major, "--major"]).with(
            "mgr2",
            "systemd-run -q --on-active=60 --timer-property=AccuracySec=100ms systemctl start ssh; systemctl stop ssh",
            WAIT,
        ),
        request("work-running", &[major, "--major"]).with("sql", "SESSION", "delete from sessions"),
        request("work-running-patch", &[patch, acknowledged]).with("sql", "SESSION", "delete from sessions"),
        request("schema-unsound", &[patch, acknowledged]).with(
            "sql",
            "update alembic_version set version_num = 'feedfacecafe'",
            "update alembic_version set version_num = '8b2ec7e3d22a'",
        ),
        request("schema-unsound", &[patch, acknowledged]).with(
            "sql",
            "insert into alembic_version values ('85615e005fa3')",
            "delete from alembic_version where version_num = '85615e005fa3'",
        ),
        request("shared-environment", &[patch, acknowledged]).with(
            "mgr1",
            "cd /home/bai/manager/.venv/lib/python3.11/site-packages && mkdir backend.ai_agent-23.9.8.dist-info && \
             printf 'Name: backend.ai-agent\\nRequires-Dist: backend.ai-common (==23.09.8)\\n' \
             >backend.ai_agent-23.9.8.dist-info/METADATA && : >backend.ai_agent-23.9.8.dist-info/RECORD",
            "rm -r /home/bai/manager/.venv/lib/python3.11/site-packages/backend.ai_agent-23.9.8.dist-info",
        ),
        request("no-space", &[patch, acknowledged]).with(
            "mgr2",
            "fallocate -l $(($(df -k --output=avail /home/bai | tail -n 1) - 100000))K /home/bai/.fill",
            "rm /home/bai/.fill",
        ),
        request("unit-unusable", &[patch, acknowledged]).with(
            "edge1",
            "mv /etc/systemd/system/backendai-storage-proxy.service /root/ && systemctl mask -q backendai-storage-proxy",
            "systemctl unmask -q backendai-storage-proxy && mv /root/backendai-storage-proxy.service /etc/systemd/system/ \
             && systemctl daemon-reload",
        ),
        request("running-differs", &[patch, acknowledged]).with(
            "mgr1",
            "touch /home/bai/manager/.venv/lib/python3.11/site-packages/backend.ai_manager-23.9.8.dist-info",
            "touch -d yesterday /home/bai/manager/.venv/lib/python3.11/site-packages/backend.ai_manager-23.9.8.dist-info",
        ),
        request("mixed-releases", &[patch, acknowledged]).with(
            "edge1",
            "cd /home/bai/storage-proxy/.venv/lib/python3.11/site-packages && \
             mv backend.ai_storage_proxy-23.9.8.dist-info backend.ai_storage_proxy-23.9.6.dist-info",
            "cd /home/bai/storage-proxy/.venv/lib/python3.11/site-packages && \
             mv backend.ai_storage_proxy-23.9.6.dist-info backend.ai_storage_proxy-23.9.8.dist-info",
        ),
    ]
}

fn act(lab: &Lab, (host, what): (&str, &str)) {
    match host {
        "sql" => {
            lab.sql(if what == "SESSION" { SESSION } else { what });
        }
        host if what == WAIT => lab.wait_for_ssh(host),
        host => {
            lab.ssh(host, what);
        }
    }
}

#[test]
fn every_illegal_request_is_refused_with_its_code_and_changes_nothing() {
    let lab = Lab::start("patch");
    write_snapshot(&lab);
    let mut wrong = Vec::new();
    let requests = requests();
    assert!(requests.len() >= 20);
    for request in &requests {
        for fault in &request.before {
            act(&lab, *fault);
        }
        // Where a host can't be reached, nothing can be looked at there either.
        let watched = request.code != "host-unreachable";
        let before = if watched { fingerprint(&lab) } else { vec![] };
        let mut words = vec!["preflight", "--output", "json"];
        words.extend(&request.words);
        let answer = converge(&lab, &words);
        // The run itself refuses for the same reasons.
        let run = converge(&lab, &request.words);
        let shown = format!("{} {:?}: exit {}, {:?}", request.code, request.words, answer.code, answer.codes());
        println!("{shown}");
        if !answer.codes().contains(&request.code) || answer.code != 3 {
            wrong.push(format!("{shown}\n{}", answer.text));
        }
        if run.code != 3 || !run.text.contains(&format!("[{}]", request.code)) {
            wrong.push(format!("the run itself: {shown}: exit {}\n{}", run.code, run.text));
        }
        if watched && fingerprint(&lab) != before {
            wrong.push(format!("{shown}: something on the hosts changed"));
        }
        for cure in &request.after {
            act(&lab, *cure);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    // What is legal passes, once the change log is answered for.
    let legal = converge(&lab, &["preflight", "-erelease=23.9.10", "--waive=change-log=read"]);
    assert_eq!(legal.code, 0, "{}", legal.text);
    fs::remove_dir_all(lab.home().join("cache")).unwrap_or_default();
}
