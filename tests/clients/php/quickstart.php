<?php
require __DIR__ . '/autoload.php'; // with Composer: vendor/autoload.php

$configuration = (new PartnerCenter\Configuration())
    ->setHost(getenv('PARTNER_CENTER_URL') ?: 'http://127.0.0.1:8080')
    ->setAccessToken(getenv('PARTNER_CENTER_TOKEN') ?: 'any');
$devices = new PartnerCenter\Api\DevicesApi(config: $configuration);
$customer = '47021739-3426-40bf-9601-61b4b6d7c793';

try {
    $upload = $devices->getBatchUploadStatus($customer, '0127ed8e-ff72-4983-a3d8-e8d8bd378932');
    echo $upload->getStatus(), "\n";
    foreach ($upload->getDevicesStatus() ?? [] as $device) {
        echo "{$device->getSerialNumber()} {$device->getErrorCode()} {$device->getErrorDescription()}\n";
    }
    foreach ($devices->getDeviceBatches($customer)->getItems() ?? [] as $batch) {
        echo $batch->getId(), "\n";
    }
} catch (PartnerCenter\ApiException $error) {
    echo $error->getCode(), ' ', $error->getResponseBody(), "\n";
}
