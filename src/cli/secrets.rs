//! What this process has learned that must not leave it, and the one place where everything that leaves it is cleaned:
//! standard output and error, logs, journals, files.
//!
//! It is one for the process, because an error or a log line can come from anywhere: who prints must not have to know what
//! was secret.

use std::borrow::Cow;
use std::io::Write;
use std::sync::{PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::model::Secrets;

static SECRETS: RwLock<Option<Secrets>> = RwLock::new(None);

/// Takes note of a secret.
pub(super) fn note(text: &str) {
    SECRETS.write().unwrap_or_else(PoisonError::into_inner).get_or_insert_default().add(text);
}

/// The text without secrets.
pub(super) fn cleaned(text: &str) -> Cow<'_, str> {
    match SECRETS.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
        Some(secrets) => secrets.redact(text),
        None => Cow::Borrowed(text),
    }
}

/// Whether a text holds a secret.
pub(super) fn are_in(text: &str) -> bool {
    SECRETS.read().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|secrets| secrets.are_in(text))
}

/// A value without secrets in its texts. `None` where what is left is no such value any more.
pub(super) fn cleaned_value<T: Serialize + DeserializeOwned>(value: T) -> Option<T> {
    let mut json = serde_json::to_value(&value).ok()?;
    let mut changed = false;
    each_text(&mut json, &mut |text| {
        if let Cow::Owned(cleaned) = cleaned(text) {
            *text = cleaned;
            changed = true;
        }
    });
    if changed { serde_json::from_value(json).ok() } else { Some(value) }
}

/// Goes through all texts of a value, but for the names of its fields.
pub(super) fn each_text(value: &mut Value, change: &mut impl FnMut(&mut String)) {
    match value {
        Value::String(text) => change(text),
        Value::Array(items) => items.iter_mut().for_each(|item| each_text(item, change)),
        Value::Object(fields) => fields.values_mut().for_each(|value| each_text(value, change)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Standard error, for the log: each event comes in one piece.
pub(super) struct CleanedStderr;

impl Write for CleanedStderr {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        std::io::stderr().write_all(cleaned(&String::from_utf8_lossy(bytes)).as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        std::io::stderr().flush()
    }
}
