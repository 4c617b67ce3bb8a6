//! The specification: valid in itself, word for word with the documents, and what drives the build.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

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
fn every_member_of_an_answer_may_be_missing_or_null() {
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

/// Cargo tells copies of a crate apart by their files' times only, so there is one, used in turn.
static COPY: Mutex<()> = Mutex::new(());

/// A copy of the crate with another document, checked as cargo would for a user.
fn check_with_document(change: impl Fn(String) -> String, source: &str) -> (bool, String) {
    let _turn = COPY.lock().unwrap_or_else(PoisonError::into_inner);
    let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join("copy");
    let _ = fs::remove_dir_all(&copy);
    for folder in ["src", "openapi", "tests"] {
        fs::create_dir_all(copy.join(folder)).unwrap();
    }
    for file in ["Cargo.toml", "Cargo.lock", "build.rs", "README.md"] {
        fs::copy(root().join(file), copy.join(file)).unwrap();
    }
    copy_folder(&root().join("src"), &copy.join("src"));
    // Targets that the copy does not have.
    let manifest = fs::read_to_string(copy.join("Cargo.toml")).unwrap();
    let sections: Vec<_> = manifest.split("\n[").collect();
    let own = |section: &&&str| ["[test]]", "[example]]", "[bench]]"].iter().all(|start| !section.starts_with(start));
    let manifest = sections.iter().filter(own).copied().collect::<Vec<_>>().join("\n[");
    fs::write(copy.join("Cargo.toml"), manifest + "\n[workspace]\n").unwrap();
    fs::write(copy.join("tests/use.rs"), source).unwrap();
    let text = fs::read_to_string(root().join(DOCUMENT)).unwrap();
    fs::write(copy.join(DOCUMENT), change(text)).unwrap();

    let output = Command::new(env!("CARGO"))
        .args(["test", "--offline", "--test", "use", "--target-dir"])
        .arg(Path::new(env!("CARGO_TARGET_TMPDIR")).join("target-of-the-copy"))
        .current_dir(&copy)
        .env_remove("CARGO_MANIFEST_DIR")
        .env_remove("RUSTFLAGS")
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

const USE: &str = r###"
use partner_center_devices::models::{DeviceBatch, UploadStatus};

#[test]
fn new_member_and_status() {
    let batch: DeviceBatch = serde_json::from_str(BATCH).unwrap();
    assert_eq!(batch.group_tag.as_deref(), Some("a"));
    assert_eq!((batch.devices_count, batch.created_by.as_deref()), (Some(5), Some("b")));
    let none = (batch.seen, batch.weight, batch.is_new, batch.number, batch.owner);
    assert_eq!(none, (None, None, Some(true), Some(7), None));
    assert!(batch.tags.is_empty() && batch.words.is_empty());
    let _ = UploadStatus::PausedByOperator;
}

const BATCH: &str = r##"{"groupTag":"a","deviceCount":5,"creator":"b","seen":"","weight":"","isNew":"true",
    "number":"7","owner":"","tags":null,"words":null}"##;

"###;

#[test]
#[ignore = "slow: builds the crate anew; .ci/run runs it"]
fn a_new_member_and_a_new_status_in_the_document_are_in_the_types() {
    let unchanged = |text| text;
    let (built, log) = check_with_document(unchanged, USE);
    assert!(!built && log.contains("group_tag") && log.contains("PausedByOperator"), "{log}");

    let changed = |text: String| {
        let member = "        createdBy:\n";
        let status = "        - in-progress\n";
        assert!(text.contains(member) && text.contains(status));
        let further: String = [
            "groupTag: { type: string }",
            "seen: { type: string, format: date-time, nullable: true }",
            "weight: { type: number }",
            "isNew: { type: boolean }",
            "number: { type: integer, format: int64 }",
            "owner: { type: string, format: uuid }",
            "tags: { type: object, nullable: true, additionalProperties: { type: string } }",
            "words: { type: array, items: { type: string } }",
        ]
        .map(|member| format!("        {member}\n"))
        .concat();
        let aliased = format!("{further}{member}          x-alias: creator\n");
        text.replacen(member, &aliased, 1).replacen(status, &format!("{status}        - paused_by_operator\n"), 1)
    };
    let (built, log) = check_with_document(changed, USE);
    assert!(built, "{log}");
}

#[test]
#[ignore = "slow: builds the crate anew; .ci/run runs it"]
fn a_broken_document_fails_the_build_with_its_name_and_what_is_wrong() {
    let breaks: [(&str, &str, &str, &str); 17] = [
        ("not-yaml", "paths:\n", "paths: [\n", ""),
        ("no-operation-id", "      operationId: getDeviceBatches\n", "", "missing operation ID"),
        (
            "no-such-schema",
            "$ref: '#/components/schemas/KeyValuePair'",
            "$ref: '#/components/schemas/Nothing'",
            "Nothing",
        ),
        (
            "no-such-parameter",
            "$ref: '#/components/parameters/CustomerId'",
            "$ref: '#/components/parameters/Nothing'",
            "Nothing",
        ),
        ("no-paths", "paths:\n", "x-paths:\n", "paths"),
        ("no-such-example", "examples/FaultNotFound'", "examples/Nothing'", "examples/Nothing is not defined"),
        ("no-success", "        '200':\n", "        '201':\n", "has no response 200"),
        ("status-that-is-no-name", "- in-progress\n", "- 2nd-try\n", "\"2nd-try\" makes no variant of its own"),
        ("status-twice", "- in-progress\n", "- Queued\n", "\"Queued\" makes no variant of its own"),
        ("status-other", "- in-progress\n", "- other\n", "\"other\" makes no variant of its own"),
        ("no-list", "      x-extensible-enum:\n", "      x-extensible-enum: []\n      x-was:\n", "one value at least"),
        ("list-inside", "          x-alias: deviceCount\n", "          x-extensible-enum: [a]\n", "within DeviceBatch"),
        (
            "alias-no-text",
            "x-alias: deviceCount",
            "x-alias: 5",
            "x-alias of devicesCount in DeviceBatch: it is no text",
        ),
        ("alias-taken", "x-alias: deviceCount", "x-alias: createdBy", "another member has this name"),
        ("alias-of-list", "          description: The batches.\n", "          x-alias: list\n", "no list may have one"),
        ("a-post", "    get:\n", "    post: { responses: {} }\n    get:\n", "has post"),
        ("a-tab", "paths:\n", "\tpaths:\n", ""),
    ];
    for (name, from, to, says) in breaks {
        let (built, log) = check_with_document(|text| text.replacen(from, to, 1), "");
        assert!(!built, "{name}");
        assert!(log.contains(&format!("{DOCUMENT}: ")) && log.contains(says), "{name}: {log}");
        assert!(!log.contains("panicked"), "{name}: {log}");
        assert_eq!(log.matches("error: partner-center-devices@").count(), 1, "{name}: one message: {log}");
    }
}
