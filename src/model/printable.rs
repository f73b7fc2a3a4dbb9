//! Text from elsewhere (a host, an index, a file) made safe to show on a terminal.

use std::fmt::Write as _;

/// The bytes as one line of text that can't steer a terminal or fool its reader: invalid UTF-8 becomes
/// U+FFFD; control characters, line breaks and the characters that reorder or hide text are written as
/// escapes. For display only: a backslash stays as it is, so it can't be turned back.
#[must_use]
pub fn printable(bytes: impl AsRef<[u8]>) -> String {
    let text = String::from_utf8_lossy(bytes.as_ref());
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            c if c.is_ascii_control() => {
                let _ = write!(shown, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() || is_deceptive(c) => {
                let _ = write!(shown, "\\u{{{:x}}}", u32::from(c));
            }
            c => shown.push(c),
        }
    }
    shown
}

/// Whether a character can steer a terminal or fool its reader; line breaks and tabs can't.
#[must_use]
pub fn is_unsafe(c: char) -> bool {
    c.is_control() && c != '\n' && c != '\t' || is_deceptive(c)
}

/// Characters that are no control characters to Unicode but change what a reader sees: line and paragraph
/// separators, the bidirectional marks, embeddings and overrides, those without any width, and tags.
const fn is_deceptive(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{061c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_text_stays_as_it_is() {
        assert_eq!(printable("데이터 naïve C:\\temp"), "데이터 naïve C:\\temp");
    }

    #[test]
    fn what_steers_a_terminal_is_escaped() {
        assert_eq!(printable("a\x1b[2J\x07\r\nb\tc\x7f"), "a\\x1b[2J\\x07\\r\\nb\\tc\\x7f");
        assert_eq!(printable("\u{9b}31m"), "\\u{9b}31m");
    }

    #[test]
    fn what_deceives_a_reader_is_escaped() {
        assert_eq!(printable("gpj.\u{202e}exe\u{200b}\u{2028}"), "gpj.\\u{202e}exe\\u{200b}\\u{2028}");
        assert_eq!(printable("a\u{ad}\u{e0041}b"), "a\\u{ad}\\u{e0041}b");
        assert!("\u{1b}\r\u{9b}\u{202e}\u{e0041}".chars().all(is_unsafe) && !"a\n\t데".chars().any(is_unsafe));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(printable(b"caf\xe9\xff"), "caf\u{fffd}\u{fffd}");
    }
}
