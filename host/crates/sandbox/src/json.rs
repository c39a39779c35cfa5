//! Whether text is JSON.

use serde_json::value::RawValue;

/// Checks without building anything. The error is one sentence without the text itself.
pub(crate) fn check(text: &str) -> Result<(), String> {
    serde_json::from_str::<&RawValue>(text)
        .map(drop)
        .map_err(|error| error.to_string())
}

/// Checks that text is a JSON Schema on its face: an object or a boolean.
pub(crate) fn check_schema(text: &str) -> Result<(), String> {
    check(text)?;
    match text.trim_start().as_bytes().first() {
        Some(b'{' | b't' | b'f') => Ok(()),
        _ => Err("a JSON Schema is an object or a boolean".to_owned()),
    }
}
