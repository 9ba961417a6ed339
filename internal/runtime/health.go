package runtime

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// HealthPath is asked unless a deployment names another path.
const HealthPath = "/_/health"

// HealthPathAnnotation is the annotation of a deployment that names another path.
const HealthPathAnnotation = "com.openfaas.health.http.path"

const (
	probeFirst   = 2 * time.Millisecond   // a native function is up within milliseconds: ask early
	probeSlowest = 100 * time.Millisecond // then ever more slowly
	probeTimeout = 2 * time.Second        // for one answer
)

// WaitHealthy asks r until it is healthy. It fails when r ends first, with an [ExitError], with an error for which
// [IsAway] when nobody can tell any more whether it runs, or with the cause of ctx.
func WaitHealthy(ctx context.Context, hc *http.Client, r Replica, path string) error {
	if path == "" {
		path = HealthPath
	}
	var last error // of a question that was not cut short: that one says more
	for wait := probeFirst; ; wait = min(wait*3/2, probeSlowest) {
		err := Probe(ctx, hc, r.Info().Address, path)
		if err == nil {
			return nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		if l, ok := r.(losable); ok {
			if err := l.lost(); err != nil {
				return err
			}
		}
		select {
		case <-r.Done():
			return &ExitError{Replica: r.Info().ID, Exit: r.Exit()}
		case <-ctx.Done():
			return fmt.Errorf("%w (%w)", context.Cause(ctx), last)
		case <-time.After(wait):
		}
	}
}

// losable is a replica whose end may go unnoticed, because what would tell of it is away.
type losable interface {
	// lost returns an error for which IsAway once that has been so for longer than a restart takes.
	lost() error
}

// Probe asks once. Any 2xx is healthy, and so is 404: the image has an HTTP server, but no health endpoint.
func Probe(ctx context.Context, hc *http.Client, address, path string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	res, err := hc.Do(req)
	if err != nil {
		return fmt.Errorf("health check: %w", err)
	}
	_, _ = io.CopyN(io.Discard, res.Body, 4<<10) // so that the connection can be used again
	_ = res.Body.Close()
	if res.StatusCode/100 == 2 || res.StatusCode == http.StatusNotFound {
		return nil
	}
	return fmt.Errorf("health check: GET %s answered %s", path, res.Status)
}

// ExitError reports a replica that ended although it should run.
type ExitError struct {
	Replica string // its ID
	Exit    Exit
}

// Error describes how it ended.
func (e *ExitError) Error() string { return e.Exit.String() }
