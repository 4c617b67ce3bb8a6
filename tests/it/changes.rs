//! Changes of the document: one that breaks clients which were generated from the last released document
//! needs a new major version. `tests/fixtures/released.yaml` is that document; a release replaces it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::specification::document;

fn released() -> Value {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/released.yaml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// A walk through two documents at once, which notes what breaks clients.
struct Comparison<'a> {
    old: &'a Value,
    new: &'a Value,
    breaks: Vec<String>,
}

fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

fn texts(value: &Value) -> BTreeSet<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// What a reference points to, wherever it stands; the name of a type is part of generated clients.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(&reference[1..]).unwrap_or(&Value::Null),
        None => value,
    }
}

impl<'a> Comparison<'a> {
    fn of(old: &'a Value, new: &'a Value) -> Vec<String> {
        let mut comparison = Self { old, new, breaks: Vec::new() };
        comparison.documents();
        comparison.breaks
    }

    fn breaks(&mut self, place: &str, what: impl Into<String>) {
        self.breaks.push(format!("{place}: {}", what.into()));
    }

    fn none_is_removed(&mut self, place: &str, old: &Value, new: &Value) {
        for name in keys(old).difference(&keys(new)) {
            self.breaks(place, format!("{name} is removed"));
        }
    }

    fn documents(&mut self) {
        let (old, new) = (self.old, self.new);
        self.none_is_removed("paths", &old["paths"], &new["paths"]);
        for kind in ["schemas", "securitySchemes"] {
            self.none_is_removed(kind, &old["components"][kind], &new["components"][kind]);
        }
        let urls = |document: &'a Value| -> BTreeSet<&'a str> {
            document["servers"].as_array().into_iter().flatten().filter_map(|server| server["url"].as_str()).collect()
        };
        for url in urls(old).difference(&urls(new)) {
            self.breaks("servers", format!("{url} is removed"));
        }
        for name in keys(&old["components"]["securitySchemes"]) {
            let scheme = |document: &'a Value| {
                let scheme = &document["components"]["securitySchemes"][name];
                json!([scheme["type"], scheme["scheme"], scheme["flows"]])
            };
            if scheme(old) != scheme(new) {
                self.breaks(name, "the security scheme is another one");
            }
        }
        for path in keys(&old["paths"]).intersection(&keys(&new["paths"])) {
            let (old, new) = (&old["paths"][path], &new["paths"][path]);
            self.none_is_removed(path, old, new);
            for method in keys(old).intersection(&keys(new)) {
                self.operations(&format!("{method} {path}"), &old[method], &new[method]);
            }
        }
        for name in keys(&old["components"]["schemas"]).intersection(&keys(&new["components"]["schemas"])) {
            self.schemas(name, &old["components"]["schemas"][name], &new["components"]["schemas"][name]);
        }
    }

    fn operations(&mut self, place: &str, old: &'a Value, new: &'a Value) {
        for member in ["operationId", "tags"] {
            if old[member] != new[member] {
                self.breaks(place, format!("{member} is another one: generated clients have names from it"));
            }
        }
        let parameters = |document: &'a Value, operation: &'a Value| -> Vec<&'a Value> {
            operation["parameters"].as_array().into_iter().flatten().map(|one| resolved(document, one)).collect()
        };
        let (old_parameters, new_parameters) = (parameters(self.old, old), parameters(self.new, new));
        let same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
        for parameter in &old_parameters {
            let name = parameter["name"].as_str().unwrap_or_default();
            match new_parameters.iter().find(|other| same(parameter, other)) {
                None => self.breaks(place, format!("the parameter {name} is removed")),
                Some(other) => {
                    if parameter["required"] != json!(true) && other["required"] == json!(true) {
                        self.breaks(place, format!("the parameter {name} is required now"));
                    }
                    self.schemas(&format!("{place}, {name}"), &parameter["schema"], &other["schema"]);
                }
            }
        }
        for parameter in &new_parameters {
            let is_new = !old_parameters.iter().any(|other| same(parameter, other));
            if is_new && parameter["required"] == json!(true) {
                self.breaks(place, format!("the parameter {} is new and required", parameter["name"]));
            }
        }
        let order = |parameters: &[&'a Value]| -> Vec<&'a str> {
            parameters.iter().filter_map(|parameter| parameter["name"].as_str()).collect()
        };
        if !order(&new_parameters).starts_with(&order(&old_parameters)) {
            self.breaks(place, "the parameters have another order: many generated clients have them by position");
        }
        self.none_is_removed(place, &old["responses"], &new["responses"]);
        for status in keys(&old["responses"]).intersection(&keys(&new["responses"])) {
            let place = format!("{place}, {status}");
            let old = resolved(self.old, &old["responses"][status]);
            let new = resolved(self.new, &new["responses"][status]);
            self.none_is_removed(&place, &old["headers"], &new["headers"]);
            self.none_is_removed(&place, &old["content"], &new["content"]);
            for kind in keys(&old["content"]).intersection(&keys(&new["content"])) {
                self.schemas(&place, &old["content"][kind]["schema"], &new["content"][kind]["schema"]);
            }
        }
    }

    fn schemas(&mut self, place: &str, old: &'a Value, new: &'a Value) {
        // Also what other tools rate as harmless in a response: a list of values that closes, a new required
        // member, a narrowed type or format. Clients fail on all of them.
        for member in ["$ref", "type", "format", "default", "additionalProperties"] {
            if old[member] != new[member] {
                self.breaks(place, format!("{member} is {}, was {}", new[member], old[member]));
            }
        }
        for member in ["pattern", "maxLength", "minLength", "maxItems", "minItems", "maximum", "minimum"] {
            if !new[member].is_null() && old[member] != new[member] {
                self.breaks(place, format!("{member} is {}, was {}", new[member], old[member]));
            }
        }
        if old["nullable"] == json!(true) && new["nullable"] != json!(true) {
            self.breaks(place, "null is not allowed any more");
        }
        if !new["enum"].is_null() && (old["enum"].is_null() || texts(&old["enum"]) != texts(&new["enum"])) {
            self.breaks(place, "the list of values is closed, or another one");
        }
        for value in texts(&old["x-extensible-enum"]).difference(&texts(&new["x-extensible-enum"])) {
            self.breaks(place, format!("the value {value} is not listed any more"));
        }
        for required in texts(&new["required"]).difference(&texts(&old["required"])) {
            self.breaks(place, format!("{required} is required now"));
        }
        self.none_is_removed(place, &old["properties"], &new["properties"]);
        for member in keys(&old["properties"]).intersection(&keys(&new["properties"])) {
            let place = format!("{place}.{member}");
            self.schemas(&place, &old["properties"][member], &new["properties"][member]);
        }
        if !old["items"].is_null() {
            self.schemas(&format!("{place}[]"), &old["items"], &new["items"]);
        }
        for combination in ["allOf", "anyOf", "oneOf"] {
            let (old, new) = (&old[combination], &new[combination]);
            let length = |value: &Value| value.as_array().map_or(0, Vec::len);
            if length(old) != length(new) {
                self.breaks(place, format!("{combination} has another length"));
            }
            for part in 0..length(old).min(length(new)) {
                self.schemas(place, &old[part], &new[part]);
            }
        }
    }
}

/// `MAJOR.MINOR.PATCH`, and nothing else.
fn version(document: &Value) -> [u64; 3] {
    let text = document["info"]["version"].as_str().unwrap();
    let parts: Vec<_> = text.split('.').map(|part| part.parse().unwrap()).collect();
    parts.try_into().unwrap()
}

#[test]
fn a_change_that_breaks_clients_needs_a_new_major_version() {
    let (old, new) = (released(), document());
    let breaks = Comparison::of(&old, &new);
    let ([major, ..], [released, ..]) = (version(&new), version(&old));
    assert!(
        breaks.is_empty() || major > released,
        "this breaks clients of the released document, so its version has to be {}.0.0:\n{}",
        released + 1,
        breaks.join("\n"),
    );
}

#[test]
fn a_version_does_not_go_back() {
    assert!(version(&document()) >= version(&released()));
}

#[test]
fn changes_that_break_clients_are_found() {
    let changes: [(&str, &str, Value); 21] = [
        ("/paths/~1v1~1customers~1{customer-id}~1deviceBatches", "is removed", Value::Null),
        ("/paths/~1v1~1customers~1{customer-id}~1deviceBatches/get/operationId", "operationId", json!("listBatches")),
        ("/paths/~1v1~1customers~1{customer-id}~1deviceBatches/get/responses/404", "404 is removed", Value::Null),
        ("/paths/~1v1~1customers~1{customer-id}~1deviceBatches/get/parameters/0", "the parameter", Value::Null),
        ("/components/parameters/XLocale/required", "X-Locale is required now", json!(true)),
        ("/components/parameters/XLocale/schema/default", "default is", json!("de-DE")),
        ("/components/responses/TooManyRequests/headers/Retry-After", "Retry-After is removed", Value::Null),
        ("/components/responses/NotFound/content/application~1json", "application/json is removed", Value::Null),
        ("/components/securitySchemes/bearer", "bearer is removed", Value::Null),
        ("/components/schemas/KeyValuePair", "KeyValuePair is removed", Value::Null),
        ("/components/schemas/DeviceBatch/properties/createdBy", "createdBy is removed", Value::Null),
        ("/components/schemas/DeviceBatch/required", "id is required now", json!(["id"])),
        ("/components/schemas/DeviceBatch/additionalProperties", "additionalProperties is false", json!(false)),
        ("/components/schemas/DeviceBatch/properties/devicesCount/format", "format is \"int64\"", json!("int64")),
        ("/components/schemas/DeviceBatch/properties/id/nullable", "null is not allowed", json!(false)),
        ("/components/schemas/DeviceBatch/properties/id/maxLength", "maxLength is 10", json!(10)),
        ("/components/schemas/DeviceBatch/properties/id/format", "format is \"uuid\"", json!("uuid")),
        ("/components/schemas/PartnerDateTime/format", "format is \"date-time\"", json!("date-time")),
        ("/components/schemas/UploadStatus/enum", "the list of values is closed", json!(["finished"])),
        ("/components/schemas/UploadStatus/x-extensible-enum", "is not listed any more", json!(["finished"])),
        ("/components/schemas/ApiFault/properties/code/type", "type is \"string\"", json!("string")),
    ];
    let old = document();
    for (place, found, value) in changes {
        let mut new = old.clone();
        let (parent, member) = place.rsplit_once('/').unwrap();
        let member = member.replace("~1", "/");
        match new.pointer_mut(parent).unwrap() {
            Value::Object(members) if value.is_null() => drop(members.remove(&member)),
            Value::Array(items) => drop(items.remove(member.parse().unwrap())),
            other => other[member] = value,
        }
        let breaks = Comparison::of(&old, &new);
        assert!(breaks.iter().any(|one| one.contains(found)), "{place}: {breaks:?}");
    }
}

#[test]
fn changes_that_break_no_clients_are_let_through() {
    let old = document();
    let mut new = old.clone();
    new["info"]["description"] = json!("Other words.");
    new["components"]["schemas"]["DeviceBatch"]["properties"]["groupTag"] = json!({ "type": "string" });
    new["components"]["schemas"]["DeviceBatch"]["properties"]["id"]["description"] = json!("Other words.");
    new["components"]["schemas"]["UploadStatus"]["x-extensible-enum"].as_array_mut().unwrap().push(json!("pending"));
    new["components"]["schemas"]["Device"] = json!({ "type": "object" });
    new["paths"]["/v1/customers/{customer-id}/deviceBatches"]["get"]["responses"]["418"] = json!({ "description": "" });
    assert_eq!(Comparison::of(&old, &new), Vec::<String>::new());
}
