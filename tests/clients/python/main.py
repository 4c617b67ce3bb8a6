from partner_center import ApiClient, ApiException, Configuration, DevicesApi
from shared import batches, failure, run, upload


def api(base, token):
    return DevicesApi(ApiClient(Configuration(host=base, access_token=token, retries=False)))


def read(call, shown, *ids):
    try:
        response = call(*ids)
    except ApiException as error:
        fault = error.data if hasattr(error.data, "code") else None
        return failure(error.status, fault, error.headers.get("Retry-After"))
    return shown(response.status_code, response.data)


run(
    lambda base, token, *ids: read(api(base, token).get_batch_upload_status_with_http_info, upload, *ids),
    lambda base, token, *ids: read(api(base, token).get_device_batches_with_http_info, batches, *ids),
)
