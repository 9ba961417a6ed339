package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// FunctionToken exchanges an identity token for one that may invoke a
// function of a gateway with IAM. It fails with [ErrUnauthorized] if the
// identity token is not accepted. How long the result is good for is not told:
// servers may leave expires_in out, and an invocation that is refused says it
// anyway.
//
// Source of truth: POST /oauth/token of the gateway API (RFC 8693).
func (c *Client) FunctionToken(ctx context.Context, identityToken, name, namespace string) (string, error) {
	form := url.Values{
		"grant_type":         {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"subject_token_type": {"urn:ietf:params:oauth:token-type:id_token"},
		"subject_token":      {identityToken},
		"scope":              {"function"},
		"audience":           {namespace + ":" + name},
	}
	var token struct {
		AccessToken string `json:"access_token"`
	}
	_, err := c.do(ctx, call{
		op:     fmt.Sprintf("get an access token for function %q", qualified(name, namespace)),
		method: http.MethodPost, path: "oauth/token", form: form, anonymous: true,
	}, func(body io.Reader) error {
		if err := decode(&token)(body); err != nil {
			return err
		}
		if token.AccessToken == "" {
			return &shapeError{"an object without access_token"}
		}
		return nil
	})
	var refused *Error
	if errors.As(err, &refused) {
		refused.explain()
	}
	return token.AccessToken, err
}

// explain reads the JSON in which this endpoint says why it refuses.
func (e *Error) explain() {
	var body struct {
		Error       string `json:"error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal([]byte(e.Message), &body) != nil || body.Error == "" {
		return
	}
	switch body.Error {
	// The first is what RFC 8693 wants of a subject token that is invalid "for
	// any reason"; some servers keep to RFC 6749.
	case "invalid_request", "invalid_grant", "invalid_client", "unauthorized_client":
		e.unauthorized = true
	}
	e.Message = clean(body.Error)
	if body.Description != "" {
		e.Message = clean(body.Error + ": " + body.Description)
	}
}
