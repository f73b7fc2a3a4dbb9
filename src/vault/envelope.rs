//! The text of an encrypted value: a header line, then hexadecimal digits of hexadecimal digits.

use std::fmt::Write as _;

use super::DEFAULT_LABEL;

/// How every encrypted text begins.
pub const HEADER: &str = "$ANSIBLE_VAULT;";

/// Digits of a line of the body, as `ansible-vault` writes it.
const WIDTH: usize = 80;

/// An encrypted text, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    /// The vault id's label: of format 1.2. Format 1.1 has none.
    pub label: Option<String>,
    /// The salt that the keys are derived with.
    pub salt: Vec<u8>,
    /// The HMAC-SHA256 of the ciphertext.
    pub mac: Vec<u8>,
    /// What is encrypted.
    pub ciphertext: Vec<u8>,
}

/// Why a text is no encrypted one that can be read: it is torn, or of another kind. No password makes any difference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct EnvelopeError {
    /// What is wrong.
    pub what: String,
    /// The line in the text, from 1.
    pub line: usize,
    /// The column in that line, from 1.
    pub column: usize,
}

/// Whether a text claims to be encrypted.
#[must_use]
pub fn is_encrypted(text: &str) -> bool {
    text.trim_start().starts_with(HEADER)
}

impl Envelope {
    /// Takes an encrypted text apart. Space around its lines, as YAML leaves it, means nothing.
    ///
    /// # Errors
    /// With the place, where the header isn't one of format 1.1 or 1.2 with AES256, or the body is torn.
    pub fn parse(text: &str) -> Result<Self, EnvelopeError> {
        let mut lines = text.lines().enumerate().skip_while(|(_, line)| line.trim().is_empty());
        let (first, header) = lines.next().unwrap_or((0, ""));
        let label = read_header(header, first + 1)?;
        let mut digits: Vec<u8> = Vec::new();
        let mut last = (first + 1, header.len() + 1);
        for (index, line) in lines {
            let indent = line.len() - line.trim_start().len();
            for (at, c) in line.trim().char_indices() {
                let wrong = |c: char| EnvelopeError {
                    what: format!("{c:?} is no hexadecimal digit: the encrypted text is damaged"),
                    line: index + 1,
                    column: line[..indent + at].chars().count() + 1,
                };
                let value = c.to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or_else(|| wrong(c))?;
                digits.push(value);
            }
            if !line.trim().is_empty() {
                last = (index + 1, line.trim_end().chars().count() + 1);
            }
        }
        let torn = |what: &str| EnvelopeError {
            what: format!("the encrypted text is torn: {what}"),
            line: last.0,
            column: last.1,
        };
        let inner = joined(&digits).ok_or_else(|| torn("a digit is missing at its end"))?;
        let mut parts = inner.split(|byte| *byte == b'\n');
        let mut part = |what: &str| {
            let digits: Option<Vec<u8>> = parts.next().and_then(|part| {
                part.iter().map(|byte| char::from(*byte).to_digit(16).and_then(|v| u8::try_from(v).ok())).collect()
            });
            digits.and_then(|digits| joined(&digits)).filter(|part| !part.is_empty()).ok_or_else(|| torn(what))
        };
        let salt = part("it has no whole salt")?;
        let mac = part("it has no whole checksum")?;
        let ciphertext = part("what is encrypted isn't there, or not whole")?;
        if mac.len() != 32 {
            return Err(torn("its checksum isn't whole"));
        }
        if ciphertext.len() % 16 != 0 || parts.next().is_some() {
            return Err(torn("what is encrypted isn't whole"));
        }
        Ok(Self { label, salt, mac, ciphertext })
    }

    /// The text, with a line break at its end.
    #[must_use]
    pub fn to_text(&self) -> String {
        let Self { label, salt, mac, ciphertext } = self;
        let inner = [salt, mac, ciphertext].map(|part| hex(part)).join("\n");
        let outer = hex(inner.as_bytes());
        let mut text = match label.as_deref().filter(|label| *label != DEFAULT_LABEL) {
            Some(label) => format!("{HEADER}1.2;AES256;{label}\n"),
            None => format!("{HEADER}1.1;AES256\n"),
        };
        for line in outer.as_bytes().chunks(WIDTH) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text
    }
}

/// The label in a header.
fn read_header(header: &str, line: usize) -> Result<Option<String>, EnvelopeError> {
    let indent = header.len() - header.trim_start().len();
    let wrong = |what: String, at: usize| EnvelopeError { what, line, column: indent + at + 1 };
    let header = header.trim();
    let Some(rest) = header.strip_prefix(HEADER) else {
        return Err(wrong(format!("an encrypted text begins with {HEADER}"), 0));
    };
    let words: Vec<&str> = rest.split(';').map(str::trim).collect();
    let cipher_at = HEADER.len() + rest.find(';').map_or(rest.len(), |at| at + 1);
    match words.get(1) {
        Some(&"AES256") => {}
        Some(&"AES") => {
            let what = "the cipher AES is that of Ansible before 1.5.2, which nothing reads any more";
            return Err(wrong(what.to_owned(), cipher_at));
        }
        Some(other) => return Err(wrong(format!("there is no cipher \"{other}\", only AES256"), cipher_at)),
        None => return Err(wrong("the header names no cipher: it is torn".to_owned(), cipher_at)),
    }
    match (words.first(), words.get(2)) {
        (Some(&"1.1"), None) => Ok(None),
        (Some(&"1.2"), Some(label)) if !label.is_empty() && words.len() == 3 => Ok(Some((*label).to_owned())),
        (Some(&"1.2"), _) => Err(wrong("a header of format 1.2 has one label at its end".to_owned(), cipher_at)),
        (Some(&"1.1"), Some(_)) => Err(wrong("a header of format 1.1 has no label".to_owned(), cipher_at)),
        (Some(version), _) => {
            Err(wrong(format!("the format {version} is unknown: 1.1 and 1.2 can be read"), HEADER.len()))
        }
        (None, _) => Err(wrong("the header is torn".to_owned(), HEADER.len())),
    }
}

/// Pairs of digits as bytes; `None` where one is left.
fn joined(digits: &[u8]) -> Option<Vec<u8>> {
    let (pairs, rest) = digits.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|[high, low]| high << 4 | low).collect())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wrong(text: &str) -> String {
        let EnvelopeError { what, line, column } = Envelope::parse(text).unwrap_err();
        format!("{line}:{column}: {what}")
    }

    #[test]
    fn what_is_torn_or_of_another_kind_is_told_with_its_place() {
        for (text, expected) in [
            ("", "1:1: an encrypted text begins with"),
            ("hello", "1:1: an encrypted text begins with"),
            ("$ANSIBLE_VAULT;", "1:16: the header names no cipher"),
            ("$ANSIBLE_VAULT;1.1;AES\n", "1:20: the cipher AES is that of"),
            ("$ANSIBLE_VAULT;1.1;ROT13\n", "1:20: there is no cipher \"ROT13\""),
            ("$ANSIBLE_VAULT;9.9;AES256\n", "1:16: the format 9.9 is unknown"),
            ("$ANSIBLE_VAULT;1.2;AES256\n", "1:20: a header of format 1.2 has one label"),
            ("$ANSIBLE_VAULT;1.1;AES256\n3x\n", "2:2: 'x' is no hexadecimal digit"),
            ("$ANSIBLE_VAULT;1.1;AES256\n  36\n  3é\n", "3:4: 'é' is no hexadecimal digit"),
            ("$ANSIBLE_VAULT;1.1;AES256\n363\n", "2:4: the encrypted text is torn: a digit is missing"),
            ("$ANSIBLE_VAULT;1.1;AES256\n36\n", "2:3: the encrypted text is torn: it has no whole salt"),
            ("$ANSIBLE_VAULT;1.1;AES256\n36360a3636\n", "2:11: the encrypted text is torn: what is encrypted isn't"),
        ] {
            let shown = wrong(text);
            assert!(shown.starts_with(expected), "{text:?}: {shown}");
        }
    }

    #[test]
    fn a_text_that_was_cut_is_never_taken_for_whole() {
        let whole = Envelope { label: None, salt: vec![7; 32], mac: vec![1; 32], ciphertext: vec![2; 64] }.to_text();
        for end in 0..whole.trim_end().len() {
            // A cut between two blocks can't be seen here; the checksum sees it.
            let read = Envelope::parse(&whole[..end]);
            assert!(read.is_err() || read.is_ok_and(|envelope| envelope.ciphertext.len() < 64), "{end}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            label in proptest::option::of("[a-z][a-z0-9_-]{0,9}"),
            salt in proptest::collection::vec(any::<u8>(), 1..40),
            mac in proptest::collection::vec(any::<u8>(), 32),
            blocks in proptest::collection::vec(any::<[u8; 16]>(), 1..9),
        ) {
            let label = label.filter(|label| label != DEFAULT_LABEL);
            let envelope = Envelope { label, salt, mac, ciphertext: blocks.concat() };
            let text = envelope.to_text();
            prop_assert!(text.lines().skip(1).all(|line| line.len() <= WIDTH));
            prop_assert_eq!(&Envelope::parse(&text).unwrap(), &envelope);
            let indented: String = text.lines().map(|line| format!("      {line}\n")).collect();
            prop_assert_eq!(Envelope::parse(&indented).unwrap(), envelope);
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(\\$ANSIBLE_VAULT;1.[12];AES256(;a)?\n)?[0-9a-f\n é]{0,80}") {
            let _ = Envelope::parse(&text);
        }
    }
}
