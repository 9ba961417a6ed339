// Package gatewaysuite says as tests what every gateway has to do. It runs
// against the one in memory, which keeps that honest, against the local
// platform, and against real ones.
package gatewaysuite

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/schema"
)

// Target is a gateway under test.
type Target struct {
	Client *gateway.Client // with credentials that are accepted
	// Refused has credentials that are not; nil: the gateway wants none.
	Refused *gateway.Client
	// Image is of a function whose answer holds its request's body.
	Image string
	// Ready bounds how long a function takes to get a replica; 0: 10 s.
	Ready time.Duration
}

// The names that the suite uses. What has them is removed before and after.
const (
	function = "gatewaysuite-echo"
	secret   = "gatewaysuite-secret"
)

// Run tests a gateway. Whatever it makes there is gone in the end.
func Run(t *testing.T, target Target) {
	t.Helper()
	clean(t.Context(), target.Client)
	t.Cleanup(func() { clean(context.WithoutCancel(t.Context()), target.Client) })
	for _, test := range []struct {
		name string
		run  func(*testing.T, Target)
	}{
		{"Credentials", testCredentials},
		{"Health", testHealth},
		{"Functions", testFunctions},
		{"Refusals", testRefusals},
		{"Invocations", testInvocations},
		{"Secrets", testSecrets},
		{"Namespaces", testNamespaces},
		{"Logs", testLogs},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, target) })
	}
}

// clean removes what an earlier run may have left; nothing there is the usual
// case.
func clean(ctx context.Context, c *gateway.Client) {
	_ = c.Delete(ctx, function, "")
	_ = c.DeleteSecret(ctx, secret, "")
}

func testCredentials(t *testing.T, target Target) {
	if target.Refused == nil {
		t.Skip("the gateway wants no credentials")
	}
	if _, err := target.Refused.Functions(t.Context(), ""); !errors.Is(err, gateway.ErrUnauthorized) {
		t.Errorf("the list with wrong credentials: %v; want ErrUnauthorized", err)
	}
	if _, err := target.Refused.Deploy(t.Context(), deployment(target)); !errors.Is(err, gateway.ErrUnauthorized) {
		t.Errorf("a deployment with wrong credentials: %v; want ErrUnauthorized", err)
	}
}

func testHealth(t *testing.T, target Target) {
	if err := target.Client.Health(t.Context()); err != nil {
		t.Error(err)
	}
	info, err := target.Client.Info(t.Context())
	if err != nil || info.Provider == nil || info.Version == nil {
		t.Errorf("Info = %+v, %v; want a provider and a version", info, err)
	}
}

func deployment(target Target) schema.FunctionDeployment {
	return schema.FunctionDeployment{
		Service: function, Image: target.Image,
		Labels: map[string]string{"suite": "yes"}, Annotations: map[string]string{"topic": "none"},
		EnvVars: map[string]string{"MODE": "fast"},
	}
}

// deploy puts the function in place and waits until it can answer.
func deploy(t *testing.T, target Target) {
	t.Helper()
	if _, err := target.Client.Deploy(t.Context(), deployment(target)); err != nil {
		t.Fatal(err)
	}
	waitFor(t, target, func(fn schema.FunctionStatus) bool { return fn.AvailableReplicas > 0 })
}

func waitFor(t *testing.T, target Target, good func(schema.FunctionStatus) bool) {
	t.Helper()
	limit := target.Ready
	if limit == 0 {
		limit = 10 * time.Second
	}
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	var last schema.FunctionStatus
	for {
		fn, err := target.Client.PollFunction(ctx, function, "")
		if err == nil && good(fn) {
			return
		}
		if err == nil {
			last = fn
		}
		select {
		case <-ctx.Done():
			t.Fatalf("not there after %s: %+v, %v", limit, last, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func testFunctions(t *testing.T, target Target) {
	ctx, c := t.Context(), target.Client
	sent, err := c.Deploy(ctx, deployment(target))
	if err != nil || sent.Updated {
		t.Fatalf("the first Deploy = %+v, %v; want a creation", sent, err)
	}
	sent, err = c.Deploy(ctx, deployment(target))
	if err != nil || !sent.Updated {
		t.Fatalf("the second Deploy = %+v, %v; want an update", sent, err)
	}
	waitFor(t, target, func(fn schema.FunctionStatus) bool { return fn.AvailableReplicas > 0 })
	fn, err := c.Function(ctx, function, "")
	if err != nil || fn.Name != function || fn.Image != target.Image || fn.Replicas == 0 {
		t.Errorf("Function = %+v, %v", fn, err)
	}
	if fn.Labels == nil || (*fn.Labels)["suite"] != "yes" || fn.Annotations == nil || (*fn.Annotations)["topic"] != "none" {
		t.Errorf("labels %v, annotations %v; want what was deployed", fn.Labels, fn.Annotations)
	}
	list, err := c.Functions(ctx, "")
	if err != nil || !slices.ContainsFunc(list, func(fn schema.FunctionStatus) bool { return fn.Name == function }) {
		t.Errorf("Functions = %+v, %v; want %s in it", list, err, function)
	}
	if _, err := c.Scale(ctx, function, "", 2); err != nil {
		t.Errorf("Scale: %v", err)
	} else {
		waitFor(t, target, func(fn schema.FunctionStatus) bool { return fn.Replicas == 2 })
	}
	if err := c.Delete(ctx, function, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Function(ctx, function, ""); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("Function of what was removed: %v; want ErrNotFound", err)
	}
}

func testRefusals(t *testing.T, target Target) {
	ctx, c := t.Context(), target.Client
	missing := "gatewaysuite-missing"
	if err := c.Delete(ctx, missing, ""); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("Delete of nothing: %v; want ErrNotFound", err)
	}
	if _, err := c.Scale(ctx, missing, "", 1); !errors.Is(err, gateway.ErrNotFound) {
		t.Errorf("Scale of nothing: %v; want ErrNotFound", err)
	}
	without := deployment(target)
	without.Secrets = []string{"gatewaysuite-missing"}
	_, err := c.Deploy(ctx, without)
	var e *gateway.Error
	if !errors.As(err, &e) || e.Status/100 != 4 || !strings.Contains(e.Message, "gatewaysuite-missing") {
		t.Errorf("a deployment with an unknown secret: %v; want a refusal that names it", err)
	}
}

func testInvocations(t *testing.T, target Target) {
	ctx, c := t.Context(), target.Client
	deploy(t, target)
	resp, err := c.Invoke(ctx, gateway.Invocation{
		Name: function, Path: "/some/path", Query: url.Values{"q": {"1"}}, Body: strings.NewReader("hello"),
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.Contains(string(text), "hello") || err != nil {
		t.Errorf("the answer is %d %q, %v; want one with the request's body", resp.StatusCode, text, err)
	}
	resp, err = c.Invoke(ctx, gateway.Invocation{Name: function, Async: true, Body: strings.NewReader("later")})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusAccepted || resp.Header.Get("X-Call-Id") == "" {
		t.Errorf("an asynchronous call: %d, id %q; want 202 and an id", resp.StatusCode, resp.Header.Get("X-Call-Id"))
	}
	resp, err = c.Invoke(ctx, gateway.Invocation{Name: "gatewaysuite-missing"})
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode/100 == 2 {
		t.Errorf("a call of nothing: %d", resp.StatusCode)
	}
	list, err := c.Functions(ctx, "")
	i := slices.IndexFunc(list, func(fn schema.FunctionStatus) bool { return fn.Name == function })
	if err != nil || i < 0 || list[i].InvocationCount < 1 {
		t.Errorf("the list does not count invocations: %+v, %v", list, err)
	}
}

func testSecrets(t *testing.T, target Target) {
	ctx, c := t.Context(), target.Client
	s := schema.Secret{Name: secret, Value: "one"}
	if _, err := c.CreateSecret(ctx, s); err != nil {
		t.Fatal(err)
	}
	s.Value = "two"
	if _, err := c.UpdateSecret(ctx, s); err != nil {
		t.Errorf("UpdateSecret: %v", err)
	}
	has := func() bool {
		list, err := c.Secrets(ctx, "")
		if err != nil {
			t.Errorf("Secrets: %v", err)
		}
		return slices.ContainsFunc(list, func(s schema.Secret) bool {
			if s.Value != "" || s.RawValue != nil {
				t.Errorf("the list shows a value of %s", s.Name)
			}
			return s.Name == secret
		})
	}
	if !has() {
		t.Error("the list lacks what was created")
	}
	if err := c.DeleteSecret(ctx, secret, ""); err != nil {
		t.Errorf("DeleteSecret: %v", err)
	}
	if has() {
		t.Error("the list has what was removed")
	}
	if err := c.DeleteSecret(ctx, secret, ""); err == nil {
		t.Error("removing a secret that is not there succeeded")
	}
}

func testNamespaces(t *testing.T, target Target) {
	list, err := target.Client.Namespaces(t.Context())
	if err != nil || len(list) == 0 {
		t.Errorf("Namespaces = %q, %v; want at least one", list, err)
	}
}

func testLogs(t *testing.T, target Target) {
	deploy(t, target)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for m, err := range target.Client.Logs(ctx, gateway.LogQuery{Name: function, Tail: 5}) {
		if err != nil {
			t.Fatalf("a log that is not followed ends cleanly: %v", err)
		}
		if m.Name != function {
			t.Errorf("a line of %q", m.Name)
		}
	}
}
