// uses: DevicesApi Configuration BasePath AccessToken ApiException ErrorCode ErrorContent GetBatchUploadStatus GetDeviceBatches DevicesStatus SerialNumber ErrorDescription Items
using PartnerCenter.Api;
using PartnerCenter.Client;

var configuration = new Configuration
{
    BasePath = Environment.GetEnvironmentVariable("PARTNER_CENTER_URL") ?? "http://127.0.0.1:8080",
    AccessToken = Environment.GetEnvironmentVariable("PARTNER_CENTER_TOKEN") ?? "any",
};
var devices = new DevicesApi(new HttpClient(), configuration, new HttpClientHandler());
var customer = Guid.Parse("47021739-3426-40bf-9601-61b4b6d7c793");
try
{
    var upload = devices.GetBatchUploadStatus(customer, Guid.Parse("0127ed8e-ff72-4983-a3d8-e8d8bd378932"));
    Console.WriteLine(upload.Status);
    foreach (var device in upload.DevicesStatus)
        Console.WriteLine($"{device.SerialNumber} {device.ErrorCode} {device.ErrorDescription}");
    foreach (var batch in devices.GetDeviceBatches(customer).Items)
        Console.WriteLine(batch.Id);
}
catch (ApiException error)
{
    Console.WriteLine($"{error.ErrorCode} {error.ErrorContent}");
}
