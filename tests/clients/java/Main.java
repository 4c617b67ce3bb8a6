import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import partnercenter.ApiClient;
import partnercenter.ApiException;
import partnercenter.ApiResponse;
import partnercenter.api.DevicesApi;
import partnercenter.model.ApiFault;
import partnercenter.model.BatchUploadDetails;
import partnercenter.model.DeviceBatchCollection;

class Main {
    static final ObjectMapper JSON = ApiClient.createDefaultObjectMapper();

    interface Call<T> { ApiResponse<T> send() throws ApiException; }
    interface Shown<T> { Map<String, Object> of(int http, T data); }

    public static void main(String[] arguments) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = lines.readLine()) != null; ) {
            var part = line.split(" ");
            var client = new ApiClient();
            client.updateBaseUri(arguments[0]);
            if (!part[3].equals("-")) {
                client.setRequestInterceptor(request -> request.header("Authorization", "Bearer " + part[3]));
            }
            var devices = new DevicesApi(client);
            UUID customer = UUID.fromString(part[1]), upload = UUID.fromString(part[2]);
            var read = members("case", part[0]);
            read.put("upload", read(
                () -> devices.getBatchUploadStatusWithHttpInfo(customer, upload, null, null, null, null), Main::upload));
            read.put("batches", read(
                () -> devices.getDeviceBatchesWithHttpInfo(customer, null, null, null, null), Main::batches));
            System.out.println(JSON.writeValueAsString(read));
        }
    }

    static <T> Map<String, Object> read(Call<T> call, Shown<T> shown) {
        try {
            var response = call.send();
            return shown.of(response.getStatusCode(), response.getData());
        } catch (ApiException error) {
            if (error.getCode() == 0) {
                return members("crash", error.toString());
            }
            var headers = error.getResponseHeaders();
            return failure(error.getCode(), error.getResponseBody(), headers.firstValue("Retry-After").orElse(null));
        } catch (RuntimeException error) {
            return members("crash", error.toString());
        }
    }

    static Map<String, Object> failure(int http, String body, String retryAfter) {
        var read = members("http", http, "retryAfter", retryAfter);
        try {
            var fault = JSON.readValue(body, ApiFault.class);
            read.putAll(members("code", fault.getCode(), "description", fault.getDescription(),
                "statusCode", fault.getStatusCode(), "message", fault.getMessage()));
        } catch (JsonProcessingException | IllegalArgumentException notJson) {
            // A page, or nothing.
        }
        return read;
    }

    static Map<String, Object> upload(int http, BatchUploadDetails data) {
        List<Object> devices = new ArrayList<>();
        for (var device : orEmpty(data.getDevicesStatus())) {
            devices.add(members("serialNumber", device.getSerialNumber(), "productKey", device.getProductKey(),
                "status", device.getStatus(), "errorCode", device.getErrorCode(),
                "errorDescription", device.getErrorDescription()));
        }
        return members("http", http, "batchTrackingId", data.getBatchTrackingId(), "status", data.getStatus(),
            "startedTime", data.getStartedTime(), "completedTime", data.getCompletedTime(), "devices", devices);
    }

    static Map<String, Object> batches(int http, DeviceBatchCollection data) {
        List<Object> items = new ArrayList<>();
        for (var batch : orEmpty(data.getItems())) {
            var link = batch.getDevicesLink();
            items.add(members("id", batch.getId(), "status", batch.getStatus(), "creationDate", batch.getCreationDate(),
                "devicesCount", batch.getDevicesCount(), "link", link == null ? null : link.getUri()));
        }
        return members("http", http, "totalCount", data.getTotalCount(), "items", items);
    }

    static <T> List<T> orEmpty(List<T> list) {
        return list == null ? List.of() : list;
    }

    static Map<String, Object> members(Object... namesAndValues) {
        Map<String, Object> members = new LinkedHashMap<>();
        for (int place = 0; place < namesAndValues.length; place += 2) {
            members.put((String) namesAndValues[place], namesAndValues[place + 1]);
        }
        return members;
    }
}
