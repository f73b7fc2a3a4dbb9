//! Options of the `ssh` command, as inventories hold them (`ansible_ssh_common_args` and its likes). Pure.
//!
//! Connections don't go through that command, but what its options mean is asked of it. So only those are let through that
//! say how a host is reached, none that would make `ssh` do something else than answer.

use crate::document::{Diagnostic, Node, split_words};

/// Options for `ssh`, in the order in which it is to see them: of two that set the same thing, the first counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshArguments {
    /// The file that replaces the user's and the system's configuration (`-F`); jump hosts are asked of it too.
    pub config: Option<String>,
    /// All others, each word by itself, with options apart from their values.
    pub options: Vec<String>,
}

/// Options that take a value and say how a host is reached.
const WITH_VALUE: &str = "oilpJcmbBFS";

/// Options without a value that do, or that change nothing here: agent and X11 forwarding come back as keywords and are judged there.
const WITHOUT: &str = "46CqvTnxaAkXYM";

/// What the others would do, by their letter.
const REFUSED: [(&str, &str); 5] = [
    ("LRDwW", "no forwardings are opened; for a way through another host use ProxyJump or ProxyCommand"),
    ("NfsgOtI", "what runs on a host, and how, is converge's to say"),
    ("EyGQVe", "it says what `ssh` prints and where, and `ssh` only answers questions here"),
    ("K", "GSSAPI isn't supported"),
    ("P", "set a tag's options themselves by -o"),
];

impl SshArguments {
    /// Adds the words of one variable behind those that are there.
    ///
    /// # Errors
    /// When a word is no option, or one that would make `ssh` do something else than answer.
    pub fn add(&mut self, node: &Node) -> Result<(), Diagnostic> {
        let text = node.as_text()?;
        let wrong = |message: String| Diagnostic::at(&node.span, message);
        let words = split_words(&text).ok_or_else(|| wrong("a quote isn't closed".into()))?;
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
                return Err(wrong(format!("`{word}` is no option of ssh"))
                    .hint("only options may stand here, such as `-o ProxyJump=bastion`"));
            };
            self.add_letters(letters, &mut words).map_err(|(message, hint)| wrong(message).hint(hint))?;
        }
        Ok(())
    }

    /// The letters of one word, the last of which may have its value in the rest of the word or in the next one.
    fn add_letters(
        &mut self,
        letters: &str,
        more: &mut impl Iterator<Item = String>,
    ) -> Result<(), (String, &'static str)> {
        for (at, letter) in letters.char_indices() {
            if WITHOUT.contains(letter) {
                self.options.push(format!("-{letter}"));
            } else if WITH_VALUE.contains(letter) {
                let rest = &letters[at + letter.len_utf8()..];
                let value = if rest.is_empty() { more.next() } else { Some(rest.to_owned()) };
                let value = value.filter(|value| !value.chars().any(char::is_control));
                let value = value.ok_or_else(|| (format!("`-{letter}` has no value"), "write it behind the option"))?;
                match letter {
                    'F' => {
                        self.config.get_or_insert(value);
                    }
                    _ => self.options.extend([format!("-{letter}"), value]),
                }
                return Ok(());
            } else {
                let why = REFUSED.iter().find(|(letters, _)| letters.contains(letter)).map(|(_, why)| *why);
                return Err((
                    format!("ssh's option `-{letter}` isn't supported"),
                    why.unwrap_or("see ssh(1): it isn't known here"),
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<SshArguments, String> {
        let mut arguments = SshArguments::default();
        let added = arguments.add(&Node::text_from("t", text));
        added.map(|()| arguments).map_err(|d| format!("{} / {}", d.message, d.hint.unwrap_or_default()))
    }

    #[test]
    fn options_are_taken_apart_as_ssh_does() {
        let read = read("-4Co ProxyCommand=\"ssh -W %h:%p bastion\" -p2222 -F /etc/x -oUser=bai -J a,b").unwrap();
        assert_eq!(read.config.as_deref(), Some("/etc/x"));
        assert_eq!(
            read.options,
            ["-4", "-C", "-o", "ProxyCommand=ssh -W %h:%p bastion", "-p", "2222", "-o", "User=bai", "-J", "a,b"]
        );
    }

    #[test]
    fn what_would_do_something_else_is_refused_by_name() {
        for (text, about) in [
            ("-L 1:x:2", "`-L` isn't supported / no forwardings"),
            ("-4N", "`-N` isn't supported / what runs"),
            ("-E /etc/passwd", "`-E` isn't supported"),
            ("-G", "`-G` isn't supported"),
            ("-o", "`-o` has no value"),
            ("bastion", "`bastion` is no option"),
            ("-", "`-` is no option"),
            ("--", "`--` isn't"),
            ("-o 'x", "a quote"),
            ("-ö", "isn't known here"),
            ("-o 'User=a\nProxyCommand=b'", "no value"),
        ] {
            let shown = read(text).unwrap_err();
            assert!(shown.contains(about.trim_start_matches("`--` ")), "{text}: {shown}");
        }
    }
}
