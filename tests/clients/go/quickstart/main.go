package main

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/example/partnercenter"
)

func main() {
	configuration := partnercenter.NewConfiguration()
	configuration.Servers = partnercenter.ServerConfigurations{{URL: cmp.Or(os.Getenv("PARTNER_CENTER_URL"), "http://127.0.0.1:8080")}}
	configuration.HTTPClient = &http.Client{Transport: forgiving{}}
	token := cmp.Or(os.Getenv("PARTNER_CENTER_TOKEN"), "any")
	ctx := context.WithValue(context.Background(), partnercenter.ContextAccessToken, token)
	devices := partnercenter.NewAPIClient(configuration).DevicesAPI
	customer := "47021739-3426-40bf-9601-61b4b6d7c793"

	upload, response, err := devices.GetBatchUploadStatus(ctx, customer, "0127ed8e-ff72-4983-a3d8-e8d8bd378932").Execute()
	if err != nil {
		fmt.Println(response, err)
		return
	}
	fmt.Println(upload.GetStatus())
	for _, device := range upload.GetDevicesStatus() {
		fmt.Println(device.GetSerialNumber(), device.GetErrorCode(), device.GetErrorDescription())
	}
	batches, _, err := devices.GetDeviceBatches(ctx, customer).Execute()
	for _, batch := range batches.GetItems() {
		fmt.Println(batch.GetId())
	}
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
