package commands

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/faas-cli/faas-cli/internal/gatewaytest"
	"github.com/faas-cli/faas-cli/schema"
)

// scriptGatewayKey finds the running gateway among a script's values.
type scriptGatewayKey struct{}

// scriptGateway runs a gateway in memory for a script, one at a time:
//
//	gateway start [USER:PASSWORD] [POLLS]   sets $OPENFAAS_URL and $GATEWAY; functions are ready after POLLS polls
//	gateway fault METHOD PATH STATUS [BODY] answers so instead, * stands for any METHOD
//	gateway deploy NAME IMAGE [NAMESPACE]   puts a function in place
//	gateway log NAME TEXT                   adds a line to its log
//	gateway secret NAME VALUE               puts a secret in place
//	gateway namespace NAME                  puts a namespace in place
//	gateway requests FILE                   writes what was received, a line each, and forgets it and the faults
func scriptGateway(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: gateway start|fault|deploy|log|secret|namespace|requests ...")
	}
	verb, args := args[0], args[1:]
	need := func(least int) {
		if len(args) < least {
			ts.Fatalf("gateway %s wants %d arguments or more", verb, least)
		}
	}
	if verb == "start" {
		startScriptGateway(ts, args)
		return
	}
	s, ok := ts.Value(scriptGatewayKey{}).(**gatewaytest.Server)
	if !ok || *s == nil {
		ts.Fatalf("no gateway: begin with gateway start")
	}
	gw := *s
	switch verb {
	case "fault":
		need(3)
		status, err := strconv.Atoi(args[2])
		ts.Check(err)
		method := args[0]
		if method == "*" {
			method = ""
		}
		gw.Inject(gatewaytest.Fault{Method: method, Path: args[1], Handler: gatewaytest.Reply(status, strings.Join(args[3:], " "))})
	case "deploy":
		need(2)
		d := schema.FunctionDeployment{Service: args[0], Image: args[1], Labels: map[string]string{}, Annotations: map[string]string{}}
		if len(args) > 2 {
			d.Namespace = args[2]
		}
		gw.Deploy(d)
	case "log":
		need(2)
		gw.AddLogs(schema.LogMessage{
			Name: args[0], Instance: "one", Text: args[1], Timestamp: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		})
	case "secret":
		need(2)
		gw.AddSecret(schema.Secret{Name: args[0], Value: args[1]})
	case "namespace":
		need(1)
		gw.AddNamespace(schema.FunctionNamespace{Name: args[0]})
	case "requests":
		need(1)
		var b strings.Builder
		for _, r := range gw.Requests() {
			fmt.Fprintf(&b, "%s %s", r.Method, r.Path)
			if r.Query != "" {
				b.WriteString("?" + r.Query)
			}
			if r.Body != "" {
				b.WriteString(" " + r.Body)
			}
			b.WriteString("\n")
		}
		gw.ResetRequests()
		gw.ClearFaults()
		ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(b.String()), 0o600))
	default:
		ts.Fatalf("gateway %s: no such thing", verb)
	}
}

func startScriptGateway(ts *testscript.TestScript, args []string) {
	var o gatewaytest.Options
	for _, arg := range args {
		if user, password, ok := strings.Cut(arg, ":"); ok {
			o.User, o.Password = user, password
			continue
		}
		polls, err := strconv.Atoi(arg)
		ts.Check(err)
		o.PollsToReady = polls
	}
	gw := gatewaytest.Start(o)
	ts.Defer(gw.Close)
	holder, ok := ts.Value(scriptGatewayKey{}).(**gatewaytest.Server)
	if !ok {
		ts.Fatalf("the script's set-up left no place for a gateway")
	}
	*holder = gw
	ts.Setenv("OPENFAAS_URL", gw.URL)
	ts.Setenv("GATEWAY", gw.URL)
}
