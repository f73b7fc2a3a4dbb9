//! A health endpoint, asked on the host itself: whether it answers, and the release that *runs*.
//!
//! A healthy answer proves nothing about the schema; it is one witness of three.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};
use crate::release::Release;

/// Where to ask, and where the running release stands in the answer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HealthQuery {
    /// An `http` or `https` URL as the host reaches it.
    pub url: String,
    /// JSON pointer (RFC 6901) to the running release in the answer's body.
    pub version: Option<String>,
    /// The virtual environment whose Python asks where the host has no curl.
    pub venv: String,
}

/// What became of asking.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Something answered.
    Answered {
        /// The HTTP status.
        status: u16,
        /// The running release, where a version was asked for and the body has it.
        release: Option<Release>,
        /// The start of the body, for people.
        body: String,
    },
    /// Nothing answered in time: connection refused, reset, or silence.
    Silent {
        /// What was observed.
        reason: String,
    },
}

/// Five seconds: a server that is alive answers in milliseconds, one that is starting refuses.
const TIMEOUT_SECONDS: u32 = 5;
/// Health answers are small; more than this is cut off on the host.
const BODY_BYTES: u32 = 4096;

/// Asks with curl where there is one, else with a Python's standard library. Both print the body, a
/// line break, and the HTTP status; status 000 is curl's own word for "no answer".
pub(super) const FUNCTION: &str = r#"h() {
b=; if command -v curl >/dev/null; then b=$(printf 'url = "%s"\n' "$1" | curl -qsk -m "$2" -w '\n%{http_code}' -K - 2>/dev/null)
else for p in "$4/bin/python" python3; do
b=$(printf '%s\n' "$1" | "$p" -I -S -c 'import sys,urllib.request as u,urllib.error as x
a=sys.argv
q=sys.stdin.readline().strip()
c=None
if q[:5]=="https":
 import ssl;c=ssl._create_unverified_context()
try:r=u.build_opener(u.ProxyHandler({}),u.HTTPSHandler(context=c)if c else u.HTTPHandler()).open(q,timeout=int(a[1]))
except x.HTTPError as y:r=y
except OSError:print("\n000");sys.exit()
print(r.read(int(a[2])).decode("utf8","replace"));print(r.status)' "$2" "$3" 2>/dev/null) && break; done; fi
[ "$b" ] || { e unknown 'no curl, no working Python'; return; }
e status "${b##*
}"; e body "$(printf %s "${b%
*}" | head -c "$3" | tr '\n\t' '  ')"
}
"#;

pub(super) fn call(query: &HealthQuery) -> String {
    // It goes to curl and Python over standard input, for their command lines are everybody's to read.
    let url = query.url.replace('\\', "%5C").replace('"', "%22");
    format!("h {} {TIMEOUT_SECONDS} {BODY_BYTES} {}", quote(&url), quote(&query.venv))
}

pub(super) fn parse(query: &HealthQuery, answer: &Answer<'_>) -> Observed<Health> {
    let body = answer.get("body").unwrap_or_default();
    match answer.get("status").map(str::parse::<u16>) {
        Some(Ok(0)) => Observed::Known(Health::Silent { reason: format!("nothing answers at {}", query.url) }),
        Some(Ok(status)) => {
            let release = query.version.as_deref().and_then(|pointer| {
                let json: serde_json::Value = serde_json::from_str(body).ok()?;
                Release::parse(json.pointer(pointer)?.as_str()?).ok()
            });
            Observed::Known(Health::Answered { status, release, body: body.trim().chars().take(200).collect() })
        }
        Some(Err(_)) | None => Observed::Unknown(format!("asking {} gave no HTTP status", query.url)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    fn ask(version: Option<&str>, status: &str, body: &str) -> Observed<Health> {
        let version = version.map(Into::into);
        let query = HealthQuery { url: "http://127.0.0.1:8081/".into(), version, venv: "/v".into() };
        let records = vec![Record { key: "status", value: status }, Record { key: "body", value: body }];
        parse(&query, &Answer { records, clock: Clock::default() })
    }

    #[test]
    fn the_running_release_is_read_from_the_answer() {
        let body = r#"{"version": "v7.20230615", "manager": "23.09.8"}"#;
        let observed = ask(Some("/manager"), "200", body);
        let Some(Health::Answered { status, release, .. }) = observed.known() else { panic!("{observed:?}") };
        assert_eq!((*status, release.as_ref()), (200, Release::parse("23.9.8").ok().as_ref()));
    }

    #[test]
    fn silence_is_known_and_nonsense_is_unknown() {
        assert!(matches!(ask(None, "000", "").known(), Some(Health::Silent { .. })));
        assert!(ask(None, "", "").unknown().is_some());
        assert!(matches!(ask(Some("/manager"), "200", "<html>").known(), Some(Health::Answered { release: None, .. })));
    }
}
