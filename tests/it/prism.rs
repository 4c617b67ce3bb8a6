//! Contracts with a third party: Prism, which knows nothing but the document. As a server it sends the
//! document's examples, which our client has to read; between our client and the emulator it judges both.
//! `.ci/specification` starts it and runs these.

use partner_center_devices::models::{BatchUploadDetails, DeviceBatchCollection};
use partner_center_devices::{AccessToken, PartnerCenter, RetryPolicy};
use serde_json::Value;

use crate::server::{CUSTOMER, TRACKING, customer, upload};
use crate::specification::document;

fn address(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| panic!("{variable} is not set: .ci/specification runs this test"))
}

fn partner(base_url: &str, prefer: Option<&str>) -> PartnerCenter {
    let builder = PartnerCenter::builder(AccessToken::new("a-token")).base_url(base_url);
    let builder = builder.retry_policy(RetryPolicy::none());
    match prefer {
        Some(prefer) => builder.header("Prefer", prefer).build().unwrap(),
        None => builder.build().unwrap(),
    }
}

fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    value["$ref"].as_str().map_or(value, |reference| document.pointer(&reference[1..]).unwrap())
}

#[tokio::test]
#[ignore = "needs Prism; .ci/specification runs it"]
async fn our_client_reads_every_example_of_every_response_that_prism_sends() {
    let (base_url, document) = (address("PRISM_URL"), document());
    let mut read = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (status, response) in item["get"]["responses"].as_object().unwrap() {
            let examples = &resolve(&document, response)["content"]["application/json"]["examples"];
            for (key, example) in examples.as_object().unwrap() {
                let value = &resolve(&document, example)["value"];
                let partner = partner(&base_url, Some(&format!("code={status}, example={key}")));
                let place = format!("{path}, {status}, {key}");
                let (found, error) = if path.contains("batchJobStatus") {
                    let outcome = upload(&partner).get().await;
                    let expected = serde_json::from_value::<BatchUploadDetails>(value.clone()).unwrap();
                    if let Ok(found) = &outcome {
                        assert_eq!(**found, expected, "{place}");
                    }
                    (outcome.is_ok(), outcome.err())
                } else {
                    let outcome = customer(&partner).device_batches().get().await;
                    let expected = serde_json::from_value::<DeviceBatchCollection>(value.clone()).unwrap();
                    if let Ok(found) = &outcome {
                        assert_eq!(**found, expected, "{place}");
                    }
                    (outcome.is_ok(), outcome.err())
                };
                read += 1;
                if let Some(error) = error {
                    assert_eq!(error.status().unwrap().as_str(), status, "{place}: {error}");
                    let body: Value = serde_json::from_slice(error.body()).unwrap();
                    assert_eq!(&body, value, "{place}");
                }
                assert!(found == (status == "200") || key == "faultWith200", "{place}");
            }
        }
    }
    assert!(read >= 40, "{read} examples");
}

#[tokio::test]
#[ignore = "needs Prism; .ci/specification runs it"]
async fn neither_our_client_nor_the_emulator_breaks_the_document_in_prisms_judgement() {
    let base_url = address("PRISM_PROXY_URL");
    let partner = partner(&base_url, None);
    assert_eq!(upload(&partner).get().await.unwrap().devices_status.len(), 1);
    let batches = customer(&partner).device_batches().get().await.unwrap();
    assert_eq!(batches.items[0].id.as_deref(), Some("Test batch"));
    // With --errors, Prism replaces what violates the document by a 500 or 422 of its own.
    let unknown = partner.customers().by_id(TRACKING.parse().unwrap());
    let error = unknown.device_batches().get().await.unwrap_err();
    assert!(error.is_not_found() && error.code() == Some("1000"), "{error}");
    let error = unknown.batch_upload_status().by_id(CUSTOMER.parse().unwrap()).get().await.unwrap_err();
    assert!(error.is_not_found(), "{error}");
    // The proxy does judge: what it forwards to is an emulator, which has a case that violates the document.
    let html = partner.customers().by_id("00000000-0000-4000-8000-000000000008".parse().unwrap());
    assert_eq!(html.device_batches().get().await.unwrap_err().status().unwrap().as_u16(), 500);
}
