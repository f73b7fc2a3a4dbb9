//! What a configuration file says about itself, without knowing what it means: which files it takes in, which patterns
//! tell hosts apart, and whether its answers hold for more than the one that was asked for. Pure.
//!
//! Nothing here decides how a host is reached: that is what `ssh -G` says. A line that isn't understood makes answers
//! hold for nobody else.

use std::collections::BTreeSet;

use super::super::known_hosts::matches_pattern;

/// What one file, or several together, say about themselves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfigText {
    /// What `Include` names, in order.
    pub(super) includes: Vec<String>,
    /// All patterns of `Host`, and of `Match host` and `Match originalhost`.
    pub(super) patterns: BTreeSet<String>,
    /// Why an answer holds for one host only.
    pub(super) single: Option<&'static str>,
    /// Why an answer may be another one in a moment.
    pub(super) fleeting: Option<&'static str>,
}

/// Keywords whose values `ssh -G` prints with their tokens unreplaced.
const TOKENS_STAY: [&str; 8] = [
    "identityfile",
    "certificatefile",
    "proxycommand",
    "proxyjump",
    "controlpath",
    "localcommand",
    "remotecommand",
    "knownhostscommand",
];

impl ConfigText {
    /// Reads a file. There is no text that it refuses.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut config = Self::default();
        for line in text.lines() {
            config.add_line(line);
        }
        config
    }

    /// Reads options of the command line, which count like a file.
    pub(super) fn add_option(&mut self, option: &str) {
        if option.contains('%') {
            self.single = Some("an option holds a token");
        }
        let keyword = option.split(['=', ' ']).next().unwrap_or_default().to_lowercase();
        if keyword.starts_with("canonical") {
            self.asks_the_dns();
        }
    }

    fn asks_the_dns(&mut self) {
        self.single = Some("it asks the DNS");
        self.fleeting = self.single;
    }

    /// Takes in what another file says.
    pub(super) fn merge(&mut self, other: &Self) {
        self.patterns.extend(other.patterns.iter().cloned());
        self.single = self.single.or(other.single);
        self.fleeting = self.fleeting.or(other.fleeting);
    }

    fn add_line(&mut self, line: &str) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
        let (keyword, rest) = line.split_at(end);
        let keyword = keyword.trim_matches('"').to_lowercase();
        let rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == '=').trim_end();
        if rest.contains('$') {
            self.fleeting = Some("it takes values from the environment");
        }
        let words: Vec<String> = words(rest);
        match keyword.as_str() {
            "include" => self.includes.extend(words),
            "host" => self.patterns.extend(words),
            "match" => self.add_match(&words),
            keyword if keyword.starts_with("canonical") => self.asks_the_dns(),
            keyword if rest.contains('%') && !TOKENS_STAY.contains(&keyword) => {
                self.single = Some("a value holds a token");
            }
            _ => {}
        }
    }

    fn add_match(&mut self, words: &[String]) {
        let mut words = words.iter().flat_map(|word| word.splitn(2, '='));
        while let Some(word) = words.next() {
            match word.trim_start_matches('!').to_lowercase().as_str() {
                "all" | "final" | "canonical" => {}
                "host" | "originalhost" => {
                    self.patterns.extend(words.next().into_iter().flat_map(|list| list.split(',')).map(str::to_owned));
                }
                "user" | "localuser" => {
                    words.next();
                }
                "exec" | "localnetwork" => {
                    self.single = Some("Match asks something of this machine");
                    self.fleeting = Some("Match asks something of this machine");
                    return;
                }
                _ => {
                    self.single = Some("Match has a condition that isn't known here");
                    self.fleeting = Some("Match has a condition that isn't known here");
                    return;
                }
            }
        }
    }

    /// The patterns that match a name, whether or not case counts: two names of which this is equal get equal answers as
    /// long as nothing else depends on the name.
    #[must_use]
    pub fn signature(&self, name: &str) -> Vec<u8> {
        let lower = name.to_lowercase();
        let matched = |pattern: &String| {
            let pattern = pattern.trim_start_matches('!');
            let exact = matches_pattern(pattern.as_bytes(), name.as_bytes());
            let folded = matches_pattern(pattern.to_lowercase().as_bytes(), lower.as_bytes());
            u8::from(exact) | u8::from(folded) << 1
        };
        self.patterns.iter().map(matched).collect()
    }
}

/// Words separated by blanks, with quotes around those that hold blanks. A comment behind them is taken for words, which
/// only tells more names apart.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            c if c.is_whitespace() && !quoted => {
                if !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
            }
            c => word.push(c),
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_and_patterns_are_found_however_they_are_written() {
        let config = ConfigText::parse(
            "# Host no\nInclude conf.d/* \"/etc/my ssh/x\"\n  HOST=gpu* !gpu07\nHost = web\nMatch host a*,b user x\n\
             Match originalhost=c final\n\tIdentityFile ~/.ssh/%h\n",
        );
        assert_eq!(config.includes, ["conf.d/*", "/etc/my ssh/x"]);
        assert_eq!(
            config.patterns.iter().map(String::as_str).collect::<Vec<_>>(),
            ["!gpu07", "a*", "b", "c", "gpu*", "web"]
        );
        assert_eq!((config.single, config.fleeting), (None, None));
        assert_eq!(config.signature("gpu01"), config.signature("gpu02"));
        for (one, other) in [("gpu01", "gpu07"), ("gpu01", "GPU01"), ("b", "x"), ("a1", "x")] {
            assert_ne!(config.signature(one), config.signature(other), "{one} {other}");
        }
    }

    #[test]
    fn answers_that_hold_for_one_name_or_one_moment_are_known() {
        for (text, single, fleeting) in [
            ("Match exec \"test -f /x\"", true, true),
            ("Match host x exec true", true, true),
            ("Match tagged x", true, true),
            ("HostName %h.example.org", true, false),
            ("UserKnownHostsFile ~/.ssh/%k", true, false),
            ("ProxyCommand nc %h %p", false, false),
            ("CanonicalizeHostname yes", true, true),
            ("IdentityFile ${HOME}/x", false, true),
            ("Match all", false, false),
        ] {
            let config = ConfigText::parse(text);
            assert_eq!((config.single.is_some(), config.fleeting.is_some()), (single, fleeting), "{text}");
        }
    }
}
