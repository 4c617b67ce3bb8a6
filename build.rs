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
        // The first line says it; the others may be a picture of the place.
        let text = error.to_string();
        let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
        println!("cargo::error={DOCUMENT}: {what}");
        process::exit(1);
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let root = env::var("CARGO_MANIFEST_DIR")?;
    let text = fs::read_to_string(Path::new(&root).join(DOCUMENT))?;
    let document: OpenAPI = serde_saphyr::from_str(&text)?;

    let mut trimmed = serde_json::to_value(&document)?;
    check_references(&trimmed, &trimmed)?;
    keep_what_progenitor_reads_well(&mut trimmed)?;
    let (enums, aliases) = (open_enums(&trimmed)?, aliases(&trimmed)?);
    let client = generate(&serde_json::from_value(trimmed)?, &enums)?;

    let mut file: syn::File = syn::parse2(client)?;
    for open_enum in &enums {
        file.items.extend(syn::parse2::<syn::File>(open_enum.write())?.items);
    }
    LenientTypes { aliases: &aliases }.visit_file_mut(&mut file);

    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("client.rs"), prettyplease::unparse(&file))?;
    fs::write(Path::new(&out).join("examples.json"), examples(&document)?)?;
    Ok(())
}

/// A reference to nothing would pass unseen where progenitor does not look.
fn check_references(document: &Value, part: &Value) -> Result<(), String> {
    match part {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let found = reference.strip_prefix('#').and_then(|pointer| document.pointer(pointer));
                found.ok_or_else(|| format!("{reference} is not defined"))?;
            }
            members.values().try_for_each(|member| check_references(document, member))
        }
        Value::Array(items) => items.iter().try_for_each(|item| check_references(document, item)),
        _ => Ok(()),
    }
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
    for (path, item) in paths.iter_mut().filter(|(path, _)| !path.starts_with("x-")) {
        let members = item.as_object().into_iter().flatten().map(|(name, _)| name);
        if let Some(other) =
            members.into_iter().find(|name| !["get", "summary", "description"].contains(&name.as_str()))
        {
            return Err(format!("{path} has {other}: this build knows operations with get, and all they need in them"));
        }
        let Some(operation) = item.get_mut("get") else { return Err(format!("{path} has no get")) };
        let responses = operation["responses"].as_object_mut().ok_or_else(|| format!("{path} has no responses"))?;
        responses.retain(|status, _| status == "200");
        if responses.is_empty() {
            return Err(format!("{path} has no response 200"));
        }
        let Some(listed) = operation["parameters"].as_array_mut() else { continue };
        for parameter in listed.iter_mut() {
            if let Some(reference) = parameter["$ref"].as_str() {
                let name = reference.rsplit('/').next().unwrap_or_default();
                *parameter = parameters[name].clone();
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
    if let Some(name) = schemas.iter().find_map(|(name, schema)| has_list_within(schema).then_some(name)) {
        return Err(format!("x-extensible-enum within {name}: it belongs to a named schema"));
    }
    let with_list = schemas.iter().filter_map(|(name, schema)| Some((name, schema, schema.get("x-extensible-enum")?)));
    with_list
        .map(|(name, schema, list)| {
            let wrong = |what: String| format!("x-extensible-enum of {name}: {what}");
            let values: Vec<String> = serde_json::from_value(list.clone()).map_err(|error| wrong(error.to_string()))?;
            if schema["type"] != "string" || values.is_empty() {
                return Err(wrong("a schema of type string with one value at least is expected".to_owned()));
            }
            let mut variants = vec!["Other".to_owned()];
            for value in &values {
                let variant = pascal_case(value);
                if syn::parse_str::<syn::Ident>(&variant).is_err() || variants.contains(&variant) {
                    return Err(wrong(format!("{value:?} makes no variant of its own")));
                }
                variants.push(variant);
            }
            syn::parse_str::<syn::Ident>(name)
                .map_err(|_| wrong("the schema's name is no name of a type".to_owned()))?;
            let description = schema["description"].as_str().unwrap_or(name).trim().to_owned();
            Ok(OpenEnum { name: name.clone(), description, values })
        })
        .collect()
}

fn has_list_within(schema: &Value) -> bool {
    let parts = schema.as_object().into_iter().flatten().map(|(_, part)| part);
    let parts = parts.chain(schema.as_array().into_iter().flatten());
    { parts }.any(|part| part.get("x-extensible-enum").is_some() || has_list_within(part))
}

impl OpenEnum {
    /// The type. How it is read and written stands in `src/models.rs`.
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

fn words(pascal_case: &str) -> String {
    let word = |c: char| if c.is_uppercase() { format!(" {}", c.to_lowercase()) } else { c.to_string() };
    pascal_case.chars().map(word).collect::<String>().trim().to_owned()
}

/// The second spelling of a member (`x-alias`).
struct Alias {
    schema: String,
    member: String,
    alias: String,
}

fn aliases(document: &Value) -> Result<Vec<Alias>, String> {
    let schemas = document["components"]["schemas"].as_object().ok_or("there are no schemas")?;
    let mut aliases = Vec::new();
    for (schema, definition) in schemas {
        for (member, property) in definition["properties"].as_object().into_iter().flatten() {
            let Some(alias) = property.get("x-alias") else { continue };
            let wrong = |what| format!("x-alias of {member} in {schema}: {what}");
            let alias = alias.as_str().ok_or_else(|| wrong("it is no text"))?.to_owned();
            let is_required =
                definition["required"].as_array().is_some_and(|names| names.contains(&member.as_str().into()));
            if is_required || property["type"] == "array" {
                return Err(wrong("only an optional member that is no list may have one"));
            }
            if definition["properties"].get(&alias).is_some() {
                return Err(wrong("another member has this name"));
            }
            aliases.push(Alias { schema: schema.clone(), member: member.clone(), alias });
        }
    }
    Ok(aliases)
}

/// Gives the fields of generated structs the readers of `src/lenient.rs`, by type, so that one
/// surprise of the wire does not lose the rest of an answer; and leaves room for further fields.
struct LenientTypes<'a> {
    aliases: &'a [Alias],
}

fn reader_of(written: &str) -> Option<&'static str> {
    let is_own = |written: &str| written.starts_with(char::is_uppercase);
    match (written.strip_prefix("::std::option::Option<"), written.strip_prefix("::std::vec::Vec<")) {
        (Some("::std::string::String>"), _) => Some("text"),
        (Some(of), _) if of.starts_with("::chrono::DateTime<") => Some("time"),
        (Some(of), _) if is_own(of) => Some("object"),
        (Some("bool>" | "::uuid::Uuid>"), _) => Some("parsed"),
        (Some(of), _) if of.starts_with(['i', 'u', 'f']) => Some("parsed"),
        (_, Some(of)) if is_own(of) => Some("objects"),
        (_, Some(_)) => Some("or_default"),
        _ if written.starts_with("::std::collections::HashMap<") => Some("or_default"),
        _ => None,
    }
}

impl VisitMut for LenientTypes<'_> {
    fn visit_item_mod_mut(&mut self, module: &mut syn::ItemMod) {
        syn::visit_mut::visit_item_mod_mut(self, module);
        let Some((_, items)) = &mut module.content else { return };
        let with_two_spellings: Vec<_> =
            items.iter_mut().filter_map(|item| read_both_spellings(item, self.aliases)).collect();
        items.extend(with_two_spellings.into_iter().flatten());
    }

    /// What is no GUID is an error of this crate's, which says what it was to be.
    fn visit_item_impl_mut(&mut self, item: &mut syn::ItemImpl) {
        let what = words(&text_of(&item.self_ty));
        let reads_guid = text_of(item).contains("<::uuid::Uuidas::std::str::FromStr>::Err");
        for part in item.items.iter_mut().filter(|_| reads_guid) {
            match part {
                syn::ImplItem::Type(error) => error.ty = syn::parse_quote!(crate::error::Error),
                syn::ImplItem::Fn(read) if read.sig.ident == "from_str" => {
                    read.block = syn::parse_quote!({ crate::models::guid(#what, value).map(Self) });
                }
                _ => {}
            }
        }
    }

    fn visit_item_struct_mut(&mut self, item: &mut syn::ItemStruct) {
        if item.fields.iter().any(|field| field.ident.is_none() && text_of(&field.ty) == "::uuid::Uuid") {
            item.attrs.push(syn::parse_quote!(#[derive(Copy, Eq, Hash, PartialOrd, Ord)]));
        }
        if !matches!(item.fields, syn::Fields::Named(_)) || item.ident == "Client" {
            return;
        }
        item.attrs.push(syn::parse_quote!(#[non_exhaustive]));
        for field in &mut item.fields {
            if let Some(reader) = reader_of(&text_of(&field.ty)) {
                let reader = format!("crate::lenient::{reader}");
                field.attrs.push(syn::parse_quote!(#[serde(deserialize_with = #reader)]));
                if !field.attrs.iter().any(|attr| text_of(attr).contains("default")) {
                    field.attrs.push(syn::parse_quote!(#[serde(default)]));
                }
            }
        }
    }
}

fn text_of(tokens: &impl ToTokens) -> String {
    tokens.to_token_stream().to_string().replace(' ', "")
}

/// Reads a struct with members of two spellings through a copy that has a field for each: what serde
/// calls an alias fails on an answer that has both.
fn read_both_spellings(item: &mut syn::Item, aliases: &[Alias]) -> Option<[syn::Item; 2]> {
    let syn::Item::Struct(item) = item else { return None };
    let aliases: Vec<_> = aliases.iter().filter(|alias| item.ident == alias.schema).collect();
    if aliases.is_empty() {
        return None;
    }
    let mut copy = item.clone();
    copy.ident = format_ident!("{}AsSent", item.ident);
    copy.attrs = vec![syn::parse_quote!(#[derive(::serde::Deserialize)])];
    let mut values = Vec::new();
    for field in &item.fields {
        let ident = &field.ident;
        let mut value = quote!(sent.#ident);
        if let Some(Alias { alias, .. }) = aliases.iter().find(|alias| is_of(field, &alias.member)) {
            let mut second = field.clone();
            let second_ident = format_ident!("second_spelling_of_{}", ident.as_ref()?);
            second.attrs.retain(|attr| !text_of(attr).contains("rename="));
            second.attrs.push(syn::parse_quote!(#[serde(rename = #alias)]));
            second.ident = Some(second_ident.clone());
            if let syn::Fields::Named(fields) = &mut copy.fields {
                fields.named.push(second);
            }
            value = quote!(sent.#ident.or(sent.#second_ident));
        }
        values.push(quote!(#ident: #value));
    }
    let (sent, original) = (&copy.ident, &item.ident);
    let read: syn::Item = syn::parse_quote! {
        impl ::std::convert::From<#sent> for #original {
            fn from(sent: #sent) -> Self {
                Self { #(#values),* }
            }
        }
    };
    let from = sent.to_string();
    item.attrs.push(syn::parse_quote!(#[serde(from = #from)]));
    Some([syn::Item::Struct(copy), read])
}

fn is_of(field: &syn::Field, member: &str) -> bool {
    let renamed = format!("rename={member:?}");
    field.attrs.iter().any(|attr| text_of(attr).contains(&renamed)) || field.ident.as_ref().is_some_and(|i| i == member)
}

/// The named examples, for the emulator: from the document, so that nobody types them again.
fn examples(document: &OpenAPI) -> Result<String, Box<dyn Error>> {
    let components = serde_json::to_value(&document.components)?;
    let named = components["examples"].as_object().ok_or("there are no examples")?;
    let values = named.iter().map(|(name, example)| (name.clone(), example["value"].clone()));
    Ok(serde_json::to_string_pretty(&values.collect::<Value>())?)
}
