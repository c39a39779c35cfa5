//! A form for an input, made of the type's JSON Schema; and the input that a filled form says.
//!
//! What a schema says of a value becomes a field where HTML has one: text, number, checkbox, list of values, group, or a
//! list of those. For whatever else it says there is a field that takes JSON. So every schema has a form, and every
//! input that is made of one is checked by the schema itself, as any other.

use std::cell::Cell;
use std::collections::BTreeSet;

use serde_json::{Map, Number, Value};

use super::field::Fields;
use crate::sensitive::{is_marked, resolve};

/// How deep groups are shown as groups; deeper ones are JSON.
const DEPTH_MAX: usize = 6;
/// How many fields a form has at the most. What would be further is JSON.
const FIELDS_MAX: usize = 500;
/// The most rows of a list.
const ROWS_MAX: usize = 200;
/// What the names of fields begin with.
pub const ROOT: &str = "input";

/// How a value is given.
#[derive(Debug, Clone, PartialEq)]
pub enum Widget {
    Text {
        long: bool,
    },
    /// Text that is not shown while it is written, nor when the form is shown again.
    Secret,
    Number {
        whole: bool,
        min: Option<String>,
        max: Option<String>,
    },
    Boolean,
    Choice(Vec<Choosable>),
    Group(Vec<Field>),
    List(Vec<Field>),
    Json,
    /// It can only be this.
    Fixed(String),
}

/// One of the values to choose from.
#[derive(Debug, Clone, PartialEq)]
pub struct Choosable {
    /// As JSON.
    pub value: String,
    pub shown: String,
    pub chosen: bool,
}

/// A field of the form.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Where its value is, such as `input/address/street`.
    pub name: String,
    pub label: String,
    pub hint: String,
    pub required: bool,
    pub widget: Widget,
    /// As it is written now.
    pub value: String,
    pub checked: bool,
    pub errors: Vec<String>,
}

impl Field {
    /// For the attribute `id`.
    pub fn id(&self) -> String {
        self.name.replace(['/', ' '], ".")
    }
}

/// Something that is wrong with an input: where, as a JSON pointer, and what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub place: String,
    pub what: String,
}

/// The form of a schema: as it was filled, or empty.
pub fn form(schema: &Value, filled: Option<&Fields>, faults: &[Fault]) -> Field {
    let reader = Reader {
        root: schema,
        fields: Cell::new(0),
        filled,
        faults,
    };
    let mut field = reader.field(schema, ROOT.to_owned(), String::new(), true, 0);
    if filled.is_none() && field.widget == Widget::Json && field.value.is_empty() {
        field.value = "{}".to_owned();
    }
    field
}

/// Whether a form is more than one field that takes JSON.
pub fn has_fields(schema: &Value) -> bool {
    form(schema, None, &[]).widget != Widget::Json
}

/// The input that a filled form says.
pub fn input(schema: &Value, filled: &Fields) -> Result<Value, Vec<Fault>> {
    let reader = Reader {
        root: schema,
        fields: Cell::new(0),
        filled: Some(filled),
        faults: &[],
    };
    let mut faults = Vec::new();
    let value = reader.value(schema, ROOT, 0, &mut faults);
    match faults.is_empty() {
        true => Ok(value.unwrap_or_else(|| Value::Object(Map::new()))),
        false => Err(faults),
    }
}

/// What a schema says of a value, without what is inside of it.
enum Shape<'r> {
    Text { long: bool },
    Secret,
    Number { whole: bool },
    Boolean,
    Choice(Vec<&'r Value>),
    Group,
    List,
    Json,
    Fixed(&'r Value),
}

struct Reader<'r> {
    root: &'r Value,
    /// How many fields there are so far. Schemas may go round, each time with more than once round.
    fields: Cell<usize>,
    filled: Option<&'r Fields>,
    faults: &'r [Fault],
}

impl<'r> Reader<'r> {
    /// What a schema says when references are followed and `null` beside one other thing is left out.
    fn target(&self, schema: &'r Value) -> &'r Value {
        let target = resolve(self.root, schema);
        if target.get("type").is_some() || target.get("properties").is_some() {
            return target;
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            let Some(parts) = target.get(key).and_then(Value::as_array) else {
                continue;
            };
            let mut parts = parts
                .iter()
                .filter(|part| part.get("type") != Some(&Value::from("null")));
            if let (Some(one), None) = (parts.next(), parts.next()) {
                return resolve(self.root, one);
            }
        }
        target
    }

    fn kind(&self, target: &'r Value) -> Option<&'r str> {
        match target.get("type")? {
            Value::String(kind) => Some(kind),
            Value::Array(kinds) => {
                let mut kinds = kinds
                    .iter()
                    .filter_map(Value::as_str)
                    .filter(|kind| *kind != "null");
                kinds.next().filter(|_| kinds.next().is_none())
            }
            _ => None,
        }
    }

    fn shape(&self, schema: &'r Value, depth: usize) -> Shape<'r> {
        let target = self.target(schema);
        if let Some(fixed) = target.get("const") {
            return Shape::Fixed(fixed);
        }
        if is_marked(schema)
            || is_marked(target)
            || target.get("format") == Some(&Value::from("password"))
        {
            return Shape::Secret;
        }
        if let Some(values) = self.choices(target) {
            return Shape::Choice(values);
        }
        let is_open = depth < DEPTH_MAX;
        match self.kind(target) {
            Some("string") => Shape::Text {
                long: target
                    .get("maxLength")
                    .and_then(Value::as_u64)
                    .is_some_and(|length| length > 200),
            },
            Some(kind @ ("integer" | "number")) => Shape::Number {
                whole: kind == "integer",
            },
            Some("boolean") => Shape::Boolean,
            Some("object") if is_open && target.get("properties").is_some() => Shape::Group,
            Some("array") if is_open && target.get("items").is_some_and(Value::is_object) => {
                Shape::List
            }
            _ => Shape::Json,
        }
    }

    fn widget(&self, schema: &'r Value, name: &str, depth: usize) -> Widget {
        let target = self.target(schema);
        let text = |key: &str| {
            target
                .get(key)
                .filter(|it| it.is_number())
                .map(Value::to_string)
        };
        self.fields.set(self.fields.get() + 1);
        let is_full = self.fields.get() > FIELDS_MAX;
        match self.shape(schema, depth) {
            Shape::Fixed(value) => Widget::Fixed(value.to_string()),
            Shape::Choice(values) => {
                let default = schema.get("default").or_else(|| target.get("default"));
                let is_chosen = |value: &Value| match self.filled {
                    Some(filled) => filled.raw(name) == Some(value.to_string().as_str()),
                    None => default == Some(value),
                };
                let options = values.into_iter().map(|value| Choosable {
                    value: value.to_string(),
                    shown: value
                        .as_str()
                        .map_or_else(|| value.to_string(), str::to_owned),
                    chosen: is_chosen(value),
                });
                Widget::Choice(options.collect())
            }
            Shape::Text { long } => Widget::Text { long },
            Shape::Secret => Widget::Secret,
            Shape::Number { whole } => Widget::Number {
                whole,
                min: text("minimum"),
                max: text("maximum"),
            },
            Shape::Boolean => Widget::Boolean,
            Shape::Group if !is_full => Widget::Group(self.members(target, name, depth)),
            Shape::List if !is_full => Widget::List(self.rows(target, name, depth)),
            Shape::Group | Shape::List | Shape::Json => Widget::Json,
        }
    }

    /// The values of a choice: an `enum`, or several `const`s.
    fn choices(&self, target: &'r Value) -> Option<Vec<&'r Value>> {
        if let Some(values) = target.get("enum").and_then(Value::as_array) {
            return Some(values.iter().filter(|value| !value.is_null()).collect());
        }
        let parts = target
            .get("oneOf")
            .or_else(|| target.get("anyOf"))?
            .as_array()?;
        parts.iter().map(|part| part.get("const")).collect()
    }

    fn members(&self, target: &'r Value, name: &str, depth: usize) -> Vec<Field> {
        let required = required(target);
        let properties = target.get("properties").and_then(Value::as_object);
        let members = properties.into_iter().flatten();
        let fields = members.map(|(key, schema)| {
            let is_required = required.contains(key.as_str());
            self.field(
                schema,
                format!("{name}/{}", escaped(key)),
                key.clone(),
                is_required,
                depth + 1,
            )
        });
        fields.collect()
    }

    fn rows(&self, target: &'r Value, name: &str, depth: usize) -> Vec<Field> {
        let Some(items) = target.get("items") else {
            return Vec::new();
        };
        let count = match self.filled {
            Some(filled) => {
                let more = filled.all("add").any(|place| place == name);
                rows_of(filled, name) + usize::from(more)
            }
            None => {
                let least = target.get("minItems").and_then(Value::as_u64).unwrap_or(0);
                usize::try_from(least).unwrap_or(ROWS_MAX).max(1)
            }
        };
        let rows = (0..count.min(ROWS_MAX)).map(|index| {
            self.field(
                items,
                format!("{name}/{index}"),
                format!("{}", index + 1),
                false,
                depth + 1,
            )
        });
        rows.collect()
    }

    fn field(
        &self,
        schema: &'r Value,
        name: String,
        label: String,
        required: bool,
        depth: usize,
    ) -> Field {
        let target = self.target(schema);
        let said = |key: &str| schema.get(key).or_else(|| target.get(key));
        let widget = self.widget(schema, &name, depth);
        let default = said("default").or_else(|| said("examples").and_then(|them| them.get(0)));
        let default = default.filter(|_| required || said("default").is_some());
        let value = match (&widget, self.filled) {
            (Widget::Secret, _) => String::new(),
            (_, Some(filled)) => filled.raw(&name).unwrap_or_default().to_owned(),
            (Widget::Json, None) => default.map_or_else(String::new, |it| {
                serde_json::to_string_pretty(it).unwrap_or_default()
            }),
            (_, None) => default.map_or_else(String::new, |it| {
                it.as_str().map_or_else(|| it.to_string(), str::to_owned)
            }),
        };
        let checked = match self.filled {
            Some(filled) => filled.raw(&name).is_some(),
            None => default == Some(&Value::Bool(true)),
        };
        let place = name.strip_prefix(ROOT).unwrap_or_default();
        // What is said of a group's missing member is said at the member.
        let errors = self.faults.iter().filter(|fault| fault.place == place);
        Field {
            label,
            hint: said("description")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            required,
            value,
            checked,
            errors: errors.map(|fault| fault.what.clone()).collect(),
            widget,
            name,
        }
    }

    /// What a filled field says; none where it was left empty.
    fn value(
        &self,
        schema: &'r Value,
        name: &str,
        depth: usize,
        faults: &mut Vec<Fault>,
    ) -> Option<Value> {
        let filled = self.filled?;
        let target = self.target(schema);
        let raw = filled.raw(name);
        let mut wrong = |what: String| {
            let place = name.strip_prefix(ROOT).unwrap_or_default().to_owned();
            faults.push(Fault { place, what });
            None
        };
        match self.shape(schema, depth) {
            Shape::Fixed(value) => Some(value.clone()),
            Shape::Boolean => {
                // A box that is not checked is not sent; whether it was there, the field beside it says.
                let is_there = filled.raw(&format!("{name}?")).is_some();
                is_there.then(|| Value::Bool(raw.is_some()))
            }
            Shape::Secret if self.kind(target) != Some("string") => {
                let text = raw.filter(|text| !text.is_empty())?;
                // The parser quotes nothing of it.
                match serde_json::from_str(text) {
                    Ok(value) => Some(value),
                    Err(error) => wrong(format!("not JSON: {error}")),
                }
            }
            Shape::Secret | Shape::Text { .. } => {
                let text = raw?.replace("\r\n", "\n");
                (!text.is_empty()).then_some(Value::String(text))
            }
            Shape::Number { whole } => {
                let text = raw?.trim();
                if text.is_empty() {
                    return None;
                }
                match number(text, whole) {
                    Some(number) => Some(Value::Number(number)),
                    None => wrong(format!(
                        "`{text}` is no {}number",
                        if whole { "whole " } else { "" }
                    )),
                }
            }
            Shape::Choice(values) => {
                let text = raw.filter(|text| !text.is_empty())?;
                match values.into_iter().find(|value| *value.to_string() == *text) {
                    Some(value) => Some(value.clone()),
                    None => wrong(format!("`{text}` is none of the choices")),
                }
            }
            Shape::Group if raw.is_none() => {
                // A schema may go round; what was filled in does not.
                let prefix = format!("{name}/");
                let is_there = filled.pairs().any(|(key, _)| key.starts_with(&prefix));
                if depth > 0 && !is_there {
                    return None;
                }
                let properties = target.get("properties").and_then(Value::as_object);
                let mut object = Map::new();
                for (key, schema) in properties.into_iter().flatten() {
                    let place = format!("{name}/{}", escaped(key));
                    if let Some(value) = self.value(schema, &place, depth + 1, faults) {
                        object.insert(key.clone(), value);
                    }
                }
                // A group in which nothing was written is left out. A box is there whether it is checked or not.
                let is_written = object.values().any(|value| *value != Value::Bool(false));
                (depth == 0 || is_written).then_some(Value::Object(object))
            }
            Shape::List if raw.is_none() => {
                let items = target.get("items")?;
                let rows = rows_of(filled, name);
                let values: Vec<Value> = (0..rows)
                    .filter_map(|index| {
                        self.value(items, &format!("{name}/{index}"), depth + 1, faults)
                    })
                    .collect();
                (rows > 0).then_some(Value::Array(values))
            }
            // Also what was a group or a list too many.
            Shape::Group | Shape::List | Shape::Json => {
                let text = raw.map(str::trim).filter(|text| !text.is_empty())?;
                match serde_json::from_str(text) {
                    Ok(value) => Some(value),
                    Err(error) => wrong(format!("not JSON: {error}")),
                }
            }
        }
    }
}

fn required(target: &Value) -> BTreeSet<&str> {
    let names = target.get("required").and_then(Value::as_array);
    names
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// How many rows a filled list has.
fn rows_of(filled: &Fields, name: &str) -> usize {
    let prefix = format!("{name}/");
    let indexes = filled.pairs().filter_map(|(key, _)| {
        let rest = key.strip_prefix(&prefix)?;
        rest.split(['/', '?']).next()?.parse::<usize>().ok()
    });
    indexes
        .max()
        .map_or(0, |last| last.saturating_add(1))
        .min(ROWS_MAX)
}

fn number(text: &str, whole: bool) -> Option<Number> {
    match serde_json::from_str::<Value>(text).ok()? {
        Value::Number(number) if !whole || number.is_i64() || number.is_u64() => Some(number),
        _ => None,
    }
}

/// As JSON pointers write a name.
fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
