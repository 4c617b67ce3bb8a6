"""What the Python clients share: which cases to call, and how what was read becomes one line."""

import json
import sys


def members(value, **names):
    """The members of an object that are set, under the names of the wire."""
    return {name: plain(getattr(value, member)) for name, member in names.items()}


def plain(value):
    return value if isinstance(value, (str, int, float, bool, list)) else None


def listed(value):
    return value if isinstance(value, list) else []


def upload(http, data):
    device = {"serialNumber": "serial_number", "productKey": "product_key", "status": "status",
              "errorCode": "error_code", "errorDescription": "error_description"}
    own = {"batchTrackingId": "batch_tracking_id", "status": "status", "startedTime": "started_time",
           "completedTime": "completed_time"}
    devices = [members(one, **device) for one in listed(data.devices_status)]
    return {"http": http, **members(data, **own), "devices": devices}


def batches(http, data):
    batch = {"id": "id", "status": "status", "creationDate": "creation_date", "devicesCount": "devices_count"}
    items = [{**members(one, **batch), "link": plain(getattr(one.devices_link, "uri", None))}
             for one in listed(data.items)]
    return {"http": http, **members(data, totalCount="total_count"), "items": items}


def failure(http, fault, retry_after):
    names = {"code": "code", "description": "description", "statusCode": "status_code", "message": "message"}
    own = members(fault, **names) if fault is not None else {}
    return {"http": http, **own, "retryAfter": retry_after}


def run(call_upload, call_batches):
    def attempt(call, *arguments):
        try:
            return call(sys.argv[1], *arguments)
        except Exception as error:
            return {"crash": f"{type(error).__name__}: {error}"}

    for line in sys.stdin:
        case, customer, upload_id, token = line.split()
        token = None if token == "-" else token
        read = {"case": case, "upload": attempt(call_upload, token, customer, upload_id),
                "batches": attempt(call_batches, token, customer)}
        print(json.dumps(read), flush=True)
