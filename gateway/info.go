package gateway

import (
	"context"
	"net/http"

	"github.com/faas-cli/faas-cli/schema"
)

// Info describes the gateway and its provider, either of which may be nil in
// the answer.
func (c *Client) Info(ctx context.Context) (schema.GatewayInfo, error) {
	var info schema.GatewayInfo
	_, err := c.do(ctx, call{op: "ask for the gateway's version", method: http.MethodGet, path: "system/info"}, decode(&info))
	if err != nil {
		return schema.GatewayInfo{}, err
	}
	return info, nil
}

// Health returns nil if the gateway says that it works. It sends no
// credentials and is never retried: the caller polls.
func (c *Client) Health(ctx context.Context) error {
	_, err := c.do(ctx, call{op: "check health", method: http.MethodGet, path: "healthz", poll: true, anonymous: true}, nil)
	return err
}
