package runtime_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// sick is a replica that runs, and has only an address.
type sick struct {
	runtime.Replica
	address string
}

func (r sick) Info() runtime.Info  { return runtime.Info{Address: r.address} }
func (sick) Done() <-chan struct{} { return nil }

// TestWaitHealthySaysWhatWasAnsweredLast ensures that the reason is not lost when
// the time is over in the middle of a question.
func TestWaitHealthySaysWhatWasAnsweredLast(t *testing.T) {
	t.Parallel()
	over := errors.New("it did not become healthy in time")
	ctx, cancel := context.WithCancelCause(t.Context())
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		cancel(over)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	err := runtime.WaitHealthy(ctx, server.Client(), sick{address: strings.TrimPrefix(server.URL, "http://")}, "")
	if !errors.Is(err, over) || !strings.Contains(err.Error(), "answered 503") {
		t.Errorf("error %v", err)
	}
}
