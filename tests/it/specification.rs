//! The specification: valid in itself, word for word with the documents, and what drives the build.

use std::fs;
use std::path::{Path, PathBuf};

use partner_center_devices::Cloud;
use serde_json::{Value, json};

use crate::server::documented;

const DOCUMENT: &str = "openapi/partner-center-devices.yaml";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn document() -> Value {
    let text = fs::read_to_string(root().join(DOCUMENT)).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

/// OpenAPI 3.0 says `nullable` where JSON Schema has a second type.
fn as_json_schema(value: &mut Value) {
    match value {
        Value::Object(members) => {
            if members.remove("nullable") == Some(json!(true)) {
                let kind = members["type"].clone();
                members.insert("type".to_owned(), json!([kind, "null"]));
            }
            members.values_mut().for_each(as_json_schema);
        }
        Value::Array(items) => items.iter_mut().for_each(as_json_schema),
        _ => {}
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => document.pointer(reference.strip_prefix('#').unwrap()).expect(reference),
        None => value,
    }
}

/// What judges values by a schema of the document.
fn validator(document: &Value, schema: Value) -> jsonschema::Validator {
    let mut root = document.clone();
    as_json_schema(&mut root);
    root["allOf"] = json!([schema]);
    jsonschema::draft4::new(&root).unwrap()
}

/// Each named example with the schema of the place that shows it.
fn examples_with_schemas(document: &Value) -> Vec<(String, Value, Value)> {
    let mut found = Vec::new();
    for path in document["paths"].as_object().unwrap().values() {
        for response in path["get"]["responses"].as_object().unwrap().values() {
            let content = &resolve(document, response)["content"]["application/json"];
            for example in content["examples"].as_object().into_iter().flat_map(|examples| examples.values()) {
                let name = example["$ref"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
                found.push((name, resolve(document, example)["value"].clone(), content["schema"].clone()));
            }
        }
    }
    found
}

#[test]
fn every_example_is_shown_somewhere_and_validates_against_its_schema() {
    let document = document();
    let examples = examples_with_schemas(&document);
    for (name, value, schema) in &examples {
        let validator = validator(&document, schema.clone());
        let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{name}: {errors:?}");
        let wrong = if name.starts_with("Fault") { json!({ "description": 1 }) } else { json!({ "attributes": 1 }) };
        assert!(!validator.is_valid(&wrong), "the schema of {name} takes anything");
    }
    for name in document["components"]["examples"].as_object().unwrap().keys() {
        assert!(examples.iter().any(|(shown, ..)| shown == name), "{name} is shown nowhere");
    }
}

#[test]
fn the_documents_examples_stand_in_it_word_for_word() {
    let document = document();
    for (fixture, name) in [
        ("batch_upload_status.http", "BatchUploadDetailsDocumented"),
        ("device_batches.http", "DeviceBatchesDocumented"),
    ] {
        let bytes = documented(fixture);
        let body = &bytes[bytes.windows(4).position(|end| end == b"\r\n\r\n").unwrap()..];
        let printed: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(document["components"]["examples"][name]["value"], printed, "{name}");
    }
}

#[test]
fn it_describes_exactly_the_two_operations_and_their_errors() {
    let document = document();
    let mut operations = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        assert_eq!(item.as_object().unwrap().keys().collect::<Vec<_>>(), ["get"], "{path}");
        let operation = &item["get"];
        operations.push(operation["operationId"].as_str().unwrap());
        for member in ["summary", "description", "tags", "externalDocs"] {
            assert!(!operation[member].is_null(), "{path} has no {member}");
        }
        let responses = operation["responses"].as_object().unwrap();
        let statuses: Vec<_> = responses.keys().map(String::as_str).collect();
        let documented = [200, 400, 401, 403, 404, 405, 406, 408, 409, 412, 429, 500, 501, 502, 503, 504];
        assert_eq!(statuses, documented.map(|status| status.to_string()));
        for status in &statuses[1..] {
            let response = resolve(&document, &responses[*status]);
            assert_eq!(response["content"]["application/json"]["schema"]["$ref"], "#/components/schemas/ApiFault");
            let throttling = ["429", "503"].contains(status);
            assert_eq!(response["headers"]["Retry-After"].is_object(), throttling, "{status}");
        }
        for header in ["MS-RequestId", "MS-CorrelationId", "MS-CV", "MS-ServerId"] {
            assert!(responses["200"]["headers"][header].is_object(), "{path}: {header}");
        }
    }
    operations.sort_unstable();
    assert_eq!(operations, ["getBatchUploadStatus", "getDeviceBatches"]);

    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["bearer"]["scheme"], "bearer");
    let mut accepted = vec![json!({ "bearer": [] })];
    for (name, cloud) in [("oauth2", Cloud::GLOBAL), ("oauth2China", Cloud::CHINA)] {
        let scope = format!("{}/.default", cloud.base_url());
        for (flow, urls) in [("clientCredentials", 1), ("authorizationCode", 3)] {
            let flow = &schemes[name]["flows"][flow];
            assert_eq!(flow["scopes"].as_object().unwrap().keys().collect::<Vec<_>>(), [&scope], "{name}");
            let addresses: Vec<_> = flow.as_object().unwrap().values().filter_map(Value::as_str).collect();
            assert_eq!(addresses.len(), urls, "{name}");
            assert!(addresses.iter().all(|url| url.starts_with(cloud.authority())), "{name}: {addresses:?}");
        }
        accepted.push(json!({ name: [scope] }));
    }
    assert_eq!(document["security"], Value::from(accepted));
    let servers: Vec<_> = document["servers"].as_array().unwrap().iter().map(|server| &server["url"]).collect();
    assert_eq!(servers, [Cloud::GLOBAL.base_url(), Cloud::CHINA.base_url()]);
    assert_eq!(document["components"]["parameters"]["XLocale"]["schema"]["default"], "en-US");
}

#[test]
fn every_member_of_a_response_may_be_missing_or_null() {
    let document = document();
    for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
        let Some(members) = schema["properties"].as_object() else { continue };
        let null: Value = members.keys().map(|member| (member.clone(), Value::Null)).collect();
        let validator = validator(&document, json!({ "$ref": format!("#/components/schemas/{name}") }));
        for value in [&null, &json!({}), &json!({ "a member of tomorrow": 1 })] {
            let errors: Vec<_> = validator.iter_errors(value).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{name}: {errors:?}");
        }
    }
}

#[test]
fn the_generated_client_is_the_one_that_was_reviewed() {
    let generated = fs::read_to_string(Path::new(env!("OUT_DIR")).join("client.rs")).unwrap();
    let snapshot = root().join("tests/fixtures/client.rs.snapshot");
    if std::env::var_os("UPDATE_SNAPSHOT").is_some() {
        fs::write(&snapshot, &generated).unwrap();
    }
    let reviewed = fs::read_to_string(&snapshot).unwrap();
    let differs = generated.lines().zip(reviewed.lines()).position(|(new, old)| new != old);
    assert!(
        generated == reviewed,
        "the generated client differs from {} from line {:?} on; look at the change of the document or of progenitor, \
         then run the tests once with UPDATE_SNAPSHOT=1 and commit the file",
        snapshot.display(),
        differs.map(|line| line + 1),
    );
}
