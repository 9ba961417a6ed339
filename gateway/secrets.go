package gateway

import (
	"context"
	"fmt"
	"net/http"

	"github.com/faas-cli/faas-cli/schema"
)

// Secrets lists the secrets of a namespace, without their values. The list is
// never nil on success.
func (c *Client) Secrets(ctx context.Context, namespace string) ([]schema.Secret, error) {
	var list []schema.Secret
	_, err := c.do(ctx, call{
		op: "list secrets", method: http.MethodGet, path: "system/secrets", query: inNamespace(namespace),
	}, decodeList(&list, false))
	if err != nil {
		return nil, err
	}
	return list, nil
}

// CreateSecret creates a secret. It fails with [ErrConflict] if there is one
// of that name, though some gateways replace it instead.
func (c *Client) CreateSecret(ctx context.Context, s schema.Secret) (Accepted, error) {
	return c.do(ctx, call{
		op: fmt.Sprintf("create secret %q", s.Name), method: http.MethodPost, path: "system/secrets", body: s,
	}, nil)
}

// UpdateSecret gives a secret a new value. It fails with [ErrNotFound].
func (c *Client) UpdateSecret(ctx context.Context, s schema.Secret) (Accepted, error) {
	return c.do(ctx, call{
		op: fmt.Sprintf("update secret %q", s.Name), method: http.MethodPut, path: "system/secrets", body: s,
	}, nil)
}

// DeleteSecret removes a secret. It fails with [ErrNotFound]. The namespace is
// sent in the body and in the query, as faasd reads only the latter.
func (c *Client) DeleteSecret(ctx context.Context, name, namespace string) error {
	_, err := c.do(ctx, call{
		op: fmt.Sprintf("remove secret %q", name), method: http.MethodDelete, path: "system/secrets",
		query: inNamespace(namespace), body: schema.Secret{Name: name, Namespace: namespace},
	}, nil)
	return err
}
