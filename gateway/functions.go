package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/faas-cli/faas-cli/schema"
)

// Accepted is how a gateway agreed to a change. Zero means that it was not
// asked.
type Accepted int

// String is the status line: "202 Accepted".
func (a Accepted) String() string {
	if text := http.StatusText(int(a)); text != "" {
		return strconv.Itoa(int(a)) + " " + text
	}
	return strconv.Itoa(int(a))
}

// Deployed is the outcome of a deployment that the gateway accepted. Accepted
// is not ready: the replicas may still be starting.
type Deployed struct {
	Status  Accepted
	Updated bool // the function existed and is being replaced by rolling update

	// Warnings are what the server cannot honour of an accepted deployment, from Warning headers (RFC 7234 5.5).
	Warnings []string

	// Runtime is what the function runs as, and why, where the server chose: see [schema.RuntimeHeader].
	Runtime string
}

// Functions lists the functions of a namespace in the server's order; an empty
// namespace means the gateway's default. The list is never nil on success. A
// redirect is not followed: it is an error.
func (c *Client) Functions(ctx context.Context, namespace string) ([]schema.FunctionStatus, error) {
	return List[schema.FunctionStatus](ctx, c, namespace)
}

// List is [Client.Functions] for those who need less of each function: T is a
// struct with the wanted fields and JSON tags of [schema.FunctionStatus]. See
// [Client.Summaries] for the usual ones.
func List[T any](ctx context.Context, c *Client, namespace string) ([]T, error) {
	var list []T
	_, err := c.do(ctx, call{
		op: "list functions", method: http.MethodGet, path: "system/functions",
		query: inNamespace(namespace), noFollow: true,
	}, decodeList(&list, false))
	if err != nil {
		return nil, err
	}
	return list, nil
}

// Function describes one function, with what its replicas use. It fails with
// [ErrNotFound]. The count of invocations is in [Client.Functions] only.
func (c *Client) Function(ctx context.Context, name, namespace string) (schema.FunctionStatus, error) {
	return c.function(ctx, name, namespace, false)
}

// PollFunction is [Client.Function] for a caller that asks again and again:
// nothing is retried below it.
func (c *Client) PollFunction(ctx context.Context, name, namespace string) (schema.FunctionStatus, error) {
	return c.function(ctx, name, namespace, true)
}

func (c *Client) function(ctx context.Context, name, namespace string, poll bool) (schema.FunctionStatus, error) {
	op := fmt.Sprintf("describe function %q", name)
	if err := checkName("function", name); err != nil {
		return schema.FunctionStatus{}, err
	}
	q := inNamespace(namespace)
	q.Set("usage", "1")
	var fn schema.FunctionStatus
	_, err := c.do(ctx, call{
		op: op, method: http.MethodGet, path: "system/function/" + url.PathEscape(name), query: q, poll: poll,
	}, func(body io.Reader) error {
		if err := decode(&fn)(body); err != nil {
			return err
		}
		if fn.Name == "" {
			return &shapeError{"an object that is no function"}
		}
		return nil
	})
	if err != nil {
		return schema.FunctionStatus{}, err
	}
	return fn, nil
}

// Deploy updates a function, or creates it where the gateway does not know it.
// Repeating it does no harm.
func (c *Client) Deploy(ctx context.Context, d schema.FunctionDeployment) (Deployed, error) {
	sent, err := c.deploy(ctx, http.MethodPut, d)
	if errors.Is(err, ErrNotFound) {
		return c.Create(ctx, d)
	}
	sent.Updated = err == nil
	return sent, err
}

// Create deploys a function that does not exist yet. A gateway refuses one
// that does, most with 409 ([ErrConflict]) or 400; some replace it.
func (c *Client) Create(ctx context.Context, d schema.FunctionDeployment) (Deployed, error) {
	return c.deploy(ctx, http.MethodPost, d)
}

func (c *Client) deploy(ctx context.Context, method string, d schema.FunctionDeployment) (Deployed, error) {
	var sent Deployed
	k := deployment(method, d)
	k.head = func(h http.Header) {
		sent.Warnings = warnings(h)
		text, _ := strconv.Unquote(h.Get(schema.RuntimeHeader)) // without one, there is nothing to say
		sent.Runtime = clean(text)
	}
	var err error
	if sent.Status, err = c.do(ctx, k, nil); err != nil {
		return Deployed{}, err
	}
	return sent, nil
}

// maxWarnings bounds what a server can make us print.
const maxWarnings = 20

// warnings returns the texts of Warning headers: CODE AGENT "TEXT" each.
func warnings(h http.Header) []string {
	var texts []string
	for _, value := range h["Warning"] {
		_, quoted, ok := strings.Cut(value, `"`)
		if !ok || len(texts) == maxWarnings {
			continue
		}
		if text, err := strconv.Unquote(`"` + quoted); err == nil {
			texts = append(texts, clean(text))
		}
	}
	return texts
}

func deployment(method string, d schema.FunctionDeployment) call {
	if d.Labels == nil {
		d.Labels = map[string]string{}
	}
	if d.Annotations == nil {
		d.Annotations = map[string]string{}
	}
	return call{op: fmt.Sprintf("deploy %q", d.Service), method: method, path: "system/functions", body: d}
}

// Delete removes a function. It fails with [ErrNotFound].
func (c *Client) Delete(ctx context.Context, name, namespace string) error {
	_, err := c.do(ctx, call{
		op: fmt.Sprintf("remove %q", name), method: http.MethodDelete, path: "system/functions",
		body: schema.DeleteFunctionRequest{FunctionName: name, Namespace: namespace},
	}, nil)
	return err
}

// Scale sets the number of a function's replicas. It fails with [ErrNotFound].
func (c *Client) Scale(ctx context.Context, name, namespace string, replicas uint64) (Accepted, error) {
	if err := checkName("function", name); err != nil {
		return 0, err
	}
	return c.do(ctx, call{
		op: fmt.Sprintf("scale %q", name), method: http.MethodPost,
		path: "system/scale-function/" + url.PathEscape(name),
		body: schema.ScaleServiceRequest{ServiceName: name, Replicas: replicas, Namespace: namespace},
	}, nil)
}

func inNamespace(namespace string) url.Values {
	q := url.Values{}
	if namespace != "" {
		q.Set("namespace", namespace)
	}
	return q
}
