use serde_json::json;

use super::*;

fn filled(pairs: &[(&str, &str)]) -> Fields {
    let mut text = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        text.append_pair(name, value);
    }
    Fields::parse(text.finish().as_bytes())
}

fn schema() -> Value {
    json!({
        "type": "object",
        "required": ["name", "count", "address"],
        "properties": {
            "name": { "type": "string", "description": "whose" },
            "count": { "type": "integer", "minimum": 1, "default": 3 },
            "share": { "type": ["number", "null"] },
            "loud": { "type": "boolean", "default": true },
            "size": { "enum": ["small", "large"] },
            "mode": { "oneOf": [{ "const": 1 }, { "const": 2 }] },
            "address": { "$ref": "#/$defs/Address" },
            "other": { "anyOf": [{ "$ref": "#/$defs/Address" }, { "type": "null" }] },
            "tags": { "type": "array", "items": { "type": "string" } },
            "any": true,
            "map": { "type": "object", "additionalProperties": { "type": "string" } },
            "pin": { "type": "string", "writeOnly": true },
            "a/b": { "type": "string" },
        },
        "$defs": { "Address": { "type": "object", "required": ["street"], "properties": { "street": { "type": "string" }, "floor": { "type": "integer" } } } },
    })
}

fn member<'f>(form: &'f Field, name: &str) -> &'f Field {
    let Widget::Group(members) = &form.widget else {
        panic!("{form:?}");
    };
    members
        .iter()
        .find(|member| member.name == name)
        .unwrap_or_else(|| panic!("{name} in {form:#?}"))
}

#[test]
fn every_kind_of_value_has_its_field() {
    let form = form(&schema(), None, &[]);
    let widget = |name: &str| member(&form, name).widget.clone();
    assert_eq!(widget("input/name"), Widget::Text { long: false });
    assert!(member(&form, "input/name").required);
    assert_eq!(member(&form, "input/name").hint, "whose");
    assert_eq!(
        widget("input/count"),
        Widget::Number {
            whole: true,
            min: Some("1".to_owned()),
            max: None
        }
    );
    assert_eq!(member(&form, "input/count").value, "3");
    assert!(matches!(
        widget("input/share"),
        Widget::Number { whole: false, .. }
    ));
    assert_eq!(widget("input/loud"), Widget::Boolean);
    assert!(member(&form, "input/loud").checked);
    assert!(
        matches!(widget("input/size"), Widget::Choice(options) if options[1].value == "\"large\"" && options[1].shown == "large")
    );
    assert!(matches!(widget("input/mode"), Widget::Choice(options) if options[0].value == "1"));
    assert!(matches!(widget("input/other"), Widget::Group(_)));
    assert!(matches!(widget("input/tags"), Widget::List(rows) if rows.len() == 1));
    assert_eq!(widget("input/any"), Widget::Json);
    assert_eq!(widget("input/map"), Widget::Json);
    assert_eq!(widget("input/pin"), Widget::Secret);
    assert_eq!(member(&form, "input/a~1b").label, "a/b");
    assert!(!has_fields(&json!(true)) && has_fields(&schema()));
    assert_eq!(super::form(&json!({}), None, &[]).value, "{}");
}

#[test]
fn a_filled_form_is_the_input_that_it_says() {
    let fields = filled(&[
        ("input/name", "Ada"),
        ("input/count", "7"),
        ("input/share", "0.5"),
        ("input/loud?", ""),
        ("input/size", "\"large\""),
        ("input/mode", "2"),
        ("input/address/street", "Main\r\nStreet"),
        ("input/address/floor", ""),
        ("input/other/street", ""),
        ("input/tags/0", "a"),
        ("input/tags/1", ""),
        ("input/tags/2", "c"),
        ("input/any", "[1]"),
        ("input/map", ""),
        ("input/pin", "1234"),
        ("input/a~1b", "x"),
    ]);
    let expected = json!({
        "name": "Ada", "count": 7, "share": 0.5, "loud": false, "size": "large", "mode": 2,
        "address": { "street": "Main\nStreet" }, "tags": ["a", "c"], "any": [1], "pin": "1234", "a/b": "x",
    });
    let said = input(&schema(), &fields).expect("can be read");
    assert_eq!(said, expected);
}

#[test]
fn what_cannot_be_read_is_said_at_its_field() {
    let fields = filled(&[
        ("input/name", ""),
        ("input/count", "1.5"),
        ("input/any", "{"),
        ("input/size", "\"huge\""),
        ("input/pin", "canary"),
    ]);
    let faults = input(&schema(), &fields).expect_err("cannot be read");
    let places: Vec<&str> = faults.iter().map(|fault| fault.place.as_str()).collect();
    assert_eq!(places.len(), 3, "{faults:?}");
    for place in ["/count", "/any", "/size"] {
        assert!(places.contains(&place), "{place}: {faults:?}");
    }
    let form = form(&schema(), Some(&fields), &faults);
    assert_eq!(
        member(&form, "input/count").errors,
        ["`1.5` is no whole number"]
    );
    assert_eq!(member(&form, "input/count").value, "1.5");
    // A secret is not in the page again.
    assert_eq!(member(&form, "input/pin").value, "");
    // A row more, where that was asked for.
    let fields = filled(&[("input/tags/0", "a"), ("add", "input/tags")]);
    let form = super::form(&schema(), Some(&fields), &[]);
    assert!(
        matches!(&member(&form, "input/tags").widget, Widget::List(rows) if rows.len() == 2 && rows[0].value == "a")
    );
}

#[test]
fn schemas_that_go_round_or_mean_nothing_end() {
    let round = json!({ "$ref": "#/$defs/A", "$defs": { "A": { "type": "object", "properties": { "next": { "$ref": "#/$defs/A" } } } } });
    let form = form(&round, None, &[]);
    assert!(matches!(form.widget, Widget::Group(_)));
    for schema in [
        json!({ "$ref": "#" }),
        json!({ "$ref": "#/nowhere" }),
        json!(false),
        json!({ "type": 7 }),
        json!({ "enum": 3 }),
    ] {
        assert_eq!(
            super::form(&schema, None, &[]).widget,
            Widget::Json,
            "{schema}"
        );
        assert_eq!(
            input(&schema, &filled(&[("input", "1")])),
            Ok(json!(1)),
            "{schema}"
        );
    }
}

#[test]
fn a_schema_that_grows_at_each_turn_has_a_form_of_bounded_size() {
    let names = (0..40).map(|n| (format!("p{n}"), json!({ "$ref": "#" })));
    let schema = json!({ "type": "object", "properties": names.collect::<Map<String, Value>>() });
    fn count(field: &Field) -> usize {
        match &field.widget {
            Widget::Group(fields) | Widget::List(fields) => {
                1 + fields.iter().map(count).sum::<usize>()
            }
            _ => 1,
        }
    }
    let form = form(&schema, None, &[]);
    assert!(count(&form) < 10_000, "{}", count(&form));
    // What is JSON for want of room is read as JSON.
    let fields = filled(&[("input/p39", "{\"p1\":{}}")]);
    assert_eq!(input(&schema, &fields), Ok(json!({ "p39": { "p1": {} } })));
}
