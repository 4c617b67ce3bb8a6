from partner_center import AuthenticatedClient, Client
from partner_center.api.devices import get_batch_upload_status, get_device_batches
from shared import batches, failure, run, upload


def client(base, token):
    return AuthenticatedClient(base_url=base, token=token) if token else Client(base_url=base)


def read(response, shown):
    if response.status_code == 200:
        return shown(200, response.parsed)
    return failure(int(response.status_code), response.parsed, response.headers.get("Retry-After"))


run(
    lambda base, token, customer, tracking: read(
        get_batch_upload_status.sync_detailed(customer, tracking, client=client(base, token)), upload),
    lambda base, token, customer: read(get_device_batches.sync_detailed(customer, client=client(base, token)), batches),
)
