//! Writes the typed client from the specification in `openapi/`, at compile time.
//!
//! Reads top to bottom: watch, parse, check, trim, generate, adapt, print, write. Everything specific to
//! the service is in the document; here is only what progenitor cannot be told in it. A document that
//! cannot be built is reported in one sentence: the place in it, and what is wrong or not supported.

#[path = "build/adapt.rs"]
mod adapt;

use std::collections::BTreeSet;
use std::{any::Any, env, error::Error, fs, iter, panic, path::Path, process};

use openapiv3::OpenAPI;
use proc_macro2::TokenStream;
use progenitor::{GenerationSettings, Generator, HooksMode};
use quote::quote;
use serde_json::{Map, Value, json};

use crate::adapt::{OwnTypes, adapt, operations};

const DOCUMENT: &str = "openapi/partner-center-devices.yaml";

fn main() {
    println!("cargo::rerun-if-changed=openapi");
    println!("cargo::rerun-if-changed=build");
    if let Err(error) = run() {
        // The first line says it; the others may be a picture of the place.
        let text = error.to_string();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        println!("cargo::error={DOCUMENT}: {what}");
        process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(Path::new(&env::var("CARGO_MANIFEST_DIR")?).join(DOCUMENT))?;
    let mut document: Value = serde_saphyr::from_str(&text)?;
    match document["openapi"].as_str() {
        Some(version) if version.starts_with("3.0.") => _ = serde_saphyr::from_str::<OpenAPI>(&text)?,
        version => return Err(format!("openapi: {}: expected 3.0.x", version.unwrap_or("missing")).into()),
    }
    check_references(&document, &document)?;
    let examples = members(&document["components"]["examples"]);
    let examples: Map<_, _> = examples.map(|(name, example)| (name.clone(), example["value"].clone())).collect();
    let own = OwnTypes::of(&document)?;
    trim_operations(&mut document)?;
    trim_schemas(&mut document);
    document["components"]["schemas"][NUMBER] = json!({ "type": "string" });
    let mut client = adapt(syn::parse2(generate(&document, &own)?)?, &own)?;
    client.items.push(operations(&document));

    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("client.rs"), prettyplease::unparse(&client))?;
    fs::write(Path::new(&out).join("examples.json"), serde_json::to_string_pretty(&examples)?)?;
    Ok(())
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// A reference to nothing would pass unseen where progenitor does not look.
fn check_references(document: &Value, part: &Value) -> Result<(), String> {
    if let Some(reference) = part["$ref"].as_str().filter(|_| resolved(document, part) == part) {
        return Err(format!("{reference} is not defined in this document"));
    }
    let mut parts = members(part).map(|(_, member)| member).chain(part.as_array().into_iter().flatten());
    parts.try_for_each(|part| check_references(document, part))
}

/// What a reference points to, or the value itself.
fn resolved<'d>(document: &'d Value, value: &'d Value) -> &'d Value {
    value["$ref"].as_str().and_then(|reference| document.pointer(reference.strip_prefix('#')?)).unwrap_or(value)
}

/// Takes out what the send loop does itself: error responses, and header parameters.
fn trim_operations(document: &mut Value) -> Result<(), String> {
    let whole = document.clone();
    let trim_parameters = |part: &mut Value| {
        let parameters = part.get_mut("parameters").and_then(Value::as_array_mut);
        parameters.into_iter().for_each(|list| list.retain(|one| resolved(&whole, one)["in"] != "header"));
    };
    for (path, item) in document["paths"].as_object_mut().ok_or("paths: there are none")? {
        trim_parameters(item);
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            trim_parameters(operation);
            let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else { continue };
            let default = responses.remove("default").map(|response| ("2XX".to_owned(), response));
            responses.retain(|status, _| status.starts_with('2'));
            let default = default.filter(|_| responses.is_empty());
            responses.extend(default);
            let bodies = responses.values().map(|one| resolved(&whole, one)["content"]["application/json"].to_string());
            let what = match bodies.collect::<BTreeSet<_>>().len() {
                0 => "no response says success, such as 200",
                1 => continue,
                _ => "responses of success with different bodies are not supported",
            };
            return Err(format!("{} {path}: {what}", method.to_uppercase()));
        }
    }
    Ok(())
}

/// What the document says of values is for those who send them: the service is not checked against it.
#[rustfmt::skip]
const CONSTRAINTS: [&str; 18] = [
    "nullable", "default", "enum", "required", "pattern", "minLength", "maxLength", "minimum", "maximum",
    "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems", "uniqueItems", "minProperties",
    "maxProperties", "discriminator",
];

/// Stands for numbers with a fraction: floats can be neither compared nor hashed.
const NUMBER: &str = "JsonNumber";

/// Takes the constraints out of everything that is a schema.
fn trim_schemas(part: &mut Value) {
    if let Some(members) = part.as_object_mut() {
        let has = |name: &str, is: fn(&Value) -> bool| members.get(name).is_some_and(is);
        let is_schema =
            has("type", Value::is_string) || has("properties", Value::is_object) || has("enum", Value::is_array);
        if is_schema || ["allOf", "oneOf", "anyOf"].into_iter().any(|name| has(name, Value::is_array)) {
            // Members that are not listed are in the raw body.
            if has("properties", Value::is_object) || has("additionalProperties", Value::is_boolean) {
                members.remove("additionalProperties");
            }
            members.retain(|name, _| !CONSTRAINTS.contains(&name.as_str()));
            // The first choice that fits is read.
            let choices = members.remove("anyOf").map(|choices| ("oneOf".to_owned(), choices));
            members.extend(choices);
        }
        if members.get("type").is_some_and(|name| name == "number") {
            let reference = json!([{ "$ref": format!("#/components/schemas/{NUMBER}") }]);
            *part = json!({ "allOf": reference, "description": members.get("description") });
        }
    }
    match part {
        Value::Object(members) => members.values_mut().for_each(trim_schemas),
        Value::Array(items) => items.iter_mut().for_each(trim_schemas),
        _ => {}
    }
}

fn generate(document: &Value, own: &OwnTypes) -> Result<TokenStream, String> {
    let mut settings = GenerationSettings::default();
    settings.with_hooks(HooksMode::Expected).with_inner_type(quote!(crate::operation::Outbox));
    settings.with_map_type("::std::collections::BTreeMap").with_replacement(
        NUMBER,
        "::serde_json::Number",
        iter::empty(),
    );
    settings.with_derive("PartialEq").with_derive("Eq").with_derive("Hash");
    own.paths.iter().for_each(|(name, path)| _ = settings.with_replacement(name, path, iter::empty()));
    let generate = |document: &Value| {
        let document = serde_json::from_value(document.clone()).map_err(|error| error.to_string())?;
        // progenitor panics on some documents; the message is what the reader needs, not the trace.
        panic::set_hook(Box::new(|_| {}));
        let outcome = panic::catch_unwind(|| Generator::new(&settings).generate_tokens(&document));
        let _ = panic::take_hook();
        let text = |cause: Box<dyn Any + Send>| match cause.downcast::<String>() {
            Ok(text) => *text,
            Err(cause) => cause.downcast_ref().map_or_else(String::new, |text: &&str| text.to_string()),
        };
        outcome.map_err(text).and_then(|outcome| outcome.map_err(|error| error.to_string()))
    };
    // Each path alone first, so that a failure has a place.
    for (path, item) in members(&document["paths"]) {
        let mut alone = document.clone();
        alone["paths"] = json!({ path.as_str(): item });
        generate(&alone).map_err(|what| format!("{path}: progenitor cannot generate a client for it: {what}"))?;
    }
    generate(document)
}
