package commands

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/faas-cli/faas-cli/gateway"
	"github.com/faas-cli/faas-cli/schema"
)

// logRetry is how long to wait after a log stream has ended before asking for
// it again: the gateway may be restarting.
const logRetry = time.Second

// watchedLogs shows what functions write while they are watched. It is for one
// goroutine; close ends it.
type watchedLogs struct {
	env    *Env
	cancel context.CancelFunc
	ctx    context.Context //nolint:containedctx // of the streams, which end with close
	all    sync.WaitGroup

	mu       sync.Mutex
	followed map[string]bool
}

func (e *Env) newWatchedLogs(ctx context.Context) *watchedLogs {
	ctx, cancel := context.WithCancel(ctx)
	return &watchedLogs{env: e, ctx: ctx, cancel: cancel, followed: map[string]bool{}}
}

// follow shows the log of a deployed function from now on, once.
func (w *watchedLogs) follow(gw *gateway.Client, d schema.FunctionDeployment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	key := d.Service + "." + d.Namespace
	if w.followed[key] {
		return
	}
	w.followed[key] = true
	since := w.env.Now()
	w.all.Go(func() {
		for w.ctx.Err() == nil {
			q := gateway.LogQuery{Name: d.Service, Namespace: d.Namespace, Follow: true, Since: since}
			for m, err := range gw.Logs(w.ctx, q) {
				if err != nil {
					break
				}
				if !m.Timestamp.After(since) { // the gateway goes by whole seconds
					continue
				}
				since = m.Timestamp
				w.env.progressf("[%s] %s", d.Service, strings.TrimRight(m.Text, "\r\n"))
			}
			if sleep(w.ctx, logRetry) != nil {
				return
			}
		}
	})
}

// close ends the streams.
func (w *watchedLogs) close() {
	w.cancel()
	w.all.Wait()
}
