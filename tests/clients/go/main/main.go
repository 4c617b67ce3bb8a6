package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/example/partnercenter"
)

type object = map[string]any

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		part := strings.Fields(lines.Text())
		configuration := partnercenter.NewConfiguration()
		configuration.Servers = partnercenter.ServerConfigurations{{URL: os.Args[1]}}
		configuration.HTTPClient = &http.Client{Transport: forgiving{}}
		devices := partnercenter.NewAPIClient(configuration).DevicesAPI
		ctx := context.Background()
		if part[3] != "-" {
			ctx = context.WithValue(ctx, partnercenter.ContextAccessToken, part[3])
		}
		upload, response, err := devices.GetBatchUploadStatus(ctx, part[1], part[2]).Execute()
		read := object{"case": part[0], "upload": failure(response, err)}
		if err == nil {
			read["upload"] = showUpload(upload)
		}
		batches, response, err := devices.GetDeviceBatches(ctx, part[1]).Execute()
		read["batches"] = failure(response, err)
		if err == nil {
			read["batches"] = showBatches(batches)
		}
		line, _ := json.Marshal(read)
		fmt.Println(string(line))
	}
}

func failure(response *http.Response, err error) object {
	if err == nil {
		return nil
	}
	if response == nil || response.StatusCode < 300 {
		return object{"crash": err.Error()}
	}
	read := object{"http": response.StatusCode, "retryAfter": response.Header.Get("Retry-After")}
	var failed *partnercenter.GenericOpenAPIError
	if errors.As(err, &failed) {
		if fault, ok := failed.Model().(partnercenter.ApiFault); ok {
			read["code"], read["description"] = fault.GetCode(), fault.GetDescription()
			read["statusCode"], read["message"] = fault.StatusCode.Get(), fault.GetMessage()
		}
	}
	return read
}

func showUpload(data *partnercenter.BatchUploadDetails) object {
	devices := []object{}
	for _, device := range data.GetDevicesStatus() {
		devices = append(devices, object{"serialNumber": device.SerialNumber.Get(), "productKey": device.ProductKey.Get(),
			"status": device.Status.Get(), "errorCode": device.ErrorCode.Get(), "errorDescription": device.ErrorDescription.Get()})
	}
	return object{"http": 200, "batchTrackingId": data.BatchTrackingId.Get(), "status": data.Status.Get(),
		"startedTime": data.StartedTime.Get(), "completedTime": data.CompletedTime.Get(), "devices": devices}
}

func showBatches(data *partnercenter.DeviceBatchCollection) object {
	items := []object{}
	for _, batch := range data.GetItems() {
		link := batch.GetDevicesLink()
		items = append(items, object{"id": batch.Id.Get(), "status": batch.Status.Get(), "creationDate": batch.CreationDate.Get(),
			"devicesCount": batch.DevicesCount.Get(), "link": link.Uri.Get()})
	}
	return object{"http": 200, "totalCount": data.TotalCount.Get(), "items": items}
}

// forgiving reads responses that come without Content-Type or behind a byte-order mark: the client does not.
type forgiving struct{}

func (forgiving) RoundTrip(request *http.Request) (*http.Response, error) {
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return nil, err
	}
	if response.Header.Get("Content-Type") == "" {
		response.Header.Set("Content-Type", "application/json")
	}
	body := bufio.NewReader(response.Body)
	if start, _ := body.Peek(3); string(start) == "\uFEFF" {
		body.Discard(3)
	}
	response.Body = struct {
		io.Reader
		io.Closer
	}{body, response.Body}
	return response, nil
}
