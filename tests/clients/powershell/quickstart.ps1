# uses: Set-Configuration BaseUrl AccessToken Get-BatchUploadStatus Get-DeviceBatches CustomerId BatchtrackingId devicesStatus serialNumber errorCode errorDescription items
# After ./client/Build.ps1, which makes the manifest of the module.
Import-Module ./client/src/PartnerCenter

$token = $env:PARTNER_CENTER_TOKEN ?? 'any'
Set-Configuration -BaseUrl ($env:PARTNER_CENTER_URL ?? 'http://127.0.0.1:8080') -AccessToken $token
$customer = '47021739-3426-40bf-9601-61b4b6d7c793'
try {
    $upload = Get-BatchUploadStatus -CustomerId $customer -BatchtrackingId '0127ed8e-ff72-4983-a3d8-e8d8bd378932'
    $upload.status
    $upload.devicesStatus | ForEach-Object { "$($_.serialNumber) $($_.errorCode) $($_.errorDescription)" }
    (Get-DeviceBatches -CustomerId $customer).items.id
} catch {
    "$($_.Exception.Response.StatusCode.value__) $($_.ErrorDetails)"
}
