//! All secrets that a run has read, and how they are kept out of whatever leaves it. Pure.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use zeroize::Zeroize as _;

use super::shell_quote;

/// What stands for a secret.
pub const REDACTED: &str = "<redacted>";

/// Shorter texts are not looked for: `80` or `yes` would be found everywhere, and what is left would tell what was taken
/// away. Characters.
const SHORTEST: usize = 4;

/// A line of a longer secret that is looked for by itself has this many characters: the lines of a key have 64, and `}` is
/// nobody's secret.
const SHORTEST_LINE: usize = 8;

/// The secrets of a run, each in the forms in which it may turn up: as it is, line by line, escaped as in JSON, quoted for
/// a shell, percent-encoded, in hexadecimal, and in base64 wherever it begins in what is encoded.
#[derive(Clone, Default)]
pub struct Secrets {
    /// By length, longest first, so that a secret that holds another one goes as a whole.
    forms: Vec<String>,
}

impl Secrets {
    /// Takes note of a secret. A text shorter than `SHORTEST`, or that is a truth value or nothing, is left alone.
    pub fn add(&mut self, text: &str) {
        let trimmed = text.trim();
        if trimmed.chars().count() < SHORTEST || is_plain_word(trimmed) {
            return;
        }
        let mut forms = forms_of(text);
        if trimmed != text {
            forms.extend(forms_of(trimmed));
        }
        if trimmed.contains('\n') {
            let lines = trimmed.lines().map(str::trim);
            forms.extend(lines.filter(|line| line.chars().count() >= SHORTEST_LINE).flat_map(forms_of));
        }
        for form in forms {
            if !self.forms.contains(&form) {
                self.forms.push(form);
            }
        }
        self.forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Whether a text holds one of them, in any form.
    #[must_use]
    pub fn are_in(&self, text: &str) -> bool {
        self.forms.iter().any(|form| text.contains(form.as_str()))
    }

    /// The text with [`REDACTED`] for each secret.
    #[must_use]
    pub fn redact<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.are_in(text) {
            return Cow::Borrowed(text);
        }
        let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
        loop {
            // The first place where any begins; of several there, the longest.
            let found = self.forms.iter().filter_map(|form| rest.find(form.as_str()).map(|at| (at, form)));
            let Some((at, form)) = found.min_by_key(|(at, form)| (*at, usize::MAX - form.len())) else { break };
            shown.push_str(&rest[..at]);
            shown.push_str(REDACTED);
            rest = &rest[at + form.len()..];
        }
        shown.push_str(rest);
        Cow::Owned(shown)
    }
}

impl Drop for Secrets {
    fn drop(&mut self) {
        self.forms.iter_mut().for_each(String::zeroize);
    }
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} forms of secrets", self.forms.len())
    }
}

/// Words that stand everywhere, and keep no secret.
fn is_plain_word(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "null" | "none")
}

fn forms_of(text: &str) -> Vec<String> {
    let json = serde_json::to_string(text).unwrap_or_default();
    let json = json.trim_matches('"');
    let percent = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let quoted = shell_quote(text);
    let mut forms = vec![
        text.to_owned(),
        json.to_owned(),
        // Of JSON within JSON, as in a record that holds a line of a log.
        json.replace('\\', "\\\\").replace('"', "\\\""),
        quoted.trim_matches('\'').to_owned(),
        percent.to_ascii_lowercase(),
        percent,
        unreserved(text),
        hex(text.as_bytes(), false),
        hex(text.as_bytes(), true),
        format!("{:?}", text.as_bytes()).trim_matches(['[', ']']).to_owned(),
        text.escape_debug().to_string(),
    ];
    for (encode, whole) in [(true, STANDARD.encode(text)), (false, URL_SAFE_NO_PAD.encode(text))] {
        forms.push(whole);
        forms.extend((0..3).map(|shift| inner_base64(text, shift, encode)));
    }
    forms.retain(|form| form.chars().count() >= SHORTEST);
    forms.sort();
    forms.dedup();
    forms
}

/// With the characters left alone that no URL escapes (RFC 3986, 2.3).
fn unreserved(text: &str) -> String {
    const ESCAPED: percent_encoding::AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(text, &ESCAPED).to_string()
}

fn hex(bytes: &[u8], upper: bool) -> String {
    bytes.iter().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
}

/// The digits of base64 that follow from the text alone when `shift` bytes (0 to 2) stand before it, and anything behind.
fn inner_base64(text: &str, shift: usize, standard: bool) -> String {
    let mut bytes = vec![0; shift];
    bytes.extend_from_slice(text.as_bytes());
    let digits = if standard { STANDARD_NO_PAD.encode(&bytes) } else { URL_SAFE_NO_PAD.encode(&bytes) };
    // A digit has six bits: those of the bytes before, and the last one where it is shared, say nothing for sure.
    let from = (shift * 8).div_ceil(6);
    let to = bytes.len() * 8 / 6;
    digits.get(from..to).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(texts: &[&str]) -> Secrets {
        let mut secrets = Secrets::default();
        texts.iter().for_each(|text| secrets.add(text));
        secrets
    }

    #[test]
    fn secrets_go_in_every_form_and_the_rest_stays() {
        let secrets = of(&["p4ss \"w\\rd'", "-----BEGIN KEY-----\nMIIEvQIBADANBg\n}\n"]);
        for (text, shown) in [
            ("nothing of it", "nothing of it"),
            ("is p4ss \"w\\rd'.", "is <redacted>."),
            (r#"{"a":"p4ss \"w\\rd'"}"#, r#"{"a":"<redacted>"}"#),
            ("key MIIEvQIBADANBg }", "key <redacted> }"),
            ("p4ss%20%22w%5Crd%27@x", "<redacted>@x"),
            ("703473732022775c726427", "<redacted>"),
        ] {
            assert_eq!(secrets.redact(text), shown);
        }
        let quoted = secrets.redact(&format!("x {} y", shell_quote("p4ss \"w\\rd'"))).into_owned();
        assert!(quoted.starts_with("x '<redacted>") && !quoted.contains("p4ss"), "{quoted}");
        for before in ["", "a", "ab", "abc"] {
            let text = STANDARD.encode(format!("{before}p4ss \"w\\rd' and more"));
            assert!(secrets.redact(&text).contains(REDACTED), "{before}");
        }
    }

    #[test]
    fn what_is_too_short_or_says_nothing_is_left() {
        let secrets = of(&["", "80", "yes", "true", "null", " no\n"]);
        assert!(secrets.is_empty());
        assert_eq!(secrets.redact("true 80 yes"), "true 80 yes");
    }

    #[test]
    fn of_two_that_overlap_the_longer_goes() {
        assert_eq!(
            of(&["secret", "secret-and-more"]).redact("a secret-and-more b secret"),
            "a <redacted> b <redacted>"
        );
    }

    proptest! {
        #[test]
        fn nothing_of_a_secret_is_left(
            secret in "[ -~é\n]{4,20}", before in "[ -~]{0,9}", after in "[ -~]{0,9}",
        ) {
            let secrets = of(&[&secret]);
            prop_assume!(!secrets.is_empty());
            let text = format!("{before}{secret}{after}");
            let redacted = secrets.redact(&text).replace(REDACTED, "\u{1}");
            prop_assert!(!redacted.contains(&secret));
        }
    }
}
