$LOAD_PATH.unshift File.join(__dir__, 'partner-center/lib')
require 'json'
require 'uri'
require 'partner_center'

def failure(error)
  return { crash: error.message } unless error.code.to_i >= 300
  read = { http: error.code, retryAfter: error.response_headers['retry-after'] }
  begin
    fault = PartnerCenter::ApiFault.build_from_hash(JSON.parse(error.response_body, symbolize_names: true))
    read.merge(code: fault.code, description: fault.description, statusCode: fault.status_code, message: fault.message)
  rescue JSON::ParserError, TypeError
    read # a page, or nothing
  end
end

def attempt
  yield
rescue PartnerCenter::ApiError => error
  failure(error)
rescue StandardError => error
  { crash: "#{error.class}: #{error.message}" }
end

def upload(data, http)
  devices = (data.devices_status || []).map do |device|
    { serialNumber: device.serial_number, productKey: device.product_key, status: device.status,
      errorCode: device.error_code, errorDescription: device.error_description }
  end
  { http: http, batchTrackingId: data.batch_tracking_id, status: data.status, startedTime: data.started_time,
    completedTime: data.completed_time, devices: devices }
end

def batches(data, http)
  items = (data.items || []).map do |batch|
    { id: batch.id, status: batch.status, creationDate: batch.creation_date, devicesCount: batch.devices_count,
      link: batch.devices_link&.uri }
  end
  { http: http, totalCount: data.total_count, items: items }
end

service = URI(ARGV.shift)
$stdin.each_line do |line|
  name, customer, id, token = line.split
  configuration = PartnerCenter::Configuration.new do |config|
    config.scheme, config.host, config.server_index = service.scheme, "#{service.host}:#{service.port}", nil
    config.access_token = token unless token == '-'
  end
  devices = PartnerCenter::DevicesApi.new(PartnerCenter::ApiClient.new(configuration))
  puts JSON.generate(
    case: name,
    upload: attempt { upload(*devices.get_batch_upload_status_with_http_info(customer, id).first(2)) },
    batches: attempt { batches(*devices.get_device_batches_with_http_info(customer).first(2)) }
  )
end
