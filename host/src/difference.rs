//! What is different between two specifications of a type, field by field.

use std::collections::BTreeMap;

use hardstop_domain::quantity::{format_duration_ms, format_size};
use hardstop_domain::{LimitName, Limits, TypeSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A field that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Where it is, such as `limits.memory`.
    pub field: String,
    /// What it was, as manifests write it; none where it was not there.
    pub before: Option<String>,
    /// What it is.
    pub after: Option<String>,
}

/// Every field that is different, by its place.
pub fn differences(before: &TypeSpec, after: &TypeSpec) -> Vec<Difference> {
    let (before, after) = (fields(before), fields(after));
    let mut places: Vec<&String> = before.keys().chain(after.keys()).collect();
    places.sort();
    places.dedup();
    places
        .into_iter()
        .filter(|place| before.get(*place) != after.get(*place))
        .map(|place| Difference {
            field: place.clone(),
            before: before.get(place).cloned(),
            after: after.get(place).cloned(),
        })
        .collect()
}

/// All that a specification says, by place. Whatever it may say in later versions is in it.
fn fields(spec: &TypeSpec) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    let Ok(Value::Object(object)) = serde_json::to_value(spec) else {
        return fields;
    };
    for (key, value) in object {
        match key.as_str() {
            "name" => {}
            "limits" => put_limits(&spec.limits, &mut fields),
            "input_schema" | "output_schema" => {
                let text = value.as_str().unwrap_or_default();
                let schema = serde_json::from_str(text).unwrap_or(value);
                put(&key, &schema, &mut fields);
            }
            _ => put(&key, &value, &mut fields),
        }
    }
    if let Some(bytes) = spec.retry.larger_memory {
        fields.insert("retry.larger_memory".to_owned(), format_size(bytes));
    }
    if let Some(external) = spec.external {
        let deadline = format_duration_ms(external.deadline_ms);
        fields.remove("external.deadline_ms");
        fields.insert("deadline".to_owned(), deadline);
    }
    fields
}

fn put_limits(limits: &Limits, fields: &mut BTreeMap<String, String>) {
    for name in LimitName::ALL {
        if let Some(value) = limits.get(name) {
            fields.insert(format!("limits.{name}"), name.format(value));
        }
    }
}

fn put(place: &str, value: &Value, fields: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(object) if !object.is_empty() => {
            for (key, value) in object {
                put(&format!("{place}.{key}"), value, fields);
            }
        }
        Value::String(text) => {
            fields.insert(place.to_owned(), text.clone());
        }
        // Lists are short, and their order may matter.
        other => {
            fields.insert(place.to_owned(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hardstop_domain::{Digest, FileRef};

    fn spec() -> TypeSpec {
        let name = "resize".parse().expect("a name");
        TypeSpec {
            description: "resizes".to_owned(),
            input_schema: r#"{"type":"object","properties":{"width":{"type":"integer"}}}"#
                .to_owned(),
            ..TypeSpec::new(name, Digest::of(b"one"))
        }
    }

    #[test]
    fn every_kind_of_field_is_told_as_it_is_written() {
        assert_eq!(differences(&spec(), &spec()), []);
        let mut after = spec();
        after.component = Some(Digest::of(b"two"));
        after.limits.memory_bytes_max = 128 << 20;
        after.limits.fuel = Some(5);
        after.retry.backoff = 2_000;
        after.retry.larger_memory = Some(256 << 20);
        after.quarantine.enabled = false;
        after.capabilities.chains = true;
        let (digest, bytes) = (Digest::of(b"{}"), 2);
        let file = FileRef { digest, bytes };
        after.files = [("/model.json".to_owned(), file)].into();
        after.input_schema =
            r#"{"properties":{"width":{"type":"number"}},"type":"object","required":["width"]}"#
                .to_owned();
        let found = differences(&spec(), &after);
        let found: Vec<_> = found
            .iter()
            .map(|it| {
                let side = |side: &Option<String>| side.clone().unwrap_or("-".to_owned());
                (it.field.as_str(), side(&it.before), side(&it.after))
            })
            .collect();
        let told = |field: &str, before: &str, after: &str| {
            let expected = (field, before.to_owned(), after.to_owned());
            assert!(found.contains(&expected), "{expected:?} not in {found:#?}");
        };
        told("limits.memory", "64MiB", "128MiB");
        told("limits.fuel", "-", "5");
        told("retry.backoff", "1s", "2s");
        told("retry.larger_memory", "-", "256MiB");
        told("quarantine.enabled", "true", "false");
        told("capabilities.chains", "false", "true");
        told("input_schema.properties.width.type", "integer", "number");
        told("input_schema.required", "-", "[\"width\"]");
        told("files./model.json.bytes", "-", "2");
        assert_eq!(found.len(), 11, "{found:#?}");
    }
}
