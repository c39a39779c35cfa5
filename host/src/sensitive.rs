//! Values that are not for everybody's eyes: what a schema marks `"writeOnly": true`.
//!
//! JSON Schema has this mark for what is given and never shown again, such as a password. Where people look at an input
//! or an output, what it marks is put out of sight. Handlers and the API see it: they are given what was started.

use serde_json::Value;

/// What stands in the place of a value that is not shown.
pub const MASK: &str = "(not shown)";
/// How deep schemas are followed: references may go round.
const DEPTH_MAX: usize = 64;

/// Whether a schema marks a value.
pub fn is_marked(schema: &Value) -> bool {
    schema.get("writeOnly") == Some(&Value::Bool(true))
}

/// Whether a schema may mark anything: none does that does not hold the word.
pub fn may_mark(schema: &str) -> bool {
    schema.contains("writeOnly")
}

/// The outermost part of a value, on the way to a place in it, that its schema marks. Both are JSON pointers.
pub fn hidden_part<'p>(schema: &str, value: &Value, place: &'p str) -> Option<&'p str> {
    if !may_mark(schema) {
        return None;
    }
    let Ok(schema) = serde_json::from_str::<Value>(schema) else {
        return Some("");
    };
    let mut masked = value.clone();
    put_out_of_sight(&schema, &schema, &mut masked, 0);
    let steps = place.match_indices('/').map(|(at, _)| at);
    let parts = steps.chain([place.len()]).map(|end| &place[..end]);
    let mask = Value::from(MASK);
    parts
        .into_iter()
        .find(|part| masked.pointer(part) == Some(&mask))
}

/// JSON text without what its schema marks. Text that does not parse is shown where the schema marks nothing at all.
pub fn mask(schema: &str, text: &str) -> String {
    if !may_mark(schema) {
        return text.to_owned();
    }
    let Ok(schema) = serde_json::from_str::<Value>(schema) else {
        return MASK.to_owned();
    };
    let Ok(mut value) = serde_json::from_str::<Value>(text) else {
        return MASK.to_owned();
    };
    put_out_of_sight(&schema, &schema, &mut value, 0);
    value.to_string()
}

/// The schema that a reference inside of its document means.
pub fn resolve<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    for _ in 0..DEPTH_MAX {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let found = reference.and_then(|reference| root.pointer(reference.strip_prefix('#')?));
        match found {
            Some(found) => schema = found,
            None => break,
        }
    }
    schema
}

fn put_out_of_sight(root: &Value, schema: &Value, value: &mut Value, depth: usize) {
    if depth > DEPTH_MAX {
        *value = Value::from(MASK);
        return;
    }
    let target = resolve(root, schema);
    // A mark may stand beside the reference.
    if is_marked(schema) || is_marked(target) {
        *value = Value::from(MASK);
        return;
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        let parts = target.get(key).and_then(Value::as_array);
        for part in parts.into_iter().flatten() {
            put_out_of_sight(root, part, value, depth + 1);
        }
    }
    for key in ["if", "then", "else"] {
        if let Some(part) = target.get(key) {
            put_out_of_sight(root, part, value, depth + 1);
        }
    }
    match value {
        Value::Object(object) => {
            let named = target.get("properties").and_then(Value::as_object);
            let patterns = target.get("patternProperties").and_then(Value::as_object);
            for (name, value) in object {
                if let Some(schema) = named.and_then(|named| named.get(name)) {
                    put_out_of_sight(root, schema, value, depth + 1);
                    continue;
                }
                if let Some(schema) = target.get("additionalProperties") {
                    put_out_of_sight(root, schema, value, depth + 1);
                }
                // Which of the patterns a name fits is not looked at: what one of them marks is not shown.
                for schema in patterns.into_iter().flat_map(|patterns| patterns.values()) {
                    put_out_of_sight(root, schema, value, depth + 1);
                }
            }
        }
        Value::Array(items) => {
            let first = target.get("prefixItems").and_then(Value::as_array);
            for (index, value) in items.iter_mut().enumerate() {
                let schema = first.and_then(|first| first.get(index));
                if let Some(schema) = schema.or_else(|| target.get("items")) {
                    put_out_of_sight(root, schema, value, depth + 1);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn masked(schema: Value, value: Value) -> Value {
        let text = mask(&schema.to_string(), &value.to_string());
        serde_json::from_str(&text).expect("JSON")
    }

    #[test]
    fn what_is_marked_is_not_shown_wherever_it_is() {
        let schema = json!({
            "properties": {
                "card": { "type": "string", "writeOnly": true },
                "owner": { "$ref": "#/$defs/Person" },
                "keys": { "items": { "$ref": "#/$defs/Key" } },
                "either": { "anyOf": [{ "$ref": "#/$defs/Key" }, { "type": "null" }] },
                "beside": { "$ref": "#/$defs/Plain", "writeOnly": true },
            },
            "additionalProperties": { "properties": { "pin": { "writeOnly": true } } },
            "$defs": {
                "Person": { "properties": { "name": {}, "pin": { "writeOnly": true }, "boss": { "$ref": "#/$defs/Person" } } },
                "Key": { "writeOnly": true },
                "Plain": { "type": "object" },
            },
        });
        let value = json!({
            "card": "canary", "plain": 1, "owner": { "name": "a", "pin": 1, "boss": { "pin": [2], "name": "b" } },
            "keys": ["canary", "canary"], "either": "canary", "beside": { "x": "canary" }, "other": { "pin": "canary" },
        });
        assert_eq!(
            masked(schema.clone(), value),
            json!({
                "card": MASK, "plain": 1, "owner": { "name": "a", "pin": MASK, "boss": { "pin": MASK, "name": "b" } },
                "keys": [MASK, MASK], "either": MASK, "beside": MASK, "other": { "pin": MASK },
            })
        );
        assert_eq!(mask(&schema.to_string(), "{\"card\":"), MASK);
    }

    #[test]
    fn what_is_not_marked_stays_as_it_is() {
        assert_eq!(mask("{}", "{ \"a\":  1 }"), "{ \"a\":  1 }");
        assert_eq!(mask("{}", "not JSON"), "not JSON");
        let round = json!({ "$ref": "#", "properties": { "a": { "writeOnly": true } } });
        assert_eq!(masked(round, json!({ "b": 1 })), json!({ "b": 1 }));
    }
}
