//! What went wrong with devices, from responses that were read over the wire.

use partner_center_devices::models::{BatchUploadDetails, UploadStatus};
use partner_center_devices::{DeviceError, ErrorKind};
use serde_json::{Value, json};

use crate::server::{Server, documented};

async fn read(body: Value) -> BatchUploadDetails {
    Server::with_body(body.to_string()).await.upload().get().await.unwrap().into_inner()
}

async fn of_devices(devices: Value) -> BatchUploadDetails {
    read(json!({ "status": "finished", "devicesStatus": devices })).await
}

#[tokio::test]
async fn the_documented_upload_is_complete_and_did_not_succeed() {
    let upload = Server::with_response(documented("batch_upload_status.http")).await.upload().get().await.unwrap();
    assert!(upload.is_complete() && !upload.succeeded());
    let failed: Vec<_> = upload.failed_devices().collect();
    let [failed] = &failed[..] else { panic!("{failed:?}") };
    assert_eq!((failed.position(), failed.device().serial_number.as_deref()), (1, Some("1234567890")));
    assert_eq!((failed.error().code(), failed.error().name()), (Some("808"), Some("ZtdDeviceAssignedToOtherTenant")));
    assert_eq!(
        failed.to_string(),
        "device with serial number 1234567890: 808 ZtdDeviceAssignedToOtherTenant: the device is registered to \
         another tenant; have it deregistered there, also from Microsoft Store for Business, then upload it again"
    );
    assert_eq!(
        upload.summary().to_string(),
        "1 device: 1 finished_with_errors; errors: 1 × 808 ZtdDeviceAssignedToOtherTenant"
    );
}

#[tokio::test]
async fn an_upload_succeeded_only_when_every_device_did() {
    for (status, devices, succeeded) in [
        ("finished", json!([{ "status": "finished" }, { "status": "finished" }]), true),
        ("finished", json!([{ "status": "finished" }, { "status": "finished_with_errors" }]), false),
        ("finished", json!([{ "status": "finished", "errorCode": "808" }]), false),
        ("finished", json!([{ "status": "finished", "errorCode": 0, "errorDescription": "" }]), true),
        ("finished", json!([{ "status": "finished", "errorCode": "0x00000000" }]), true),
        ("finished", json!([{ "status": "finished", "errorCode": "0x80070005" }]), false),
        ("finished", json!([{ "status": "in-progress" }]), false),
        ("finished", json!([{}]), false),
        ("finished", json!(null), true),
        ("finished_with_errors", json!([{ "status": "finished" }]), false),
        ("processing", json!([{ "status": "finished" }]), false),
        ("paused", json!([]), false),
    ] {
        let upload = read(json!({ "status": status, "devicesStatus": devices })).await;
        assert_eq!(upload.succeeded(), succeeded, "{status} {devices}");
        assert_eq!(upload.is_complete(), status.starts_with("finished"), "{status}");
    }
    assert!(!BatchUploadDetails::default().is_complete());
}

#[tokio::test]
async fn a_summary_counts_each_status_and_each_error() {
    let upload = of_devices(json!([
        { "status": "finished" },
        { "status": "finished_with_errors", "errorCode": "806" },
        { "status": "paused" },
        { "status": "finished_with_errors", "errorCode": 808, "errorDescription": "ZtdDeviceAssignedToOtherTenant" },
        { "status": "finished" },
        { "status": "finished_with_errors", "errorCode": "808", "errorDescription": "ZtdDeviceAssignedToOtherTenant" },
        {},
    ]))
    .await;
    let summary = upload.summary();
    assert_eq!((summary.devices, summary.failed), (7, 3));
    let statuses = [
        (UploadStatus::Finished, 2),
        (UploadStatus::FinishedWithErrors, 3),
        (UploadStatus::Other("paused".to_owned()), 1),
        (UploadStatus::Unknown, 1),
    ];
    assert_eq!(summary.by_status, statuses);
    let errors: Vec<_> = summary.by_error.iter().map(|(error, count)| (error.code(), *count)).collect();
    assert_eq!(errors, [(Some("806"), 1), (Some("808"), 2)]);
    assert_eq!(
        summary.to_string(),
        "7 devices: 2 finished, 3 finished_with_errors, 1 paused, 1 unknown; \
         errors: 1 × 806 ZtdDeviceAlreadyAssigned, 2 × 808 ZtdDeviceAssignedToOtherTenant"
    );
}

#[tokio::test]
async fn errors_of_one_kind_are_counted_together_however_they_are_written() {
    let upload = of_devices(json!([
        { "errorCode": "808", "errorDescription": "ZtdDeviceAssignedToOtherTenant" },
        { "errorCode": 808, "errorDescription": "ZtdDeviceAssignedToAnotherTenant" },
        { "errorDescription": "ztddeviceassignedtoothertenant" },
        { "errorCode": "899", "errorDescription": "for device 1" },
        { "errorCode": "899", "errorDescription": "for device 2" },
        { "status": "finished_with_errors" },
    ]))
    .await;
    let summary = upload.summary();
    let errors: Vec<_> = summary.by_error.iter().map(|(error, count)| (error.code(), *count)).collect();
    assert_eq!(errors, [(Some("808"), 3), (Some("899"), 2), (None, 1)]);
    assert_eq!(summary.failed, 6);
}

#[test]
fn every_documented_code_has_its_name_a_meaning_and_a_remedy() {
    let table = [
        (640, "StorageError", "failure of the service", "later"),
        (801, "InvalidZtdRequestBody", "malformed", "form"),
        (802, "InvalidZtdHardwareHash", "hash is invalid", "collect the hash"),
        (803, "MissingZtdSerialNumberAndProductKey", "missing", "hardware hash"),
        (
            806,
            "ZtdDeviceAlreadyAssigned",
            "already registered to this tenant",
            "if it is in no list of devices, upload it again",
        ),
        (807, "ZtdDeviceIsNotRegistered", "is not registered", "register the device"),
        (808, "ZtdDeviceAssignedToOtherTenant", "device is registered to another tenant", "deregistered"),
        (809, "ZtdProfileIsNotRegistered", "profile is not registered", "create the profile"),
        (810, "ZtdProfileAssignedToOtherTenant", "profile belongs to another tenant", "profile of the customer"),
        (811, "ZtdDeviceRegisteredByOtherTenant", "by a user of another tenant", "delete"),
        (812, "ZtdDeviceNotFound", "match no hardware hash", "check"),
        (813, "ZtdDeviceIsNotUnique", "does not identify one device", "full hardware hash"),
        (814, "ZtdDeviceAlreadyAadRegistered", "object in the directory", "in use"),
        (908, "HardwareMismatchDetected", "hardware hash", "upload it again"),
    ];
    for (code, name, meaning, remedy) in table {
        let error = DeviceError::new(code.to_string(), "");
        assert_eq!(error.name(), Some(name));
        assert!(error.meaning().is_some_and(|text| text.contains(meaning)), "{error}");
        assert!(error.remedy().is_some_and(|text| text.contains(remedy)), "{error}");
        assert_eq!(error.is_retryable(), code == 640, "{code}");
        assert_eq!(error.is_harmless(), code == 806, "{code}");
        assert!(error.to_string().starts_with(&format!("{code} {name}: ")), "{error}");
        // By name where there is no number, in any letter case.
        assert_eq!(DeviceError::new("", name.to_lowercase()).name(), Some(name));
    }
    let duplicated = DeviceError::new("", "ZtdDeviceDuplicated");
    assert!(duplicated.meaning().is_some());
    assert!(duplicated.to_string().starts_with("ZtdDeviceDuplicated: "));
}

#[test]
fn a_code_is_matched_by_number_first_and_kept_as_it_came() {
    let error = DeviceError::new(" 808 ", "ZtdDeviceAlreadyAssigned");
    assert_eq!((error.name(), error.is_harmless()), (Some("ZtdDeviceAssignedToOtherTenant"), false));
    assert_eq!((error.code(), error.description()), (Some(" 808 "), Some("ZtdDeviceAlreadyAssigned")));
    let other_page = DeviceError::new("", "ZtdDeviceAssignedToAnotherTenant");
    assert_eq!(other_page.name(), Some("ZtdDeviceAssignedToOtherTenant"));
    assert_eq!(DeviceError::new("899", "ZtdDeviceNotFound").name(), Some("ZtdDeviceNotFound"));
}

#[test]
fn an_unknown_code_keeps_its_number_and_text() {
    for (code, description, shown) in [
        ("899", "SomethingNew", "899 SomethingNew"),
        ("899", "", "error 899"),
        ("", "SomethingNew", "SomethingNew"),
        ("", "", "failed without a reason"),
        ("0x80070005", "Access\r\n\u{1b}[31mdenied", "0x80070005 Access   [31mdenied"),
    ] {
        let error = DeviceError::new(code, description);
        let filled = |text| Some(text).filter(|text: &&str| !text.is_empty());
        assert_eq!((error.code(), error.description(), error.meaning()), (filled(code), filled(description), None));
        assert!(!error.is_retryable() && !error.is_harmless());
        assert_eq!(error.to_string(), shown);
    }
}

#[tokio::test]
async fn a_device_is_named_by_what_it_has() {
    let upload = of_devices(json!([
        { "status": "finished" },
        { "errorCode": "899", "serialNumber": "SN-1", "productKey": "PK-1" },
        { "errorCode": "899", "productKey": "PK-1", "deviceId": "ID-1" },
        { "errorCode": "899", "deviceId": "ID-1" },
        { "errorCode": "899", "errorDescription": "x".repeat(5000), "serialNumber": "S\nN" },
        { "errorCode": "899", "serialNumber": "To be filled by O.E.M.", "errorDescription": "A sentence." },
        { "status": "finished_with_errors", "serialNumber": "\u{202e}\n", "productKey": " " },
    ]))
    .await;
    let lines: Vec<_> = upload.failed_devices().map(|failed| failed.to_string()).collect();
    assert_eq!(lines[0], "device with serial number SN-1: error 899");
    assert_eq!(lines[1], "device with product key PK-1: error 899");
    assert_eq!(lines[2], "device with id ID-1: error 899");
    assert!(lines[3].starts_with("device with serial number S N: 899 xxx") && lines[3].len() < 500);
    assert_eq!(lines[4], "device with serial number To be filled by O.E.M.: 899 A sentence.");
    assert_eq!(lines[5], "device 7 of the upload: failed without a reason");
    let empty = of_devices(json!([{ "status": "" }, { "status": "finished_with_errors" }])).await;
    let words = "2 devices: 1 unknown, 1 finished_with_errors; errors: 1 × without a reason";
    assert_eq!(empty.summary().to_string(), words);
}

#[tokio::test]
async fn a_summary_and_its_failed_devices_are_written_as_json() {
    let upload = Server::with_response(documented("batch_upload_status.http")).await.upload().get().await.unwrap();
    let summary = serde_json::to_value(upload.summary()).unwrap();
    assert_eq!((&summary["devices"], &summary["failed"]), (&json!(1), &json!(1)));
    assert_eq!(summary["by_status"], json!([["finished_with_errors", 1]]));
    let failed = serde_json::to_value(upload.failed_devices().next().unwrap()).unwrap();
    assert_eq!((&failed["position"], &failed["device"]["serialNumber"]), (&json!(1), &json!("1234567890")));
    assert_eq!(failed["error"]["code"], "808");
    assert_eq!(failed["error"]["name"], "ZtdDeviceAssignedToOtherTenant");
    assert_eq!(failed["error"]["meaning"], "the device is registered to another tenant");

    let unknown = serde_json::to_value(DeviceError::new("899", "")).unwrap();
    assert_eq!(unknown, json!({ "code": "899" }), "what is absent is left out");
    assert_eq!(serde_json::to_value(ErrorKind::NotFinished).unwrap(), "not_finished");
}

#[tokio::test]
async fn a_device_whose_deletion_is_in_progress_has_failed_and_is_worth_another_upload() {
    for name in ["ZtdDeviceDeletionInProgess", "ztddevicedeletioninprogress"] {
        let device = json!({ "status": "finished_with_errors", "errorCode": null, "errorDescription": name });
        let upload = of_devices(json!([device])).await;
        assert!(!upload.succeeded());
        let failed = upload.failed_devices().next().unwrap();
        assert_eq!(
            (failed.error().name(), failed.error().description()),
            (Some("ZtdDeviceDeletionInProgess"), Some(name))
        );
        assert!(failed.error().is_retryable() && !failed.error().is_harmless());
        assert!(failed.error().remedy().is_some_and(|text| text.contains("wait") && text.contains("again")));
    }
    let deleted = DeviceError::new("", "ZtdDeviceAlreadyDeleted");
    assert!(deleted.meaning().is_some() && !deleted.is_retryable());
}

#[tokio::test]
async fn a_pending_device_is_counted_as_such_and_has_not_failed() {
    let device = json!({ "serialNumber": "SN-6", "status": "pending", "errorCode": 0, "errorDescription": "" });
    let upload = read(json!({ "status": "processing", "devicesStatus": [device] })).await;
    assert_eq!(upload.devices_status[0].status, Some(UploadStatus::Pending));
    assert!(!upload.is_complete() && !upload.succeeded() && upload.failed_devices().next().is_none());
    assert_eq!(upload.summary().to_string(), "1 device: 1 pending");
    assert!(!UploadStatus::Pending.is_terminal());
}
