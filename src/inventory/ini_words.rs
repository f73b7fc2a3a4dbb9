//! A line of hosts in an INI inventory as words, split the way that Python's `shlex` does it, by which Ansible reads it:
//! <https://docs.python.org/3/library/shlex.html#parsing-rules>, in POSIX mode with comments.

/// A word, and the bytes of the line that it was written in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Without quotes, escapes resolved.
    pub(super) text: String,
    /// From its first byte on.
    pub(super) start: usize,
    /// Behind its last byte.
    pub(super) end: usize,
}

/// Where reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Between,
    InWord,
    /// Between two of these marks.
    Quoted(char),
    /// Behind a backslash, inside of these marks if any.
    Escaped(Option<char>),
}

/// Splits a line. A `#` outside of quotes begins a comment, also in the middle of a word.
///
/// # Errors
/// Where a quote isn't closed or nothing stands behind a backslash: what is wrong, and the byte that it begins at.
pub(super) fn split(line: &str) -> Result<Vec<Word>, (&'static str, usize)> {
    let (mut words, mut word): (Vec<Word>, Option<Word>) = (Vec::new(), None);
    let (mut state, mut opened) = (State::Between, 0);
    for (at, c) in line.char_indices() {
        let end = at + c.len_utf8();
        let mut push = |text: Option<char>| {
            let word = word.get_or_insert_with(|| Word { text: String::new(), start: at, end });
            word.text.extend(text);
            word.end = end;
        };
        match (state, c) {
            (State::Between | State::InWord, '#') => break,
            (State::Between | State::InWord, ' ' | '\t' | '\r' | '\n') => {
                words.extend(word.take());
                state = State::Between;
            }
            (State::Between | State::InWord, '\'' | '"') => {
                push(None);
                (state, opened) = (State::Quoted(c), at);
            }
            (State::Between | State::InWord, '\\') => {
                push(None);
                (state, opened) = (State::Escaped(None), at);
            }
            (State::Between | State::InWord, c) => {
                push(Some(c));
                state = State::InWord;
            }
            (State::Quoted(mark), c) if c == mark => {
                push(None);
                state = State::InWord;
            }
            (State::Quoted('"'), '\\') => state = State::Escaped(Some('"')),
            (State::Quoted(_), c) => push(Some(c)),
            (State::Escaped(inside), c) => {
                // In quotes a backslash stands for itself, but before a quote or another one.
                if inside.is_some_and(|mark| c != mark && c != '\\') {
                    push(Some('\\'));
                }
                push(Some(c));
                state = inside.map_or(State::InWord, State::Quoted);
            }
        }
    }
    match state {
        State::Quoted(_) | State::Escaped(Some(_)) => return Err(("a quote isn't closed", opened)),
        State::Escaped(None) => return Err(("nothing stands behind the backslash", opened)),
        State::Between | State::InWord => {}
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Python 3.11's `shlex.split(line, comments=True)` gives.
    #[test]
    fn lines_are_split_as_by_python() {
        for (line, expected) in [
            ("mgr1", &["mgr1"][..]),
            ("mgr1 a=1  b='x y' c=\"z \\\"q\\\" \\n\"", &["mgr1", "a=1", "b=x y", "c=z \"q\" \\n"]),
            ("mgr1 a=b#c d", &["mgr1", "a=b"]),
            ("mgr1 # a=1", &["mgr1"]),
            ("m a='#1' b=\"#2\" c=\\#3", &["m", "a=#1", "b=#2", "c=#3"]),
            ("m a=x\\ y b=\\\\ c='\\'", &["m", "a=x y", "b=\\", "c=\\"]),
            ("m a='' \"\"", &["m", "a=", ""]),
            ("m a='x'\"y\"z", &["m", "a=xyz"]),
            ("m\ta='ü é'\r", &["m", "a=ü é"]),
        ] {
            let words = split(line).unwrap();
            assert_eq!(words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>(), expected, "{line}");
        }
    }

    #[test]
    fn words_know_where_they_stand_and_open_quotes_are_named() {
        let words = split("ü1  a='x y' # c").unwrap();
        assert_eq!((words[1].start, words[1].end), (5, 12));
        assert_eq!(split("m a='x"), Err(("a quote isn't closed", 4)));
        assert_eq!(split("m a=\"x\\"), Err(("a quote isn't closed", 4)));
        assert_eq!(split("m a=x\\"), Err(("nothing stands behind the backslash", 5)));
    }
}
