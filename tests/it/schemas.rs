//! The JSON schemas that the feature `schemars` derives from the types, beside those of the document: code and
//! document cannot drift apart.

use std::collections::{BTreeMap, BTreeSet};

use partner_center_devices::models::*;
use schemars::{JsonSchema, schema_for};
use serde_json::{Value, json};

/// What a schema says of a value: its kind, and what matters for the kind.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Shape {
    Any,
    Scalar {
        kind: String,
        format: Option<String>,
        values: Vec<String>,
    },
    List(Box<Shape>),
    /// By name; those that must be there.
    Object(BTreeMap<String, Shape>, BTreeSet<String>),
    Named(String),
}

/// Reads a schema of either side. `null` says nothing: each member may be absent.
fn shape(schema: &Value) -> Shape {
    let choices = ["anyOf", "allOf"].iter().filter_map(|name| schema[*name].as_array()).flatten();
    if let Some(only) = { choices }.find(|choice| choice["type"] != "null") {
        return shape(only);
    }
    if let Some(reference) = schema["$ref"].as_str() {
        return Shape::Named(reference.rsplit('/').next().unwrap().to_owned());
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().find(|kind| *kind != "null").unwrap(),
        kind => kind,
    };
    let texts = |list: &Value| {
        list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    match kind.as_str() {
        None => Shape::Any,
        Some("array") => Shape::List(Box::new(shape(&schema["items"]))),
        Some("object") => {
            let members = schema["properties"].as_object().into_iter().flatten();
            Shape::Object(
                members.map(|(name, member)| (name.clone(), shape(member))).collect(),
                texts(&schema["required"]).into_iter().collect(),
            )
        }
        Some(kind) => {
            assert_eq!(schema.get("enum"), None, "a list of values stays open");
            let format = schema["format"].as_str().map(str::to_owned);
            Shape::Scalar { kind: kind.to_owned(), format, values: texts(&schema["x-extensible-enum"]) }
        }
    }
}

/// A shape with its names resolved one level, for a time has a name on one side only.
fn resolved(shape: Shape, named: &BTreeMap<String, Shape>) -> Shape {
    let is_time = |name: &str| matches!(&named[name], Shape::Scalar { format: Some(format), .. } if format == "partner-date-time");
    match shape {
        Shape::Named(name) if named.contains_key(&name) && is_time(&name) => Shape::Scalar {
            kind: "string".to_owned(),
            format: Some("partner-date-time".to_owned()),
            values: Vec::new(),
        },
        Shape::List(of) => Shape::List(Box::new(resolved(*of, named))),
        Shape::Object(members, required) => {
            Shape::Object(members.into_iter().map(|(name, member)| (name, resolved(member, named))).collect(), required)
        }
        shape => shape,
    }
}

fn derived<T: JsonSchema>() -> (String, Shape) {
    let schema = serde_json::to_value(schema_for!(T)).unwrap();
    (T::schema_name().into_owned(), shape(&schema))
}

#[test]
fn the_types_and_the_document_agree_on_every_schema() {
    let document = crate::specification::document();
    let schemas = document["components"]["schemas"].as_object().unwrap();
    let documented: BTreeMap<_, _> = schemas.iter().map(|(name, schema)| (name.clone(), shape(schema))).collect();
    let derived = BTreeMap::from([
        derived::<ApiFault>(),
        derived::<BatchTrackingId>(),
        derived::<BatchUploadDetails>(),
        derived::<CustomerId>(),
        derived::<DeviceBatch>(),
        derived::<DeviceBatchCollection>(),
        derived::<DeviceUploadDetails>(),
        derived::<KeyValuePair>(),
        derived::<Link>(),
        derived::<ResourceAttributes>(),
        derived::<ResourceLinks>(),
        derived::<UploadStatus>(),
    ]);
    for (name, documented_shape) in documented.iter().filter(|(name, _)| *name != "PartnerDateTime") {
        let derived = derived.get(name).unwrap_or_else(|| panic!("{name} is not among the models above"));
        assert_ne!(*derived, Shape::Any);
        assert_eq!(*derived, resolved(documented_shape.clone(), &documented), "{name}");
    }
}

#[test]
fn schemas_that_differ_are_told_apart() {
    let one = json!({ "type": "object", "properties": { "a": { "type": ["string", "null"] } } });
    for other in [
        json!({ "type": "object", "properties": { "a": { "type": "integer" } } }),
        json!({ "type": "object", "properties": { "a": { "type": "string", "format": "uuid" } } }),
        json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"] }),
        json!({ "type": "object", "properties": { "b": { "type": "string" } } }),
        json!({ "type": "object", "properties": { "a": { "$ref": "#/x/B" } } }),
    ] {
        assert_ne!(shape(&one), shape(&other), "{other}");
    }
}
