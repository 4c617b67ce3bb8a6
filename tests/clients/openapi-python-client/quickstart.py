import os
from partner_center import AuthenticatedClient
from partner_center.api.devices import get_batch_upload_status, get_device_batches

client = AuthenticatedClient(
    base_url=os.environ.get("PARTNER_CENTER_URL", "http://127.0.0.1:8080"),
    token=os.environ.get("PARTNER_CENTER_TOKEN", "any"),
)
customer = "47021739-3426-40bf-9601-61b4b6d7c793"

response = get_batch_upload_status.sync_detailed(
    customer, "0127ed8e-ff72-4983-a3d8-e8d8bd378932", client=client
)
if response.status_code == 200:
    upload = response.parsed
    print(upload.status)
    for device in upload.devices_status or []:
        print(device.serial_number, device.error_code, device.error_description)
else:
    print(response.status_code, response.content)

batches = get_device_batches.sync_detailed(customer, client=client)
if batches.status_code == 200:
    print([batch.id for batch in batches.parsed.items or []])
