pip install openapi-python-client==0.29.1
openapi-python-client generate --path partner-center-devices.yaml --meta none --output-path partner_center
