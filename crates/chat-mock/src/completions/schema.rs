//! Values that fit a JSON schema.
//!
//! It knows what the schemas of the usual clients have: types, properties, `enum`, `const`, `$ref` and unions. Of a
//! union, it takes the first member, or null inside a `$ref`, so that a schema that refers to itself ends. Formats and
//! limits are ignored.

use serde_json::{Map, Value, json};

/// The maximum depth of a value. Not all schemas that refer to themselves end.
const MAX_DEPTH: usize = 16;

/// The maximum number of values. What is over a maximum is null.
const MAX_VALUES: usize = 1000;

/// Returns a value with the required properties, or all if none is required. Its strings are this text.
pub(crate) fn full(schema: &Value, text: &str) -> Value {
    Sample { root: schema, text, optional: true, left: MAX_VALUES, references: 0 }.value(schema, MAX_DEPTH)
}

/// Returns a value with only the required properties. Its strings are this text.
pub(crate) fn required(schema: &Value, text: &str) -> Value {
    Sample { root: schema, text, optional: false, left: MAX_VALUES, references: 0 }.object(schema, MAX_DEPTH)
}

struct Sample<'s> {
    /// The schema that a `$ref` starts from.
    root: &'s Value,
    text: &'s str,
    /// Whether an object without required properties has all of them.
    optional: bool,
    /// The number of values that may still be made.
    left: usize,
    /// The number of references that are being followed.
    references: usize,
}

impl Sample<'_> {
    fn value(&mut self, schema: &Value, depth: usize) -> Value {
        if depth == 0 || self.left == 0 {
            return Value::Null;
        }
        self.left -= 1;
        if let Some(fixed) = schema["enum"].get(0).or(schema.get("const")) {
            return fixed.clone();
        }
        if let Some(target) = self.target(schema) {
            self.references += 1;
            let value = self.value(target, depth - 1);
            self.references -= 1;
            return value;
        }
        if let Some(members) = ["anyOf", "oneOf", "allOf"].iter().find_map(|union| schema[union].as_array()) {
            let null = members.iter().find(|member| self.references > 0 && member["type"] == "null");
            return null.or(members.first()).map_or(Value::Null, |member| self.value(member, depth - 1));
        }
        match type_of(schema) {
            "object" => self.object(schema, depth - 1),
            "array" => json!([]),
            "integer" | "number" => json!(0),
            "boolean" => json!(false),
            "null" => Value::Null,
            _ => json!(self.text),
        }
    }

    fn object(&mut self, schema: &Value, depth: usize) -> Value {
        let properties = &schema["properties"];
        let required = schema["required"].as_array().filter(|names| !names.is_empty());
        let names: Vec<&str> = match (required, properties.as_object()) {
            (Some(names), _) => names.iter().filter_map(Value::as_str).collect(),
            (None, Some(all)) if self.optional => all.keys().map(String::as_str).collect(),
            _ => Vec::new(),
        };
        let fields = names.into_iter().map(|name| (name.to_owned(), self.value(&properties[name], depth)));
        Value::Object(fields.collect::<Map<_, _>>())
    }
}

impl<'s> Sample<'s> {
    /// Returns the schema that a schema refers to.
    fn target(&self, schema: &Value) -> Option<&'s Value> {
        self.root.pointer(schema["$ref"].as_str()?.strip_prefix('#')?)
    }
}

/// Returns the type of a schema. It is the first that is not null, and a string if nothing says what it is.
fn type_of(schema: &Value) -> &str {
    match &schema["type"] {
        Value::String(name) => name,
        Value::Array(names) => names.iter().filter_map(Value::as_str).find(|name| *name != "null").unwrap_or("null"),
        _ if schema["properties"].is_object() => "object",
        _ => "string",
    }
}
