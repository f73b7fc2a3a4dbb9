//! Where a host's pip gets packages from, without asking anybody: a digest of pip's settings there.
//!
//! Hosts with equal settings get equal answers, so one of them is asked for all. The settings themselves, which may hold
//! credentials, stay on the host.

use serde::{Deserialize, Serialize};

use super::Observed;
use super::probe::{Answer, quote};

/// Whose settings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PackageSourceQuery {
    /// The virtual environment whose pip is meant.
    pub venv: String,
}

/// What tells one place of packages from another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSource {
    /// SHA-256 over pip's configuration files, its environment, `.netrc` and the machine's architecture, in hexadecimal.
    pub digest: String,
    /// Whether the settings name a place on the host itself, such as a directory of wheels.
    pub local: bool,
    /// The environment's Python, `x.y.z`.
    pub python: String,
}

impl PackageSource {
    /// `x.y` of the Python: what decides which wheels fit.
    #[must_use]
    pub fn python_series(&self) -> &str {
        self.python.match_indices('.').nth(1).map_or(self.python.as_str(), |(end, _)| &self.python[..end])
    }
}

/// pip's places of configuration (`pip config debug`), the variables that it and its HTTP library read. Lines about
/// certificates, caches and logs hold paths that say nothing of where packages come from.
pub(super) const FUNCTION: &str = r##"w() {
p=; [ -f "$1/pyvenv.cfg" ] && while IFS=' =' read -r k x; do case $k in version|version_info) p=$x;; esac; done <"$1/pyvenv.cfg"
[ "$p" ] || { e unknown "$1/pyvenv.cfg names no Python"; return; }
set -- "$1/pip.conf" /etc/pip.conf "$HOME/.pip/pip.conf" "${XDG_CONFIG_HOME:-$HOME/.config}/pip/pip.conf" "$HOME/.netrc" "$NETRC" "$PIP_CONFIG_FILE"
IFS=:; for x in ${XDG_CONFIG_DIRS:-/etc/xdg}; do set -- "$@" "$x/pip/pip.conf"; done; unset IFS
c=$(n=0; for f; do n=$((n+1)); [ -f "$f" ] && { echo "#$n"; cat "$f" || echo "#unreadable"; }; done 2>/dev/null
env | grep -aiE '^(pip_|[a-z]*_proxy=|requests_ca_bundle=|curl_ca_bundle=|ssl_cert_|netrc=)' | sort)
d=$(printf '%s\n' "$c" "$(uname -m)" | sha256sum); d=${d%% *}
[ ${#d} = 64 ] || { e unknown "sha256sum is missing"; return; }
l=0; s=; set -f
while IFS= read -r x; do
case $x in '#'*|';'*|'['*) continue;; [!\ \	]*)
 s=; case ${x%%[=:]*} in *find?links*|*FIND?LINKS*) s=1;; *cert*|*CERT*|*BUNDLE*|*cache*|*CACHE*|log|*LOG*|*CONFIG_FILE|*NETRC) s=0;; esac;; esac
[ "$s" = 0 ] && continue
IFS=' 	='; set -- $x; unset IFS
case $x in [!\ \	]*) [ $# = 0 ] || shift;; esac
for k; do case $k in http:*|https:*) ;; file:*|/*|.*|\~*) l=1;; *) [ "$s" ] && l=1;; esac; done
done <<E
$c
E
set +f; e digest "$d"; e local $l; e python "$p"
}
"##;

pub(super) fn call(query: &PackageSourceQuery) -> String {
    format!("w {}", quote(&query.venv))
}

pub(super) fn parse(answer: &Answer<'_>) -> Observed<PackageSource> {
    let (Some(digest), Some(local), Some(python)) = (answer.get("digest"), answer.get("local"), answer.get("python"))
    else {
        return Observed::Unknown("pip's settings could not be read".into());
    };
    Observed::Known(PackageSource {
        digest: digest.to_owned(),
        // Whatever isn't a plain no counts as the host's own: asking once more costs a second, a wrong answer more.
        local: local != "0",
        python: python.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::probe::{Clock, Record};
    use super::*;

    #[test]
    fn a_source_is_known_by_all_three_records() {
        let answer = |records: &[(&'static str, &'static str)]| {
            let records = records.iter().map(|(key, value)| Record { key, value }).collect();
            parse(&Answer { records, clock: Clock::default() })
        };
        let whole = answer(&[("digest", "ab"), ("local", "0"), ("python", "3.11.2")]);
        let source = whole.known().unwrap();
        assert_eq!((source.local, source.python_series()), (false, "3.11"));
        assert!(answer(&[("digest", "ab"), ("local", "1")]).unknown().is_some());
    }
}
