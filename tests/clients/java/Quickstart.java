import java.util.UUID;
import partnercenter.ApiClient;
import partnercenter.ApiException;
import partnercenter.api.DevicesApi;

class Quickstart {
    public static void main(String[] arguments) throws ApiException {
        var token = System.getenv().getOrDefault("PARTNER_CENTER_TOKEN", "any");
        var client = new ApiClient();
        client.updateBaseUri(System.getenv().getOrDefault("PARTNER_CENTER_URL", "http://127.0.0.1:8080"));
        client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + token));
        var devices = new DevicesApi(client);
        var customer = UUID.fromString("47021739-3426-40bf-9601-61b4b6d7c793");
        try {
            var upload = devices.getBatchUploadStatus(
                customer, UUID.fromString("0127ed8e-ff72-4983-a3d8-e8d8bd378932"), null, null, null, null);
            System.out.println(upload.getStatus());
            for (var device : upload.getDevicesStatus()) {
                System.out.println(device.getSerialNumber() + " " + device.getErrorCode() + " " + device.getErrorDescription());
            }
            for (var batch : devices.getDeviceBatches(customer, null, null, null, null).getItems()) {
                System.out.println(batch.getId());
            }
        } catch (ApiException error) {
            System.out.println(error.getCode() + " " + error.getResponseBody());
        }
    }
}
