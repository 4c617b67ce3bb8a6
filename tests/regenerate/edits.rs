//! The edits.

use serde_json::{Value, json};

/// A test that uses the client of an edited document, and what it adds to `src/customers.rs`.
pub struct Drive {
    pub test: &'static str,
    pub handles: String,
}

type Edits = Vec<(&'static str, Value)>;

/// Edits that work, in sets that are built together.
pub fn that_work() -> Vec<(&'static Drive, Edits)> {
    let together = Drive { test: include_str!("drive_together.rs"), handles: recipe("rust") + POST };
    let versions = Drive { test: include_str!("drive_versions.rs"), handles: String::new() };
    let (together, versions) = (Box::leak(Box::new(together)), Box::leak(Box::new(versions)));
    vec![(together, in_one_document()), (versions, of_paths_and_responses())]
}

/// The block of this language in the last recipe of CONTRIBUTING.
fn recipe(language: &str) -> String {
    let text = include_str!("../../CONTRIBUTING.md");
    let (_, recipe) = text.split_once("### An operation").expect("the recipe");
    let (_, block) = recipe.split_once(&format!("```{language}\n")).expect("a block of this language");
    block.split_once("```").expect("its end").0.to_owned()
}

const POST: &str = r#"
impl Customer {
    /// Makes a batch.
    pub async fn make_batch(&self, batch: crate::models::DeviceBatch) -> Result<Response<()>, Error> {
        let customer = self.id;
        let call = |client: Client| {
            let batch = batch.clone();
            async move { client.make_batch(&customer, &batch).await }
        };
        self.partner.send("makeBatch", call).await
    }
}
"#;

fn schema(name: &str, definition: Value) -> Value {
    json!({ "components": { "schemas": { name: definition } } })
}

fn members(of: &str, properties: Value) -> Value {
    schema(of, json!({ "properties": properties }))
}

fn both(mut one: Value, other: Value) -> Value {
    super::merge(&mut one, &other);
    one
}

fn in_one_document() -> Edits {
    let string = json!({ "type": "string" });
    let named = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let serial_number = schema("SerialNumber", json!({ "type": "string", "maxLength": 50, "pattern": "^[^ ]*$" }));
    let batches = "/v1/customers/{customer-id}/deviceBatches";
    let customer = json!({ "$ref": "#/components/parameters/CustomerId" });
    let third: Value = serde_saphyr::from_str(&format!("paths:\n{}", recipe("yaml"))).unwrap();
    let devices =
        json!({ "description": "The devices.", "content": { "application/json": { "schema": named("Devices") } } });
    let third = both(third, json!({ "components": { "responses": { "Devices": devices } } }));
    let third = both(
        third,
        members(
            "Devices",
            json!({ "totalCount": { "type": "integer" }, "items": { "type": "array", "items": named("DeviceUploadDetails") } }),
        ),
    );
    // A reference takes the place of everything else.
    let instead = |reference: Value| both(json!({ "description": null, "type": null, "nullable": null }), reference);
    vec![
        (
            "a member becomes a reference to a named GUID",
            members("BatchUploadDetails", json!({ "batchTrackingId": instead(named("BatchTrackingId")) })),
        ),
        (
            "a member that src/ reads becomes a reference to a named string",
            both(
                serial_number.clone(),
                members("DeviceUploadDetails", json!({ "serialNumber": instead(named("SerialNumber")) })),
            ),
        ),
        (
            "a closed enum in place",
            members("DeviceBatch", json!({ "colour": { "type": "string", "enum": ["red", "blue"] } })),
        ),
        (
            "a closed enum of its own",
            both(
                schema(
                    "Phase",
                    json!({ "type": "string", "enum": ["first_phase", "last_phase", null], "nullable": true }),
                ),
                members("DeviceBatch", json!({ "phase": named("Phase") })),
            ),
        ),
        ("an enum of numbers", members("DeviceBatch", json!({ "level": { "type": "integer", "enum": [1, 2] } }))),
        (
            "a list of a named string",
            both(
                serial_number,
                members("DeviceBatch", json!({ "serials": { "type": "array", "items": named("SerialNumber") } })),
            ),
        ),
        (
            "a list of strings with a length",
            members(
                "DeviceBatch",
                json!({ "words": { "type": "array", "items": { "type": "string", "maxLength": 5 }, "maxItems": 2, "uniqueItems": true } }),
            ),
        ),
        (
            "text or object",
            members(
                "DeviceBatch",
                json!({ "owner": { "oneOf": [string, { "type": "object", "properties": { "name": string } }] } }),
            ),
        ),
        (
            "an enum or any text",
            members("DeviceBatch", json!({ "kind": { "anyOf": [{ "type": "string", "enum": ["a"] }, string] } })),
        ),
        (
            "required members",
            schema("DeviceBatch", json!({ "required": ["id", "createdBy", "status", "devicesCount", "creationDate"] })),
        ),
        (
            "a default, also beside a second name",
            members("DeviceBatch", json!({ "devicesCount": { "default": 5 }, "createdBy": { "default": "nobody" } })),
        ),
        (
            "integers with bounds and formats",
            members(
                "DeviceBatch",
                json!({
                    "atLeastOne": { "type": "integer", "minimum": 1 }, "long": { "type": "integer", "format": "int64" },
                    "unsigned": { "type": "integer", "format": "uint32", "minimum": 0 }, "small": { "type": "integer", "minimum": 0, "maximum": 200 },
                }),
            ),
        ),
        (
            "numbers with a fraction",
            members(
                "DeviceBatch",
                json!({ "weight": { "type": "number" }, "size": { "type": "number", "format": "float", "description": "Its size." } }),
            ),
        ),
        ("a boolean", members("DeviceBatch", json!({ "isNew": { "type": "boolean" } }))),
        (
            "a map",
            members(
                "DeviceBatch",
                json!({ "labels": { "type": "object", "additionalProperties": string }, "counts": { "type": "object", "additionalProperties": { "type": "integer" } } }),
            ),
        ),
        (
            "a free object",
            members("DeviceBatch", json!({ "free": { "type": "object", "nullable": true }, "anything": {} })),
        ),
        (
            "dates, IDs and addresses",
            members(
                "DeviceBatch",
                json!({
                    "day": { "type": "string", "format": "date" }, "moment": { "type": "string", "format": "date-time" },
                    "guid": { "type": "string", "format": "uuid" }, "link": { "type": "string", "format": "uri" },
                    "bytes": { "type": "string", "format": "byte" }, "address": { "type": "string", "format": "ipv4" },
                }),
            ),
        ),
        (
            "lengths and patterns on members that src/ reads",
            members(
                "DeviceUploadDetails",
                json!({
                    "productKey": { "maxLength": 10, "pattern": "^x$" }, "errorCode": { "minLength": 1, "maxLength": 2 }, "errorDescription": { "maxLength": 3 },
                }),
            ),
        ),
        (
            "a second open enum",
            both(
                schema(
                    "Priority",
                    json!({ "type": "string", "x-extensible-enum": ["low", "very_high"], "description": "How \"urgent\" it is. */" }),
                ),
                members("DeviceBatch", json!({ "priority": named("Priority") })),
            ),
        ),
        (
            "a new member and a new listed value",
            both(
                schema(
                    "UploadStatus",
                    json!({ "x-extensible-enum": ["unknown", "queued", "processing", "finished", "finished_with_errors", "in-progress", "pending", "paused_by_operator"] }),
                ),
                members("DeviceBatch", json!({ "groupTag": { "type": "string" } })),
            ),
        ),
        (
            "an optional query parameter on a call",
            json!({ "paths": { batches: { "get": { "parameters": [customer, { "name": "size", "in": "query", "schema": { "type": "integer" } }] } } } }),
        ),
        (
            "a 200 that is a reference",
            json!({
                "paths": { batches: { "get": { "responses": { "200": { "description": null, "headers": null, "content": null, "$ref": "#/components/responses/Batches" } } } } },
                "components": { "responses": { "Batches": { "description": "The batches.", "content": { "application/json": { "schema": named("DeviceBatchCollection") }, "text/xml": { "schema": string } } } } },
            }),
        ),
        ("a third operation, by the recipe", third),
        (
            "a POST with a body and a 202 without",
            json!({ "paths": { batches: { "post": {
            "operationId": "makeBatch", "parameters": [customer],
            "requestBody": { "required": true, "content": { "application/json": { "schema": named("DeviceBatch") } } },
            "responses": { "202": { "description": "Taken." }, "400": { "$ref": "#/components/responses/BadRequest" } },
        } } } }),
        ),
        (
            "an object in place",
            members(
                "DeviceBatch",
                json!({ "contact": { "type": "object", "properties": { "name": string, "since": { "type": "string", "format": "date-time" } } } }),
            ),
        ),
        (
            "members that are seldom sent",
            members(
                "DeviceBatch",
                json!({
                    "origin": { "x-seldom": true, "allOf": [named("ResourceAttributes")] },
                    "leftAt": { "x-seldom": true, "allOf": [named("PartnerDateTime")] },
                }),
            ),
        ),
        (
            "a list of objects in place",
            members(
                "DeviceBatch",
                json!({ "people": { "type": "array", "items": { "type": "object", "required": ["age"], "properties": { "age": { "type": "integer" } } } } }),
            ),
        ),
        (
            "allOf",
            members(
                "DeviceBatch",
                json!({ "extended": { "allOf": [named("ResourceAttributes"), { "type": "object", "properties": { "extra": string } }] } }),
            ),
        ),
        (
            "lists of lists",
            members(
                "DeviceBatch",
                json!({ "matrix": { "type": "array", "items": { "type": "array", "items": { "type": "integer" } } } }),
            ),
        ),
        (
            "readOnly, writeOnly, deprecated",
            both(
                members(
                    "DeviceBatch",
                    json!({ "read": { "type": "string", "readOnly": true, "deprecated": true }, "write": { "type": "string", "writeOnly": true } }),
                ),
                json!({ "paths": { batches: { "get": { "deprecated": true } } } }),
            ),
        ),
        (
            "additionalProperties that are false, or of a kind beside members",
            both(
                schema("Link", json!({ "additionalProperties": false })),
                schema("KeyValuePair", json!({ "additionalProperties": string })),
            ),
        ),
        (
            "nullable everywhere",
            both(
                members(
                    "DeviceBatchCollection",
                    json!({ "items": { "nullable": true, "items": { "nullable": true } } }),
                ),
                members(
                    "DeviceBatch",
                    json!({ "maybe": { "type": "array", "nullable": true, "items": { "type": "string", "nullable": true } } }),
                ),
            ),
        ),
        (
            "times in a list and in a map",
            members(
                "DeviceBatch",
                json!({
                    "times": { "type": "array", "items": named("PartnerDateTime") }, "timesByName": { "type": "object", "additionalProperties": named("PartnerDateTime") },
                }),
            ),
        ),
        (
            "a schema within itself",
            members(
                "DeviceBatch",
                json!({ "parent": named("DeviceBatch"), "children": { "type": "array", "items": named("DeviceBatch") } }),
            ),
        ),
        (
            "names that Rust cannot have",
            both(
                schema(
                    "group-info",
                    json!({ "type": "object", "properties": { "type": string, "@odata.etag": string, "2nd": string } }),
                ),
                members("DeviceBatch", json!({ "match": string, "info": named("group-info") })),
            ),
        ),
        (
            "names that Rust has already",
            both(
                schema("Option", json!({ "type": "object", "properties": { "self": string } })),
                both(
                    schema("Error", json!({ "type": "object", "properties": { "result": string } })),
                    members("DeviceBatch", json!({ "option": named("Option"), "error": named("Error") })),
                ),
            ),
        ),
    ]
}

fn of_paths_and_responses() -> Edits {
    let (upload, batches) =
        ("/v1/customers/{customer-id}/batchJobStatus/{batchtracking-id}", "/v1/customers/{customer-id}/deviceBatches");
    let response = |schema: &str| {
        let schema = json!({ "$ref": format!("#/components/schemas/{schema}") });
        json!({ "description": "It.", "content": { "application/json": { "schema": schema } } })
    };
    let customer = json!({ "$ref": "#/components/parameters/CustomerId" });
    let tracking = json!({ "$ref": "#/components/parameters/BatchTrackingId" });
    let renamed = json!({ "name": "header-map", "in": "path", "required": true, "schema": { "$ref": "#/components/schemas/CustomerId" } });
    vec![
        (
            "another version in a path, and a response 2XX alone",
            json!({ "paths": {
            upload: null,
            "/v2/customers/{customer-id}/batchJobStatus/{batchtracking-id}": { "get": {
                "operationId": "getBatchUploadStatus", "parameters": [customer, tracking], "responses": { "2XX": response("BatchUploadDetails") },
            } },
        } }),
        ),
        (
            "a response by default alone, and a renamed parameter of the path",
            json!({ "paths": {
            batches: null,
            "/v1/customers/{header-map}/deviceBatches": {
                "parameters": [renamed],
                "get": { "operationId": "getDeviceBatches", "responses": { "default": response("DeviceBatchCollection") } },
            },
        } }),
        ),
        ("a time of the service becomes a date-time", schema("PartnerDateTime", json!({ "format": "date-time" }))),
        (
            "the status becomes a closed enum, by reference alone",
            both(
                schema(
                    "UploadStatus",
                    json!({ "x-extensible-enum": null, "enum": ["unknown", "queued", "processing", "finished", "finished_with_errors"] }),
                ),
                members(
                    "BatchUploadDetails",
                    json!({ "status": { "allOf": null, "description": null, "$ref": "#/components/schemas/UploadStatus" } }),
                ),
            ),
        ),
        (
            "a header parameter of an operation",
            json!({ "components": { "parameters": { "XLocale": { "name": "X-Other", "required": true } } } }),
        ),
    ]
}

/// Edits that are refused, with words of the sentence.
pub fn that_are_refused() -> Vec<(&'static str, Value, &'static str)> {
    let string = json!({ "type": "string" });
    let batches = "/v1/customers/{customer-id}/deviceBatches";
    let get = |change: Value| json!({ "paths": { batches: { "get": change } } });
    let enum_of = |values: Value| schema("UploadStatus", json!({ "x-extensible-enum": values }));
    vec![
        ("OpenAPI 3.1", json!({ "openapi": "3.1.0" }), "openapi: 3.1.0: expected 3.0.x"),
        ("Swagger 2.0", json!({ "openapi": null, "swagger": "2.0" }), "openapi: missing: expected 3.0.x"),
        ("no paths", json!({ "paths": null }), "paths"),
        (
            "members that become the same field",
            members("DeviceBatch", json!({ "$type": string, "type": string })),
            "components/schemas/DeviceBatch: two members become the same field `type_`",
        ),
        (
            "a reference to nothing",
            members("DeviceBatch", json!({ "a": { "$ref": "#/components/schemas/Nothing" } })),
            "#/components/schemas/Nothing is not defined in this document",
        ),
        (
            "a reference to another file",
            members("DeviceBatch", json!({ "a": { "$ref": "other.yaml#/A" } })),
            "other.yaml#/A is not defined in this document",
        ),
        (
            "an example that is not there",
            json!({ "components": { "examples": { "FaultNotFound": null } } }),
            "examples/FaultNotFound is not defined",
        ),
        (
            "no operationId",
            get(json!({ "operationId": null })),
            "/v1/customers/{customer-id}/deviceBatches: progenitor cannot generate a client for it: unexpected or unhandled format in the OpenAPI document path /v1/customers/{customer-id}/deviceBatches is missing operation ID",
        ),
        (
            "an operationId that is taken",
            get(json!({ "operationId": "getBatchUploadStatus" })),
            "duplicate operation ID: getBatchUploadStatus",
        ),
        (
            "no response of success",
            get(json!({ "responses": { "200": null } })),
            "GET /v1/customers/{customer-id}/deviceBatches: no response says success",
        ),
        (
            "successes with different bodies",
            get(json!({ "responses": { "202": { "description": "Taken." } } })),
            "GET /v1/customers/{customer-id}/deviceBatches: responses of success with different bodies are not supported",
        ),
        (
            "a parameter of the path that is not described",
            json!({ "paths": { "/v1/{a}": { "get": { "operationId": "a", "responses": { "200": { "description": "a" } } } } } }),
            "/v1/{a}: ",
        ),
        (
            "a parameter in a cookie",
            get(
                json!({ "parameters": [{ "$ref": "#/components/parameters/CustomerId" }, { "name": "c", "in": "cookie", "schema": string }] }),
            ),
            "cookie parameters are not supported",
        ),
        (
            "a value that makes no name",
            enum_of(json!(["2nd-try"])),
            "components/schemas/UploadStatus: \"2nd-try\" makes no variant of its own",
        ),
        (
            "values that make the same name",
            enum_of(json!(["queued", "Queued"])),
            "\"Queued\" makes no variant of its own",
        ),
        ("a value that is called other", enum_of(json!(["other"])), "\"other\" makes no variant of its own"),
        ("values that are not texts", enum_of(json!([1])), "components/schemas/UploadStatus: "),
        ("no values", enum_of(json!([])), "components/schemas/UploadStatus: expected a list of values that are texts"),
        (
            "a number for a value that is not listed",
            enum_of(json!(["finished", "finished_with_errors", "unknown"])),
            "x-enum-by-number has Queued, which is not listed",
        ),
        (
            "x-alias that is not a text",
            members("DeviceBatch", json!({ "devicesCount": { "x-alias": 5 } })),
            "components/schemas/DeviceBatch: devicesCount: ",
        ),
        (
            "x-essential that is not true or false",
            members("DeviceBatch", json!({ "status": { "x-essential": "yes" } })),
            "components/schemas/DeviceBatch: status: ",
        ),
        (
            "x-seldom for a text",
            members("DeviceBatch", json!({ "createdBy": { "x-seldom": true } })),
            "components/schemas/DeviceBatch: createdBy: ",
        ),
        (
            "x-seldom that is not true or false",
            members("DeviceBatch", json!({ "links": { "x-seldom": 1 } })),
            "components/schemas/DeviceBatch: links: ",
        ),
        ("a schema by what it is not", members("DeviceBatch", json!({ "a": { "not": string } })), ""),
    ]
}

/// Texts that are not OpenAPI documents.
pub fn that_are_no_documents(text: &str) -> Vec<(&'static str, String, &'static str)> {
    vec![
        ("a bracket that is not closed", text.replacen("paths:\n", "paths: [\n", 1), "line"),
        ("a tab", text.replacen("paths:\n", "\tpaths:\n", 1), "line"),
        ("nothing", String::new(), "openapi: missing: expected 3.0.x"),
        ("a description that is a list", text.replacen("  title: ", "  title: [x]\n  x-title: ", 1), "line"),
    ]
}
