// uses: PartnerCenterAPIConfiguration basePath customHeaders DevicesAPI getBatchUploadStatus getDeviceBatches devicesStatus serialNumber errorCode errorDescription items ErrorResponse
import Foundation
import PartnerCenter

let environment = ProcessInfo.processInfo.environment
let service = PartnerCenterAPIConfiguration(
    basePath: environment["PARTNER_CENTER_URL"] ?? "http://127.0.0.1:8080",
    customHeaders: ["Authorization": "Bearer \(environment["PARTNER_CENTER_TOKEN"] ?? "any")"])
let customer = UUID(uuidString: "47021739-3426-40bf-9601-61b4b6d7c793")!
let tracking = UUID(uuidString: "0127ed8e-ff72-4983-a3d8-e8d8bd378932")!
do {
    let upload = try await DevicesAPI.getBatchUploadStatus(
        customerId: customer, batchtrackingId: tracking, apiConfiguration: service)
    print(upload.status ?? "no status")
    for device in upload.devicesStatus ?? [] {
        print(device.serialNumber ?? "", device.errorCode ?? "", device.errorDescription ?? "")
    }
    let batches = try await DevicesAPI.getDeviceBatches(customerId: customer, apiConfiguration: service)
    print((batches.items ?? []).map { $0.id ?? "" })
} catch ErrorResponse.error(let status, _, _, _) {
    print(status)
}
