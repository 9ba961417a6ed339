package commands

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/schema"
)

// deployResult is what became of one function, also as JSON.
type deployResult struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Image     string `json:"image"`
	Status    int    `json:"status,omitempty"` // of the accepted request
	Updated   bool   `json:"updated"`          // it existed and is replaced by rolling update
	Ready     bool   `json:"ready,omitempty"`  // only known with --wait
	URL       string `json:"url"`
	Error     string `json:"error,omitempty"`
}

// sendPlan deploys what was planned, several at once, and prints what became of
// each in the order of the plan. All are tried, also when one fails.
func (e *Env) sendPlan(ctx context.Context, gw *gateway.Client, plan []schema.FunctionDeployment, o deployFlags, f output.Format) error {
	gw = gw.WithTimeout(o.timeout)
	show := e.deployView()
	defer show.close()
	results := make([]deployResult, len(plan))
	err := inParallel(len(plan), o.parallel, func(i int) (err error) {
		own, step, done := show.begin(plan[i].Service)
		defer func() { done(err) }()
		results[i], err = own.sendOne(ctx, gw, plan[i], o, step)
		return err
	}, func(i int, err error) {
		if errors.Is(err, errNotTried) {
			results[i] = deployResult{
				Name: plan[i].Service, Namespace: plan[i].Namespace, Image: plan[i].Image,
				URL: gw.FunctionURL(plan[i].Service, plan[i].Namespace), Error: err.Error(),
			}
		}
		if err == nil && (f == output.Table || f == output.Wide) {
			r := results[i]
			show.print(sprintf("\nDeployed. %s.\nURL: %s\n\n", gateway.Accepted(r.Status), r.URL))
		}
	})
	show.close()
	if f == output.Table || f == output.Wide {
		return err
	}
	printErr := output.Printer[deployResult]{
		Format: f, Name: func(r deployResult) string { return r.Name },
	}.List(e.Term.Out, results)
	return errors.Join(err, printErr)
}

// sendOne deploys a function and, if wanted, waits until it is ready. step hears
// what it is doing.
func (e *Env) sendOne(
	ctx context.Context, gw *gateway.Client, d schema.FunctionDeployment, o deployFlags, step func(text string),
) (deployResult, error) {
	r := deployResult{
		Name: d.Service, Namespace: d.Namespace, Image: d.Image, URL: gw.FunctionURL(d.Service, d.Namespace),
	}
	sent, err := e.sendDeployment(ctx, gw, d, o)
	if err != nil {
		r.Error = err.Error()
		return r, err
	}
	r.Status, r.Updated = int(sent.Status), sent.Updated
	for _, w := range sent.Warnings {
		e.warnf("%s", w)
	}
	if sent.Runtime != "" {
		e.progressf("Function %s: runtime %s.", d.Service, sent.Runtime)
	}
	if sent.Updated {
		e.progressf("Function %s already exists, attempting rolling-update.", d.Service)
	}
	if o.wait {
		if err := e.waitReady(ctx, gw, d.Service, d.Namespace, o.timeout, step); err != nil {
			r.Error = err.Error()
			return r, err
		}
		r.Ready = true
	}
	return r, nil
}

func (e *Env) sendDeployment(ctx context.Context, gw *gateway.Client, d schema.FunctionDeployment, o deployFlags) (gateway.Deployed, error) {
	if o.update {
		return gw.Deploy(ctx, d)
	}
	if o.replace {
		// A removal that failed does not decide: whether the function can be
		// created does.
		switch err := gw.Delete(ctx, d.Service, d.Namespace); {
		case err == nil:
			e.progressf("Removing old function: %s.", d.Service)
		case ctx.Err() != nil:
			return gateway.Deployed{}, err
		case !errors.Is(err, gateway.ErrNotFound):
			e.warnf("%v", err)
		}
	}
	sent, err := gw.Create(ctx, d)
	if errors.Is(err, gateway.ErrConflict) {
		err = withHint(err, "without --update=false a function that exists is updated; --replace removes it first")
	}
	return sent, err
}

// failedLogLines is how much of a function's log is shown when it does not get
// ready.
const failedLogLines = 10

// failedLogTimeout bounds the request for it: the failure is the news.
const failedLogTimeout = 5 * time.Second

// waitReady waits until a function has a replica that can answer. When it gets
// none in time, the last lines of its log say why.
func (e *Env) waitReady(
	ctx context.Context, gw *gateway.Client, name, namespace string, limit time.Duration, step func(text string),
) error {
	start := e.Now()
	step(sprintf("Waiting for %s to be ready.", inNamespace(name, namespace)))
	err := waitUntil(ctx, fmt.Sprintf("function %q not ready", name), limit, func(ctx context.Context) error {
		return askFunction(ctx, gw, name, namespace)
	})
	if err == nil {
		step(sprintf("%s is ready (%s).", inNamespace(name, namespace), e.Now().Sub(start).Round(time.Millisecond)))
		return nil
	}
	if ctx.Err() == nil {
		e.showLastLogs(ctx, gw, name, namespace)
	}
	return err
}

// showLastLogs prints the end of a function's log on stderr, if there is one.
func (e *Env) showLastLogs(ctx context.Context, gw *gateway.Client, name, namespace string) {
	ctx, cancel := context.WithTimeout(ctx, failedLogTimeout)
	defer cancel()
	var lines []string
	for m, err := range gw.Logs(ctx, gateway.LogQuery{Name: name, Namespace: namespace, Tail: failedLogLines}) {
		if err != nil {
			break
		}
		lines = append(lines, "  "+name+": "+strings.TrimRight(m.Text, "\r\n"))
		lines = lines[max(0, len(lines)-failedLogLines):]
	}
	if len(lines) > 0 {
		e.progressf("The last lines of its log:\n%s", strings.Join(lines, "\n"))
	}
}

// plannedRequest is a request that --dry-run shows.
type plannedRequest struct {
	Method string `json:"method"`
	URL    string `json:"url"`
	Body   any    `json:"body"`
}

// showPlan prints the requests that sendPlan would begin with. A PUT that is
// answered 404 is followed by a POST with the same body.
func (e *Env) showPlan(gw *gateway.Client, plan []schema.FunctionDeployment, o deployFlags, f output.Format) error {
	url := gw.BaseURL() + "/system/functions"
	var requests []plannedRequest
	for _, d := range plan {
		d.EnvVars = withoutSecrets(d.EnvVars)
		method := http.MethodPut
		if o.replace {
			requests = append(requests, plannedRequest{Method: http.MethodDelete, URL: url,
				Body: schema.DeleteFunctionRequest{FunctionName: d.Service, Namespace: d.Namespace}})
		}
		if !o.update {
			method = http.MethodPost
		}
		requests = append(requests, plannedRequest{Method: method, URL: url, Body: d})
	}
	switch f {
	case output.Table, output.Wide:
		for _, r := range requests {
			if err := e.resultf("%s %s", r.Method, r.URL); err != nil {
				return err
			}
			if err := output.WriteJSON(e.Term.Out, r.Body); err != nil {
				return err
			}
		}
		return nil
	case output.Name:
		for _, d := range plan {
			if err := e.resultf("%s", d.Service); err != nil {
				return err
			}
		}
		return nil
	}
	return output.Printer[plannedRequest]{Format: f}.List(e.Term.Out, requests)
}

// withoutSecrets hides the values of variables that are secrets by their name.
func withoutSecrets(env map[string]string) map[string]string {
	out := make(map[string]string, len(env))
	for key, value := range env {
		upper := strings.ToUpper(key)
		if slices.ContainsFunc([]string{"PASSWORD", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL", "APIKEY", "API_KEY", "PRIVATE_KEY"},
			func(part string) bool { return strings.Contains(upper, part) }) {
			value = "[redacted]"
		}
		out[key] = value
	}
	return out
}
