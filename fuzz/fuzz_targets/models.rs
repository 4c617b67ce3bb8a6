#![no_main]

use libfuzzer_sys::fuzz_target;
use partner_center_devices::models::{self, BatchUploadDetails, DeviceBatchCollection};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(details) = models::from_slice::<BatchUploadDetails>(bytes) {
        let written = serde_json::to_vec(&details).unwrap();
        assert_eq!(serde_json::from_slice::<BatchUploadDetails>(&written).unwrap(), details);
    }
    if let Ok(list) = models::from_slice::<DeviceBatchCollection>(bytes) {
        let written = serde_json::to_vec(&list).unwrap();
        assert_eq!(serde_json::from_slice::<DeviceBatchCollection>(&written).unwrap(), list);
    }
});
