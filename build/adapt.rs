//! What the generated client has to have for `src/`: the types that stand for some schemas, the marks that
//! reading goes by, and calls that outlive new parameters.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::mem;

use heck::{ToPascalCase, ToSnakeCase};
use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use serde_json::Value;
use syn::{FnArg, ImplItem, Item, parse_quote};

use crate::members;

/// What `src/` knows of the named schemas: types that stand for some of them, and marks on members.
#[derive(Default)]
pub(crate) struct OwnTypes {
    /// The paths of types, by the name of the schema in Rust.
    pub(crate) paths: BTreeMap<String, String>,
    /// Lines that make types by a macro of `src/`.
    lines: TokenStream,
    marks: BTreeMap<String, TokenStream>,
    /// Structs and their fields that are hardly ever sent.
    seldom: BTreeSet<String>,
}

impl OwnTypes {
    pub(crate) fn of(document: &Value) -> Result<Self, String> {
        let mut own = Self::default();
        for (name, schema) in members(&document["components"]["schemas"]) {
            let line = own.read(&name.to_pascal_case(), schema);
            own.lines.extend(line.map_err(|what| format!("components/schemas/{name}: {what}"))?);
        }
        Ok(own)
    }

    fn read(&mut self, name: &str, schema: &Value) -> Result<TokenStream, String> {
        let (ident, docs) = (format_ident!("{name}"), schema["description"].as_str().unwrap_or(name).trim());
        let (mut essential, mut aliases) = (Vec::new(), Vec::new());
        for (member, property) in members(&schema["properties"]) {
            let (decides, alias, seldom) = (&property["x-essential"], &property["x-alias"], &property["x-seldom"]);
            if !matches!((decides, alias), (Value::Null | Value::Bool(_), Value::Null | Value::String(_))) {
                return Err(format!("{member}: x-essential takes true or false, x-alias a text"));
            }
            let is_object = property["$ref"].is_string() || property["allOf"].is_array();
            if !(seldom.is_null() || seldom.is_boolean() && is_object) {
                return Err(format!("{member}: x-seldom takes true or false, for an object of a named schema"));
            }
            if *seldom == true {
                self.seldom.insert(format!("{name}.{}", member.to_snake_case()));
            }
            essential.extend((property["x-essential"] == true).then_some(member));
            aliases.extend(property["x-alias"].as_str().map(|alias| quote!((#alias, #member))));
        }
        self.marks.insert(name.to_owned(), quote!(essential: &[#(#essential),*], aliases: &[#(#aliases),*]));

        let mut path = format!("crate::generated::types::{name}");
        // A closed list is open here, too: services add values.
        let list = schema.get("x-extensible-enum").or(schema.get("enum")).filter(|_| schema["type"] == "string");
        let line = match (list, schema["format"].as_str()) {
            (Some(list), _) => {
                let values = list.as_array().into_iter().flatten().filter(|value| !value.is_null());
                let values = values.map(Value::as_str).collect::<Option<Vec<_>>>().filter(|values| !values.is_empty());
                let values = values.ok_or("expected a list of values that are texts")?;
                let variants = values.iter().copied().map(variant).collect::<Result<Vec<_>, _>>()?;
                if let Some(twice) = (1..values.len()).find(|n| variants[..*n].contains(&variants[*n])) {
                    return Err(format!("{:?} makes no variant of its own", values[twice]));
                }
                let numbered = schema["x-enum-by-number"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let numbered = numbered.map(variant).collect::<Result<Vec<_>, _>>()?;
                if let Some(unlisted) = numbered.iter().find(|variant| !variants.contains(variant)) {
                    return Err(format!("x-enum-by-number has {unlisted}, which is not listed"));
                }
                let listed = values.iter().map(|value| format!("`{value}`"));
                quote! { crate::open_enum::open_enum! {
                    #[doc = #docs] #ident { #(#[doc = #listed] #variants = #values,)* } by_number [#(#numbered)*]
                } }
            }
            (_, Some("uuid")) => {
                let what = name.to_snake_case().replace('_', " ").replace(" id", " ID");
                quote!(crate::ids::guid_id! { #[doc = #docs] #ident, #what })
            }
            (_, Some("partner-date-time")) => {
                path = "crate::models::PartnerDateTime".to_owned();
                TokenStream::new()
            }
            _ => return Ok(TokenStream::new()),
        };
        self.paths.insert(name.to_owned(), path);
        Ok(line)
    }
}

fn variant(value: &str) -> Result<syn::Ident, String> {
    let variant = syn::parse_str(&value.to_pascal_case()).ok().filter(|variant| variant != "Other");
    variant.ok_or_else(|| format!("{value:?} makes no variant of its own"))
}

/// Does what no setting of progenitor's can: adds the types of `src/`, the table of marks and calls without their
/// optional arguments; keeps structs open for further members; boxes what is seldom sent; and takes out the header
/// with the document's version.
pub(crate) fn adapt(mut client: syn::File, own: &OwnTypes) -> Result<syn::File, Box<dyn Error>> {
    let mut schemas = Vec::new();
    for item in &mut client.items {
        match item {
            Item::Use(item) => {
                let ours = item.tree.to_token_stream().to_string().replace("progenitor_client", "crate::runtime");
                (item.vis, item.tree) = (parse_quote!(pub(crate)), syn::parse_str(&ours)?);
            }
            Item::Impl(item) if item.trait_.is_none() => {
                for item in &mut item.items {
                    without_version(item)?;
                }
                let short: Vec<_> = item.items.iter_mut().filter_map(without_optional_arguments).collect();
                item.items.extend(short);
            }
            Item::Mod(module) if module.ident == "types" => {
                let items = &mut module.content.get_or_insert_default().1;
                for item in items.iter_mut() {
                    match item {
                        Item::Mod(module) => module.vis = parse_quote!(pub(crate)),
                        Item::Struct(item) if matches!(item.fields, syn::Fields::Named(_)) => {
                            schemas.push(adapt_struct(item, own)?);
                        }
                        _ => {}
                    }
                }
                items.extend(syn::parse2::<syn::File>(own.lines.clone())?.items);
            }
            _ => {}
        }
    }
    client.items.push(parse_quote!(pub(crate) static SCHEMAS: &[crate::lenient::Schema] = &[#(#schemas),*];));
    Ok(client)
}

/// The table of the operations, for the send loop and its logs.
pub(crate) fn operations(document: &Value) -> Item {
    let operations = members(&document["paths"]).flat_map(|(path, item)| {
        members(item).filter_map(move |(_, operation)| Some((operation["operationId"].as_str()?, path, operation)))
    });
    let lines = operations.map(|(id, path, operation)| {
        let success = members(&operation["responses"]).map(|(status, _)| match status.parse::<u16>() {
            Ok(status) => quote!(#status..=#status),
            Err(_) => quote!(200..=299),
        });
        quote!(crate::operation::Documented { id: #id, url_template: #path, success: &[#(#success),*] })
    });
    parse_quote!(pub(crate) static OPERATIONS: &[crate::operation::Documented] = &[#(#lines),*];)
}

/// Returns the struct's line in the table of marks.
fn adapt_struct(item: &mut syn::ItemStruct, own: &OwnTypes) -> Result<TokenStream, String> {
    let name = item.ident.to_string();
    item.attrs.push(parse_quote!(#[non_exhaustive]));
    item.attrs.push(parse_quote!(#[cfg_attr(feature = "schemars", derive(::schemars::JsonSchema))]));
    let mut fields = BTreeSet::new();
    for field in &mut item.fields {
        let ident = field.ident.to_token_stream().to_string();
        if !fields.insert(ident.clone()) {
            return Err(format!("components/schemas/{name}: two members become the same field `{ident}`"));
        }
        let ty = field.ty.to_token_stream().to_string();
        if ty.contains("crate :: models :: PartnerDateTime") {
            // Lists and maps have a default already.
            let default = ty.contains("Option").then(|| quote!(default,));
            let as_sent = format!("<{ty} as crate::time::Times>::OnTheWire");
            let (read, write) = ("crate::time::deserialize", "crate::time::serialize");
            field.attrs.push(parse_quote!(#[serde(#default deserialize_with = #read, serialize_with = #write)]));
            field.attrs.push(parse_quote!(#[cfg_attr(feature = "schemars", schemars(with = #as_sent))]));
        }
        // Boxed, so that its absence takes one word of memory: lists have thousands of them.
        let object = ty.strip_prefix(":: std :: option :: Option <").filter(|object| !object.contains("::"));
        if let Some(object) = object.filter(|_| own.seldom.contains(&format!("{name}.{}", ident.trim_end_matches('_'))))
        {
            let boxed = format!("::std::option::Option<::std::boxed::Box<{object}>");
            field.ty = syn::parse_str(&boxed).map_err(|error| error.to_string())?;
        }
    }
    let marks = own.marks.get(&name).cloned().unwrap_or(quote!(essential: &[], aliases: &[]));
    Ok(quote!(crate::lenient::Schema { name: #name, #marks }))
}

/// Takes out the header with the document's version, which progenitor adds although no document has it.
fn without_version(item: &mut ImplItem) -> Result<(), Box<dyn Error>> {
    let ImplItem::Fn(operation) = item else { return Ok(()) };
    for stmt in mem::take(&mut operation.block.stmts) {
        let text = stmt.to_token_stream().to_string();
        match text.replace(". headers (header_map)", "") {
            with_request if with_request != text => operation.block.stmts.push(syn::parse_str(&with_request)?),
            _ if text.starts_with("let mut header_map =") || text.starts_with("header_map . append (") => {}
            _ => operation.block.stmts.push(stmt),
        }
    }
    if operation.block.to_token_stream().to_string().contains("from_static (\"api-version\")") {
        return Err("progenitor writes the header with the document's version in another way".into());
    }
    Ok(())
}

/// Gives the name of an operation to a method that has its required arguments only; the method with all of
/// them is called `…_with`. So an optional parameter that is new in the document breaks no call.
fn without_optional_arguments(item: &mut ImplItem) -> Option<ImplItem> {
    let ImplItem::Fn(all) = item else { return None };
    let is_optional =
        |one: &&FnArg| matches!(one, FnArg::Typed(one) if one.ty.to_token_stream().to_string().starts_with("Option"));
    let mut short = all.clone();
    short.sig.inputs = all.sig.inputs.iter().filter(|one| !is_optional(one)).cloned().collect();
    if short.sig.inputs.len() == all.sig.inputs.len() {
        return None;
    }
    all.sig.ident = format_ident!("{}_with", all.sig.ident);
    let (name, inputs) = (&all.sig.ident, all.sig.inputs.iter());
    let arguments = inputs.filter_map(|one| match one {
        FnArg::Typed(typed) => Some(if is_optional(&one) { quote!(None) } else { typed.pat.to_token_stream() }),
        FnArg::Receiver(_) => None,
    });
    short.block = parse_quote!({ self.#name(#(#arguments),*).await });
    Some(ImplItem::Fn(short))
}
