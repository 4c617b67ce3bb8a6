<?php // Guzzle as Debian packages it, and the generated client; with Composer this is vendor/autoload.php.
require_once 'GuzzleHttp/autoload.php';
spl_autoload_register(function (string $class): void {
    if (str_starts_with($class, 'PartnerCenter\\')) {
        require __DIR__ . '/partner-center/lib/' . str_replace('\\', '/', substr($class, strlen('PartnerCenter\\'))) . '.php';
    }
});
