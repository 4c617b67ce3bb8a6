//! Writes the typed client from the specification in `openapi/`, at compile time.
//!
//! Reads top to bottom: watch, parse, trim, generate, adapt, print, write. Everything specific to
//! the service stands in the document; here stands only what progenitor cannot be told in it.

use std::{env, error::Error, fs, panic, path::Path, process};

use openapiv3::OpenAPI;
use proc_macro2::TokenStream;
use progenitor::{GenerationSettings, Generator, HooksMode};
use quote::{ToTokens, format_ident, quote};
use serde_json::Value;
use syn::visit_mut::VisitMut;

const DOCUMENT: &str = "openapi/partner-center-devices.yaml";

fn main() {
    println!("cargo::rerun-if-changed=openapi");
    if let Err(error) = run() {
        for line in error.to_string().lines() {
            println!("cargo::error={DOCUMENT}: {line}");
        }
        process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let text = fs::read_to_string(Path::new(&root).join(DOCUMENT))?;
    let document: OpenAPI = serde_saphyr::from_str(&text)?;

    let mut trimmed = serde_json::to_value(&document)?;
    keep_what_progenitor_reads_well(&mut trimmed)?;
    let enums = open_enums(&trimmed)?;
    let client = generate(&serde_json::from_value(trimmed)?, &enums)?;

    let mut file: syn::File = syn::parse2(client)?;
    for open_enum in &enums {
        file.items.extend(syn::parse2::<syn::File>(open_enum.write())?.items);
    }
    let aliases = aliases(&document)?;
    LenientTypes { aliases: &aliases }.visit_file_mut(&mut file);

    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("client.rs"), prettyplease::unparse(&file))?;
    fs::write(Path::new(&out).join("examples.json"), examples(&document)?)?;
    Ok(())
}

/// Takes out of the copy what other languages need and progenitor does badly:
///
/// - error responses: a body that is not the documented fault would lose status and headers, so
///   every answer but 200 has to arrive whole;
/// - header parameters: the hook writes all headers, `Authorization` among them, in one place;
/// - `nullable`: our readers take null for missing everywhere.
fn keep_what_progenitor_reads_well(document: &mut Value) -> Result<(), String> {
    let parameters = document["components"]["parameters"].clone();
    let paths = document["paths"].as_object_mut().ok_or("there are no paths")?;
    for operation in paths.values_mut().filter_map(|path| path.get_mut("get")) {
        if let Some(responses) = operation["responses"].as_object_mut() {
            responses.retain(|status, _| status == "200");
        }
        let Some(listed) = operation["parameters"].as_array_mut() else { continue };
        for parameter in listed.iter_mut() {
            if let Some(reference) = parameter["$ref"].as_str() {
                let name = reference.rsplit('/').next().unwrap_or_default();
                *parameter =
                    parameters.get(name).cloned().ok_or_else(|| format!("the parameter {reference} is not defined"))?;
            }
        }
        listed.retain(|parameter| parameter["in"] != "header");
    }
    forget_nullable(document);
    Ok(())
}

fn forget_nullable(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.retain(|name, value| name != "nullable" || !value.is_boolean());
            members.values_mut().for_each(forget_nullable);
        }
        Value::Array(items) => items.iter_mut().for_each(forget_nullable),
        _ => {}
    }
}

fn generate(document: &OpenAPI, enums: &[OpenEnum]) -> Result<TokenStream, Box<dyn Error>> {
    let mut settings = GenerationSettings::default();
    settings
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(crate::wire::Attempt))
        .with_derive("PartialEq")
        .with_replacement("PartnerDateTime", "::chrono::DateTime<::chrono::Utc>", [].into_iter());
    for OpenEnum { name, .. } in enums {
        settings.with_replacement(name, format!("super::{name}"), [].into_iter());
    }

    // progenitor panics on some documents; the message is what the reader needs, not the trace.
    panic::set_hook(Box::new(|_| {}));
    let outcome = panic::catch_unwind(|| Generator::new(&settings).generate_tokens(document));
    let _ = panic::take_hook();
    match outcome {
        Ok(tokens) => Ok(tokens?),
        Err(cause) => {
            let text = cause.downcast_ref::<String>().map(String::as_str);
            let text = text.or(cause.downcast_ref::<&str>().copied());
            Err(format!("progenitor cannot generate from it: {}", text.unwrap_or("no reason given")).into())
        }
    }
}

/// A string schema with `x-extensible-enum`: the listed values, and the text of any other.
struct OpenEnum {
    name: String,
    description: String,
    values: Vec<String>,
}

fn open_enums(document: &Value) -> Result<Vec<OpenEnum>, String> {
    let schemas = document["components"]["schemas"].as_object().ok_or("there are no schemas")?;
    let with_list = schemas.iter().filter_map(|(name, schema)| Some((name, schema, schema.get("x-extensible-enum")?)));
    with_list
        .map(|(name, schema, list)| {
            let values = serde_json::from_value(list.clone())
                .map_err(|error| format!("x-extensible-enum of {name}: {error}"))?;
            let description = schema["description"].as_str().unwrap_or(name).trim().to_owned();
            Ok(OpenEnum { name: name.clone(), description, values })
        })
        .collect()
}

impl OpenEnum {
    fn write(&self) -> TokenStream {
        let (name, description, values) = (format_ident!("{}", self.name), &self.description, &self.values);
        let variants: Vec<_> = values.iter().map(|value| format_ident!("{}", pascal_case(value))).collect();
        let docs = values.iter().map(|value| format!("`{value}`"));
        quote! {
            #[doc = #description]
            #[derive(Clone, Debug, PartialEq, Eq, Hash)]
            #[non_exhaustive]
            pub enum #name {
                #(#[doc = #docs] #variants,)*
                /// A value that the specification does not list: its text as it came.
                Other(String),
            }
            impl #name {
                pub(crate) const LISTED: &[Self] = &[#(Self::#variants),*];

                /// The value as the service writes it.
                pub fn as_str(&self) -> &str {
                    match self {
                        #(Self::#variants => #values,)*
                        Self::Other(text) => text,
                    }
                }
            }
        }
    }
}

fn pascal_case(value: &str) -> String {
    let words = value.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    words.map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}

/// The second spellings of members (`x-alias`), by the spelling in the document.
fn aliases(document: &OpenAPI) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let schemas = serde_json::to_value(document.components.as_ref().map(|components| &components.schemas))?;
    let members = schemas.as_object().into_iter().flatten().filter_map(|(_, schema)| schema["properties"].as_object());
    let aliases = members.flatten().filter_map(|(name, member)| Some((name, member["x-alias"].as_str()?)));
    Ok(aliases.map(|(name, alias)| (format!("\"{name}\""), alias.to_owned())).collect())
}

/// Gives the fields of generated structs the readers of `src/lenient.rs`, by type, so that one
/// surprise of the wire does not lose the rest of an answer; and leaves room for further fields.
struct LenientTypes<'a> {
    aliases: &'a [(String, String)],
}

const READERS: &[(&str, &str)] = &[
    ("::std::option::Option<::std::string::String>", "crate::lenient::text"),
    ("::std::option::Option<::chrono::DateTime<::chrono::Utc>>", "crate::lenient::time"),
    ("::std::option::Option<i32>", "crate::lenient::integer"),
    ("::std::vec::Vec<", "crate::lenient::list"),
];

impl VisitMut for LenientTypes<'_> {
    fn visit_item_struct_mut(&mut self, item: &mut syn::ItemStruct) {
        if !matches!(item.fields, syn::Fields::Named(_)) || item.ident == "Client" {
            return;
        }
        item.attrs.push(syn::parse_quote!(#[non_exhaustive]));
        for field in &mut item.fields {
            let written = field.ty.to_token_stream().to_string().replace(' ', "");
            let attributes: String = field.attrs.iter().map(|attr| attr.to_token_stream().to_string()).collect();
            if let Some((_, reader)) = READERS.iter().find(|(start, _)| written.starts_with(start)) {
                field.attrs.push(syn::parse_quote!(#[serde(deserialize_with = #reader)]));
                if !attributes.contains("default") {
                    field.attrs.push(syn::parse_quote!(#[serde(default)]));
                }
            }
            if !attributes.contains("doc =") {
                // A member that refers to a named schema cannot have a description of its own.
                let renamed = attributes.split("rename = \"").nth(1).and_then(|rest| rest.split('"').next());
                let name = renamed.map_or_else(|| field.ident.to_token_stream().to_string(), str::to_owned);
                let doc = format!("The member `{name}`; its type tells what it is.");
                field.attrs.push(syn::parse_quote!(#[doc = #doc]));
            }
            if let Some((_, alias)) = self.aliases.iter().find(|(name, _)| attributes.contains(name)) {
                field.attrs.push(syn::parse_quote!(#[serde(alias = #alias)]));
            }
        }
    }
}

/// The named examples, for the emulator: from the document, so that nobody types them again.
fn examples(document: &OpenAPI) -> Result<String, Box<dyn Error>> {
    let components = serde_json::to_value(&document.components)?;
    let named = components["examples"].as_object().ok_or("there are no examples")?;
    let values = named.iter().map(|(name, example)| (name.clone(), example["value"].clone()));
    Ok(serde_json::to_string_pretty(&values.collect::<Value>())?)
}
