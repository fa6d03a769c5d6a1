//! The JSON Schema of the configuration, for editors.
//!
//! Made from the tables of fields. It knows what a single value may be; what several values mean together (names that
//! must exist, keys that exclude each other) only the checker knows.

use serde_json::{Map, Value, json};

use crate::file::ROOTS;
use crate::file::describe::{Describe, Presence, Shape, reachable};

/// The schema, draft 2020-12. A file with `proxy` at the top is held against the shape of "host services".
pub fn schema() -> Value {
    let mut definitions = Map::new();
    for root in ROOTS {
        for table in reachable(root) {
            definitions.insert(key(table.name()), mapping(table));
        }
    }
    let [own, host_services] = ROOTS.map(|root| json!({ "$ref": reference(root.name()) }));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Weir configuration",
        "type": "object",
        "if": { "required": ["proxy"] },
        "then": host_services,
        "else": { "allOf": [own, needs_services()] },
        "$defs": definitions,
    })
}

/// There are services, unless every listener speaks something else than HTTP.
fn needs_services() -> Value {
    let other = json!({ "type": "object", "required": ["protocol"] });
    let listen = json!({ "anyOf": [other, { "type": "array", "items": other }] });
    json!({
        "anyOf": [{ "required": ["services"] }, { "required": ["listen"], "properties": { "listen": listen } }],
    })
}

fn key(name: &str) -> String {
    name.replace(' ', "_")
}

fn reference(name: &str) -> String {
    format!("#/$defs/{}", key(name))
}

fn mapping(table: &'static dyn Describe) -> Value {
    let mut properties = Map::new();
    let mut required = Vec::new();
    for field in table.fields() {
        let mut value = shape(&field.shape);
        if let Some(object) = value.as_object_mut() {
            object.insert("description".to_owned(), field.doc.into());
            if let Presence::Default(default) = field.presence {
                object.insert("default".to_owned(), default_value(&field.shape, default));
            }
        }
        if field.presence == Presence::Required {
            required.push(field.name);
        }
        properties.insert(field.name.to_owned(), value);
    }
    json!({
        "description": table.doc(),
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// A default as JSON: numbers and truth values are no texts there.
fn default_value(shape: &Shape, default: &str) -> Value {
    match shape {
        Shape::Integer { .. } | Shape::Boolean => {
            serde_json::from_str(default).unwrap_or_else(|_| default.into())
        }
        _ => default.into(),
    }
}

/// A text that holds a variable of the environment may stand wherever a text, a number or a truth value may.
const VARIABLE: &str = r"\$\{";

fn shape(shape: &Shape) -> Value {
    let or_variable = |value: Value| json!({ "anyOf": [value, { "type": "string", "pattern": VARIABLE }] });
    match shape {
        // Numbers and truth values without quotes are taken as the texts they are.
        Shape::Text { pattern: "", .. } => json!({ "type": ["string", "number", "boolean"] }),
        Shape::Text { pattern, .. } => {
            json!({ "type": "string", "pattern": format!("({pattern})|{VARIABLE}") })
        }
        Shape::Words(words) => or_variable(json!({ "enum": written(words) })),
        Shape::Boolean => or_variable(json!({ "type": "boolean" })),
        Shape::True => json!({ "const": true }),
        Shape::Integer { min, max } => {
            // JSON Schema tools hold numbers as doubles; a bound they cannot hold is left out.
            let bound = if *max < (1 << 53) {
                json!({ "type": "integer", "minimum": min, "maximum": max })
            } else {
                json!({ "type": "integer", "minimum": min })
            };
            or_variable(bound)
        }
        Shape::Seconds => or_variable(json!({ "type": "number", "minimum": 0.001, "maximum": 86400 })),
        Shape::List { of, min, max } => {
            let mut list = json!({ "type": "array", "items": self::shape(of), "minItems": min });
            if let (Some(max), Some(object)) = (max, list.as_object_mut()) {
                object.insert("maxItems".to_owned(), json!(max));
            }
            list
        }
        Shape::Either(several) => json!({ "anyOf": several.iter().map(self::shape).collect::<Vec<_>>() }),
        Shape::Mapping(table) => json!({ "$ref": reference(table.name()) }),
        Shape::Named { pattern, of, .. } => json!({
            "type": "object",
            "propertyNames": { "pattern": pattern },
            "additionalProperties": self::shape(of),
        }),
    }
}

/// The words as an editor may see them: `1.2` without quotes is a number there.
fn written(words: &[&str]) -> Vec<Value> {
    let number = |word: &&str| serde_json::from_str::<Value>(word).ok().filter(Value::is_number);
    words.iter().map(|word| Value::from(*word)).chain(words.iter().filter_map(number)).collect()
}

#[cfg(test)]
mod tests;
