package commands

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/faas-cli/faas-cli/internal/runtime"
	"github.com/faas-cli/faas-cli/templates"
)

// testStopGrace is how long a function may take to end by itself: as long as
// Kubernetes gives it.
const testStopGrace = 30 * time.Second

// testInFlight is how long a request goes on beyond SIGTERM: enough to see a
// function end that waits for nothing.
const testInFlight = time.Second

// serve starts a replica, sends the requests and stops it. how is added to the
// names of the checks.
func (j *templateTest) serve(ctx context.Context, b built, how string, spec runtime.Spec) {
	title := func(s string) string { return strings.TrimSpace(s + " " + how) }
	spec.Ref = runtime.Ref{Name: j.fn.Name, Namespace: "test"}
	spec.Image, spec.Digest, spec.Memory = b.image, b.digest, j.memory
	spec.Env = map[string]string{"OPENFAAS_NAME": j.fn.Name, "OPENFAAS_NAMESPACE": "test"}
	var replica runtime.Replica
	started := j.check(title("becomes healthy"), func() (err error) {
		ctx, cancel := context.WithTimeoutCause(ctx, j.t.o.timeout, fmt.Errorf("not within %s", j.t.o.timeout))
		defer cancel()
		if replica, err = b.rt.Start(ctx, spec); err != nil {
			return err
		}
		if err := runtime.WaitHealthy(ctx, j.t.client, replica, ""); err != nil {
			return errors.Join(err, j.said(ctx, b))
		}
		return nil
	})
	if replica == nil {
		return
	}
	var stopping errgroup.Group
	var stopped time.Time
	stop := sync.OnceFunc(func() {
		stopped = j.t.env.Now()
		stopping.Go(func() error { return replica.Stop(context.WithoutCancel(ctx), testStopGrace) }) // also after Ctrl-C
	})
	if started {
		var answered []templates.TestRequest
		for _, r := range j.spec.Spec.Requests {
			if j.check(title(r.Title()), func() error { return j.ask(ctx, replica, r, nil) }) {
				answered = append(answered, r)
			}
		}
		j.check(title("stays within "+j.spec.Spec.Memory), func() error {
			select {
			case <-replica.Done():
				return errors.Join(errors.New(replica.Exit().String()), j.said(ctx, b))
			default:
				return nil
			}
		})
		j.check(title("answers on SIGTERM what it was asked before"), func() error { return j.askWhile(ctx, replica, answered, stop) })
	}
	j.check(title("ends on SIGTERM"), func() error {
		stop()
		if err := stopping.Wait(); err != nil {
			return err
		}
		if j.t.env.Now().Sub(stopped) >= testStopGrace {
			return fmt.Errorf("it had to be killed after %s", testStopGrace)
		}
		return nil
	})
}

// askWhile sends the first of the requests that has a body, and runs stop before
// the body.
func (j *templateTest) askWhile(ctx context.Context, replica runtime.Replica, answered []templates.TestRequest, stop func()) error {
	i := slices.IndexFunc(answered, func(r templates.TestRequest) bool { return r.Body != "" })
	if i < 0 {
		return notTested("no request that was answered as expected has a body that could be held back")
	}
	var asked atomic.Bool
	err := j.ask(ctx, replica, answered[i], func() {
		asked.Store(true)
		stop()
		select {
		case <-time.After(testInFlight):
		case <-ctx.Done():
		}
	})
	switch {
	case err != nil:
		return fmt.Errorf("a request that began before SIGTERM and went on for %s: %w", testInFlight, err)
	case !asked.Load():
		return notTested("the function answers without reading what it is sent")
	}
	return nil
}

// maxTestBody bounds the answers that are looked at, in bytes.
const maxTestBody = 10 << 20

// ask sends one request and checks the answer. before, if not nil, is run when
// the function wants the body, which is held back for as long.
func (j *templateTest) ask(ctx context.Context, replica runtime.Replica, r templates.TestRequest, before func()) error {
	ctx, cancel := context.WithTimeoutCause(ctx, j.t.o.timeout, fmt.Errorf("no answer within %s", j.t.o.timeout))
	defer cancel()
	req, err := r.Request(ctx, "http://"+replica.Info().Address)
	if err != nil {
		return err
	}
	if before != nil {
		req.Body = &heldBody{ReadCloser: req.Body, before: sync.OnceFunc(before)}
		req.Header.Set("Expect", "100-continue") // the body is sent when the function is at it
	}
	resp, err := j.t.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxTestBody))
	if err != nil {
		return err
	}
	return r.Expect.Check(resp.StatusCode, resp.Header, body)
}

// heldBody runs before when it is first read.
type heldBody struct {
	io.ReadCloser
	before func()
}

func (b *heldBody) Read(p []byte) (int, error) {
	b.before()
	return b.ReadCloser.Read(p)
}

// saidLines is how much of a function's output goes into a message.
const saidLines = 10

// said is the end of what the function wrote, as an error; nil if it was
// silent.
func (j *templateTest) said(ctx context.Context, b built) error {
	var lines []string
	for line, err := range b.rt.Logs(context.WithoutCancel(ctx), runtime.Ref{Name: j.fn.Name, Namespace: "test"}, runtime.LogQuery{Tail: saidLines}) {
		if err != nil {
			break // what it says about the function is less than what we know
		}
		lines = append(lines, "| "+line.Text)
	}
	if len(lines) == 0 {
		return nil
	}
	return errors.New(strings.Join(lines, "\n"))
}
