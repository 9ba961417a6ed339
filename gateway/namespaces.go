package gateway

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"

	"github.com/faas-cli/faas-cli/schema"
)

// Namespaces lists the names of the namespaces that functions may be deployed
// to, in the server's order.
func (c *Client) Namespaces(ctx context.Context) ([]string, error) {
	var list []string
	_, err := c.do(ctx, call{
		op: "list namespaces", method: http.MethodGet, path: "system/namespaces",
	}, decodeList(&list, true))
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Namespace describes a namespace. It fails with [ErrNotFound]; a gateway
// without this feature answers 501.
func (c *Client) Namespace(ctx context.Context, name string) (schema.FunctionNamespace, error) {
	k, err := namespaceCall("describe", http.MethodGet, name)
	if err != nil {
		return schema.FunctionNamespace{}, err
	}
	var ns schema.FunctionNamespace
	_, err = c.do(ctx, k, func(body io.Reader) error {
		if err := decode(&ns)(body); err != nil {
			return err
		}
		if ns.Name == "" {
			return &shapeError{"an object that is no namespace"}
		}
		return nil
	})
	if err != nil {
		return schema.FunctionNamespace{}, err
	}
	return ns, nil
}

// CreateNamespace creates a namespace, marked as one for functions. It fails
// with [ErrConflict].
func (c *Client) CreateNamespace(ctx context.Context, ns schema.FunctionNamespace) (Accepted, error) {
	k, err := namespaceCall("create", http.MethodPost, ns.Name)
	if err != nil {
		return 0, err
	}
	k.path = "system/namespace/" // the name is in the body alone
	k.body = marked(ns)
	return c.do(ctx, k, nil)
}

// UpdateNamespace replaces the labels and annotations of a namespace. It fails
// with [ErrNotFound].
func (c *Client) UpdateNamespace(ctx context.Context, ns schema.FunctionNamespace) (Accepted, error) {
	k, err := namespaceCall("update", http.MethodPut, ns.Name)
	if err != nil {
		return 0, err
	}
	k.body = marked(ns)
	return c.do(ctx, k, nil)
}

// DeleteNamespace removes a namespace with all that is in it. It fails with
// [ErrNotFound].
func (c *Client) DeleteNamespace(ctx context.Context, name string) (Accepted, error) {
	k, err := namespaceCall("remove", http.MethodDelete, name)
	if err != nil {
		return 0, err
	}
	k.body = schema.FunctionNamespace{Name: name, Labels: map[string]string{namespaceMark: "1"}}
	return c.do(ctx, k, nil)
}

func namespaceCall(verb, method, name string) (call, error) {
	op := fmt.Sprintf("%s namespace %q", verb, name)
	if err := checkName("namespace", name); err != nil {
		return call{}, err
	}
	return call{op: op, method: method, path: "system/namespace/" + url.PathEscape(name)}, nil
}

// namespaceMark tells the namespaces of functions from others of the cluster.
const namespaceMark = "openfaas"

func marked(ns schema.FunctionNamespace) schema.FunctionNamespace {
	mark := func(m map[string]string) map[string]string {
		m = maps.Clone(m)
		if m == nil {
			m = map[string]string{}
		}
		m[namespaceMark] = "1"
		return m
	}
	ns.Labels, ns.Annotations = mark(ns.Labels), mark(ns.Annotations)
	return ns
}
