$LOAD_PATH.unshift File.join(__dir__, 'partner-center/lib') # as a gem: gem build, gem install
require 'partner_center'
require 'uri'

service = URI(ENV.fetch('PARTNER_CENTER_URL', 'http://127.0.0.1:8080'))
configuration = PartnerCenter::Configuration.new do |config|
  config.scheme, config.host, config.server_index = service.scheme, "#{service.host}:#{service.port}", nil
  config.access_token = ENV.fetch('PARTNER_CENTER_TOKEN', 'any')
end
devices = PartnerCenter::DevicesApi.new(PartnerCenter::ApiClient.new(configuration))
customer = '47021739-3426-40bf-9601-61b4b6d7c793'

begin
  upload = devices.get_batch_upload_status(customer, '0127ed8e-ff72-4983-a3d8-e8d8bd378932')
  puts upload.status
  (upload.devices_status || []).each do |device|
    puts "#{device.serial_number} #{device.error_code} #{device.error_description}"
  end
  (devices.get_device_batches(customer).items || []).each { |batch| puts batch.id }
rescue PartnerCenter::ApiError => error
  puts "#{error.code} #{error.response_body}"
end
