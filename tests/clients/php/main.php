<?php
require __DIR__ . '/autoload.php';

use PartnerCenter\ApiException;

function attempt(callable $call, callable $shown): array {
    try {
        [$data, $http] = $call();
        return $shown($http, $data);
    } catch (ApiException $error) {
        if ($error->getCode() < 300) {
            return ['crash' => $error->getMessage()];
        }
        $fault = $error->getResponseObject();
        $headers = array_change_key_case($error->getResponseHeaders() ?? []);
        $read = ['http' => $error->getCode(), 'retryAfter' => $headers['retry-after'][0] ?? null];
        if ($fault instanceof PartnerCenter\Model\ApiFault) {
            $read += ['code' => $fault->getCode(), 'description' => $fault->getDescription(),
                'statusCode' => $fault->getStatusCode(), 'message' => $fault->getMessage()];
        }
        return $read;
    } catch (Throwable $error) {
        return ['crash' => get_class($error) . ': ' . $error->getMessage()];
    }
}

$upload = fn (int $http, $data) => [
    'http' => $http, 'batchTrackingId' => $data->getBatchTrackingId(), 'status' => $data->getStatus(),
    'startedTime' => $data->getStartedTime(), 'completedTime' => $data->getCompletedTime(),
    'devices' => array_map(fn ($device) => [
        'serialNumber' => $device->getSerialNumber(), 'productKey' => $device->getProductKey(),
        'status' => $device->getStatus(), 'errorCode' => $device->getErrorCode(),
        'errorDescription' => $device->getErrorDescription(),
    ], $data->getDevicesStatus() ?? []),
];
$batches = fn (int $http, $data) => [
    'http' => $http, 'totalCount' => $data->getTotalCount(),
    'items' => array_map(fn ($batch) => [
        'id' => $batch->getId(), 'status' => $batch->getStatus(), 'creationDate' => $batch->getCreationDate(),
        'devicesCount' => $batch->getDevicesCount(), 'link' => $batch->getDevicesLink()?->getUri(),
    ], $data->getItems() ?? []),
];

while (($line = fgets(STDIN)) !== false) {
    [$case, $customer, $id, $token] = explode(' ', trim($line));
    $configuration = (new PartnerCenter\Configuration())->setHost($argv[1])->setAccessToken($token === '-' ? '' : $token);
    $devices = new PartnerCenter\Api\DevicesApi(config: $configuration);
    echo json_encode([
        'case' => $case,
        'upload' => attempt(fn () => $devices->getBatchUploadStatusWithHttpInfo($customer, $id), $upload),
        'batches' => attempt(fn () => $devices->getDeviceBatchesWithHttpInfo($customer), $batches),
    ]), "\n";
}
