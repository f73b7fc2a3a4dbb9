//! What becomes of keywords that aren't supported: ignored in silence, with a warning, or not at all. Pure.

use std::collections::BTreeSet;

use super::dump::Dump;
use super::read::SettingsError;

/// A keyword that is ignored, with the value that it has.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unsupported {
    pub(super) keyword: String,
    pub(super) value: String,
}

/// Keywords that are honoured.
const SUPPORTED: [&str; 42] = [
    "addressfamily",
    "batchmode",
    "bindaddress",
    "canonicaldomains",
    "canonicalizefallbacklocal",
    "canonicalizehostname",
    "canonicalizemaxdots",
    "canonicalizepermittedcnames",
    "casignaturealgorithms",
    "certificatefile",
    "ciphers",
    "compression",
    "connectionattempts",
    "connecttimeout",
    "globalknownhostsfile",
    "hashknownhosts",
    "host",
    "hostkeyalgorithms",
    "hostkeyalias",
    "hostname",
    "identitiesonly",
    "identityagent",
    "identityfile",
    "kbdinteractiveauthentication",
    "kexalgorithms",
    "macs",
    "passwordauthentication",
    "port",
    "preferredauthentications",
    "proxycommand",
    "proxyjump",
    "pubkeyacceptedalgorithms",
    "pubkeyauthentication",
    "rekeylimit",
    "requiredrsasize",
    "sendenv",
    "serveralivecountmax",
    "serveraliveinterval",
    "setenv",
    "stricthostkeychecking",
    "user",
    "userknownhostsfile",
];

/// Keywords that concern terminals, the agent, forwardings, control sockets or words of `ssh` itself: there is nothing
/// here that they could change.
const IRRELEVANT: [&str; 39] = [
    "addkeystoagent",
    "challengeresponseauthentication",
    "clearallforwardings",
    "controlmaster",
    "controlpath",
    "controlpersist",
    "enableescapecommandline",
    "enablesshkeysign",
    "escapechar",
    "exitonforwardfailure",
    "fingerprinthash",
    "forkafterauthentication",
    "forwardx11timeout",
    "forwardx11trusted",
    "gatewayports",
    "gssapiauthentication",
    "gssapidelegatecredentials",
    "gssapikexalgorithms",
    "gssapikeyexchange",
    "gssapirenewalforcesrekey",
    "gssapitrustdns",
    "hostbasedacceptedalgorithms",
    "ignoreunknown",
    "ipqos",
    "loglevel",
    "logverbose",
    "numberofpasswordprompts",
    "obscurekeystroketiming",
    "permitremoteopen",
    "requesttty",
    "securitykeyprovider",
    "stdinnull",
    "streamlocalbindmask",
    "streamlocalbindunlink",
    "syslogfacility",
    "tcpkeepalive",
    "tunneldevice",
    "updatehostkeys",
    "visualhostkey",
];
const IRRELEVANT_NEWER: [&str; 4] = ["channeltimeout", "tag", "warnweakcrypto", "xauthlocation"];

/// Keywords that must not be ignored, with what ignoring them would do.
const REFUSED: [(&str, &str); 5] = [
    ("revokedhostkeys", "keys in it would be trusted; mark them as @revoked in known_hosts instead"),
    ("checkhostip", "an address whose key has changed would not be noticed; set CheckHostIP no"),
    ("bindinterface", "another interface would be used; name its address by BindAddress"),
    ("proxyusefdpass", "the connection would not be the one that the command passes on; let ProxyCommand carry it"),
    ("refuseconnection", "the host would be connected to all the same"),
];

/// Goes over all keywords that are set.
///
/// # Errors
/// On the first that must not be ignored.
pub(super) fn judge(dump: &Dump, baseline: &Dump) -> Result<BTreeSet<Unsupported>, SettingsError> {
    let mut ignored = BTreeSet::new();
    for keyword in dump.keywords().filter(|keyword| dump.all(keyword) != baseline.all(keyword)) {
        let value = dump.all(keyword).join(" ");
        if matches!(value.as_str(), "no" | "none" | "false") {
            continue;
        }
        if let Some((_, why)) = REFUSED.iter().find(|(refused, _)| *refused == keyword) {
            return Err(SettingsError::Refused { keyword: keyword.to_owned(), value, why });
        }
        let known = [&SUPPORTED[..], &IRRELEVANT, &IRRELEVANT_NEWER].iter().any(|list| list.contains(&keyword));
        if !known {
            ignored.insert(Unsupported { keyword: keyword.to_owned(), value });
        }
    }
    Ok(ignored)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyword_is_honoured_irrelevant_named_or_refused() {
        let baseline = Dump::parse("forwardagent no\nport 22\nhashknownhosts no\nloglevel INFO\ncheckhostip no\n");
        let judged = |text: &str| judge(&Dump::parse(text), &baseline);
        assert_eq!(judged("forwardagent no\nport 2222\nloglevel ERROR\nlocalforward none\n"), Ok(BTreeSet::new()));
        let ignored = judged("forwardagent yes\nknownhostscommand /bin/x\n").unwrap();
        let names: Vec<_> = ignored.iter().map(|ignored| ignored.keyword.as_str()).collect();
        assert_eq!(names, ["forwardagent", "knownhostscommand"]);
        for text in ["checkhostip yes", "revokedhostkeys /x", "bindinterface lo", "proxyusefdpass yes"] {
            assert!(matches!(judged(text), Err(SettingsError::Refused { .. })), "{text}");
        }
        assert_eq!(judged("checkhostip no\nrevokedhostkeys none\n"), Ok(BTreeSet::new()));
    }
}
