// uses: DevicesApi ApiClient accessToken ClientException ServerException statusCode getBatchUploadStatus getDeviceBatches devicesStatus serialNumber errorCode errorDescription items
import java.util.UUID
import partnercenter.apis.DevicesApi
import partnercenter.infrastructure.ApiClient
import partnercenter.infrastructure.ClientException
import partnercenter.infrastructure.ServerException

fun main() {
    ApiClient.accessToken = System.getenv("PARTNER_CENTER_TOKEN") ?: "any"
    val devices = DevicesApi(System.getenv("PARTNER_CENTER_URL") ?: "http://127.0.0.1:8080")
    val customer = UUID.fromString("47021739-3426-40bf-9601-61b4b6d7c793")
    try {
        val upload = devices.getBatchUploadStatus(customer, UUID.fromString("0127ed8e-ff72-4983-a3d8-e8d8bd378932"))
        println(upload.status)
        upload.devicesStatus?.forEach { println("${it.serialNumber} ${it.errorCode} ${it.errorDescription}") }
        println(devices.getDeviceBatches(customer).items?.map { it.id })
    } catch (error: ClientException) {
        println(error.statusCode)
    } catch (error: ServerException) {
        println(error.statusCode)
    }
}
