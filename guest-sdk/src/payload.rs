//! JSON text to values and back, with errors that say where.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::failure::Failure;

/// Reads JSON text. `what` names it in the failure, which is fatal: the same text will not do
/// better another time.
pub fn read<T: DeserializeOwned>(text: &str, what: &str) -> Result<T, Failure> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let mut track = serde_path_to_error::Track::new();
    let reader = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    let (path, error) = match T::deserialize(reader) {
        Ok(value) => match deserializer.end() {
            Ok(()) => return Ok(value),
            Err(error) => (".".to_owned(), error),
        },
        Err(error) => (track.path().to_string(), error),
    };
    // serde_path_to_error writes the root as a dot.
    let place = if path == "." {
        String::new()
    } else {
        format!("`{path}`: ")
    };
    Err(
        Failure::fatal(format!("{what} does not fit: {place}{error}")).details(json!({
            "path": path,
            "line": error.line(),
            "column": error.column(),
        })),
    )
}

/// Writes JSON text. `what` names it in the failure, which is fatal.
pub fn write(value: &impl Serialize, what: &str) -> Result<String, Failure> {
    serde_json::to_string(value)
        .map_err(|error| Failure::fatal(format!("{what} cannot be written as JSON: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    #[derive(Debug, serde::Deserialize)]
    struct Order {
        #[allow(dead_code)]
        lines: Vec<Line>,
    }

    #[derive(Debug, serde::Deserialize)]
    struct Line {
        #[allow(dead_code)]
        quantity: u32,
    }

    fn failure(text: &str) -> Failure {
        read::<Order>(text, "the input of job type `order`").expect_err("misfit")
    }

    #[test]
    fn a_misfit_names_path_line_and_column() {
        let failure = failure("{\"lines\": [{\"quantity\": 1},\n{\"quantity\": \"x\"}]}");
        assert_eq!(failure.kind, FailureKind::Fatal);
        assert_eq!(
            failure.message,
            "the input of job type `order` does not fit: `lines[1].quantity`: invalid type: \
             string \"x\", expected u32 at line 2 column 16"
        );
        assert_eq!(
            failure.details,
            Some(json!({"path": "lines[1].quantity", "line": 2, "column": 16}))
        );
    }

    #[test]
    fn at_the_root_no_path_is_named() {
        for (text, message) in [
            ("{}", "does not fit: missing field `lines` at line 1"),
            ("", "does not fit: EOF while parsing a value at line 1"),
            (
                "{\"lines\": []} x",
                "does not fit: trailing characters at line 1",
            ),
        ] {
            let failure = failure(text);
            assert!(failure.message.contains(message), "{failure}");
        }
    }
}
