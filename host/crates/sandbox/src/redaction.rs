//! Blacking out: no value of a secret leaves a guest for what is stored or shown.
//!
//! Each value is looked for as it is, and in the forms that it takes on the way through a handler: written
//! into JSON, percent-encoded, in hexadecimal, in Base64 at any offset, and line by line. A guest that may
//! read a secret and means to carry it out can still write it in some other way: what is granted as
//! readable is trusted to that guest.

use std::sync::Arc;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use hardstop_domain::capability::secret::{SECRET_BYTES_MIN, SecretName};

/// Finds secrets in text. Cheap to clone; finds nothing where there is none.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Option<Arc<Patterns>>);

struct Patterns {
    search: AhoCorasick,
    /// For each pattern, what stands in its place.
    marks: Vec<String>,
}

impl Redactor {
    /// For these secrets. Fails, with a sentence, where the search cannot be built.
    pub(crate) fn new<'a>(
        secrets: impl Iterator<Item = (&'a SecretName, &'a str)>,
    ) -> Result<Self, String> {
        let mut patterns = Vec::new();
        let mut marks = Vec::new();
        for (name, value) in secrets {
            let forms = forms(value);
            marks.resize(marks.len() + forms.len(), format!("[secret {name}]"));
            patterns.extend(forms);
        }
        if patterns.is_empty() {
            return Ok(Self::default());
        }
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .kind(Some(AhoCorasickKind::NoncontiguousNFA))
            .build(&patterns)
            .map_err(|error| error.to_string())?;
        Ok(Self(Some(Arc::new(Patterns { search, marks }))))
    }

    /// Whether the text holds a secret.
    pub(crate) fn finds(&self, text: &str) -> bool {
        self.0
            .as_ref()
            .is_some_and(|patterns| patterns.search.is_match(text))
    }

    /// Text without secrets.
    pub(crate) fn text(&self, text: String) -> String {
        match &self.0 {
            Some(patterns) if patterns.search.is_match(&text) => {
                patterns.search.replace_all(&text, &patterns.marks)
            }
            _ => text,
        }
    }

    /// JSON text without secrets: still JSON, and otherwise as it was. Text that is no JSON is treated as
    /// text.
    pub(crate) fn json(&self, text: String) -> String {
        let Some(patterns) = &self.0 else {
            return text;
        };
        if crate::json::check(&text).is_err() {
            return self.text(text);
        }
        let mut clean = String::with_capacity(text.len());
        let mut rest = text.as_str();
        while !rest.is_empty() {
            let token = &rest[..token_end(rest)];
            rest = &rest[token.len()..];
            // What a string says may be written with escapes.
            let said = match token.starts_with('"') {
                true => serde_json::from_str::<String>(token).unwrap_or_else(|_| token.to_owned()),
                false => token.to_owned(),
            };
            if patterns.search.is_match(&said) {
                let said = patterns.search.replace_all(&said, &patterns.marks);
                clean.push_str(&serde_json::Value::String(said).to_string());
            } else {
                clean.push_str(token);
            }
        }
        // A secret that is JSON itself spreads over several tokens.
        match patterns.search.find(&clean) {
            Some(found) => {
                let mark = patterns.marks[found.pattern().as_usize()].clone();
                serde_json::Value::String(mark).to_string()
            }
            None => clean,
        }
    }
}

/// Where the first token of JSON text ends: a whole string, or a run of other characters that are a
/// number, a word, a sign or blanks.
fn token_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
    match bytes[0] {
        b'"' => {
            let mut at = 1;
            while at < bytes.len() {
                match bytes[at] {
                    b'\\' => at += 2,
                    b'"' => return at + 1,
                    _ => at += 1,
                }
            }
            bytes.len()
        }
        first if is_word(&first) => bytes
            .iter()
            .position(|byte| !is_word(byte))
            .unwrap_or(bytes.len()),
        _ => 1,
    }
}

/// The ways in which a value may be written.
fn forms(value: &str) -> Vec<String> {
    let mut forms = vec![value.to_owned()];
    let json = serde_json::Value::String(value.to_owned()).to_string();
    forms.push(json[1..json.len() - 1].to_owned());
    // Lines of a log are entries of their own.
    let lines = value.lines().map(str::trim);
    forms.extend(
        lines
            .filter(|line| line.len() >= SECRET_BYTES_MIN)
            .map(str::to_owned),
    );
    for (space, upper) in [("%20", true), ("%20", false), ("+", true), ("+", false)] {
        forms.push(percent(value, space, upper));
    }
    let hex: String = value.bytes().map(|byte| format!("{byte:02x}")).collect();
    forms.push(hex.to_uppercase());
    forms.push(hex);
    for offset in 0..3 {
        let mut bytes = vec![0; offset];
        bytes.extend_from_slice(value.as_bytes());
        // The digits that these bytes decide alone, whatever stands before and after them.
        let digits = (offset * 8).div_ceil(6)..bytes.len() * 8 / 6;
        for engine in [&STANDARD_NO_PAD, &URL_SAFE_NO_PAD] {
            forms.push(engine.encode(&bytes)[digits.clone()].to_owned());
        }
    }
    forms.sort_unstable();
    forms.dedup();
    forms
}

fn percent(value: &str, space: &str, upper: bool) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        b' ' => space.to_owned(),
        _ if upper => format!("%{byte:02X}"),
        _ => format!("%{byte:02x}"),
    };
    value.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUE: &str = "s3cr\"t/ v\u{e4}lue+?";

    fn redactor(values: &[(&str, &str)]) -> Redactor {
        let names: Vec<(SecretName, &str)> = values
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), *value))
            .collect();
        Redactor::new(names.iter().map(|(name, value)| (name, *value))).expect("built")
    }

    #[test]
    fn every_usual_form_is_found() {
        let redactor = redactor(&[("KEY", VALUE)]);
        let json = serde_json::Value::String(VALUE.to_owned()).to_string();
        let hex: String = VALUE.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut texts = vec![
            VALUE.to_owned(),
            json,
            hex,
            "s3cr%22t%2F%20v%C3%A4lue%2B%3F".to_owned(),
            "s3cr%22t%2f+v%c3%a4lue%2b%3f".to_owned(),
        ];
        for before in ["", "a", "ab", "user:", "abcd"] {
            for after in ["", "z", "zz"] {
                let whole = format!("{before}{VALUE}{after}");
                texts.push(STANDARD_NO_PAD.encode(&whole));
                texts.push(URL_SAFE_NO_PAD.encode(&whole));
            }
        }
        for text in texts {
            assert!(redactor.finds(&text), "{text}");
            let clean = redactor.text(format!("a {text} z"));
            assert!(clean.contains("[secret KEY]"), "{clean}");
            assert!(!redactor.finds(&clean), "{clean}");
        }
        assert_eq!(redactor.text("s3cr\"t/ v".to_owned()), "s3cr\"t/ v");
    }

    #[test]
    fn the_lines_of_a_value_are_found_alone() {
        let redactor = redactor(&[("PEM", "-----BEGIN-----\nAAAABBBBCCCC\nshort\n")]);
        assert_eq!(
            redactor.text("1: AAAABBBBCCCC".to_owned()),
            "1: [secret PEM]"
        );
        assert_eq!(redactor.text("short".to_owned()), "short");
    }

    #[test]
    fn json_stays_json_and_keeps_its_order_and_numbers() {
        let redactor = redactor(&[("KEY", VALUE), ("PIN", "12345678")]);
        let value = serde_json::Value::String(VALUE.to_owned());
        let text = format!(
            r#"{{ "z": [1.0e400000, 12345678901, 0.1], {value}: "x{}y", "\u0031234567\u0038": 12345678, "a":true}}"#,
            &value.to_string()[1..value.to_string().len() - 1]
        );
        assert_eq!(
            redactor.json(text),
            r#"{ "z": [1.0e400000, "[secret PIN]901", 0.1], "[secret KEY]": "x[secret KEY]y", "[secret PIN]": "[secret PIN]", "a":true}"#
        );
        let plain = r#"{"b": [1, null], "a": "\u00e4 \" \\"}"#;
        assert_eq!(redactor.json(plain.to_owned()), plain);
    }

    #[test]
    fn a_secret_that_is_json_is_found_across_tokens() {
        let secret = r#"{"key":"value"}"#;
        let redactor = redactor(&[("KEY", secret)]);
        assert_eq!(redactor.json(format!("[{secret}]")), r#""[secret KEY]""#);
    }

    #[test]
    fn without_secrets_nothing_is_touched() {
        let redactor = Redactor::default();
        assert_eq!(redactor.json("not json".to_owned()), "not json");
        assert_eq!(redactor.text("text".to_owned()), "text");
        assert!(!redactor.finds("text"));
    }
}
