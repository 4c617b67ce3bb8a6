import os
from partner_center import ApiClient, ApiException, Configuration, DevicesApi

configuration = Configuration(
    host=os.environ.get("PARTNER_CENTER_URL", "http://127.0.0.1:8080"),
    access_token=os.environ.get("PARTNER_CENTER_TOKEN", "any"),
    retries=False,  # or it tries a 429 again by itself
)
devices = DevicesApi(ApiClient(configuration))
customer = "47021739-3426-40bf-9601-61b4b6d7c793"

try:
    upload = devices.get_batch_upload_status(customer, "0127ed8e-ff72-4983-a3d8-e8d8bd378932")
    print(upload.status)
    for device in upload.devices_status or []:
        print(device.serial_number, device.error_code, device.error_description)
    print([batch.id for batch in devices.get_device_batches(customer).items or []])
except ApiException as error:
    print(error.status, error.headers.get("Retry-After"), error.body)
