package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Bounds of the asynchronous queue. It is in memory: what it holds when the platform is killed is lost.
const (
	queueLength  = 1000      // calls
	queueBytes   = 256 << 20 // of bodies
	maxAsyncBody = 32 << 20  // bytes of one body
	queueWorkers = 32        // calls at once
)

// callbackLimit bounds the wait for the answer to a result that was delivered.
const callbackLimit = time.Minute

// job is an accepted asynchronous call.
type job struct {
	target   target
	method   string
	query    string
	header   http.Header
	body     []byte
	id       string
	start    time.Time
	callback *url.URL // nil: nobody wants the result
}

// queue runs asynchronous calls.
type queue struct {
	fleet     *fleet
	transport http.RoundTripper // to replicas
	callbacks *http.Client
	log       *slog.Logger
	jobs      chan *job
	workers   sync.WaitGroup
	abort     context.CancelFunc // ends what runs

	mu     sync.Mutex
	bytes  int64 // of bodies in memory
	closed bool
}

// newQueue starts a queue; its close ends it.
func newQueue(ctx context.Context, fl *fleet, transport http.RoundTripper, log *slog.Logger) *queue {
	q := &queue{
		fleet: fl, transport: transport, log: log,
		callbacks: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ResponseHeaderTimeout: callbackLimit}},
		jobs:      make(chan *job, queueLength),
	}
	ctx, q.abort = context.WithCancel(context.WithoutCancel(ctx))
	for range queueWorkers {
		q.workers.Go(func() {
			for j := range q.jobs {
				q.run(ctx, j)
				q.give(int64(len(j.body)))
			}
		})
	}
	return q
}

// take reserves memory for a body.
func (q *queue) take(n int64) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed || q.bytes+n > queueBytes {
		return false
	}
	q.bytes += n
	return true
}

func (q *queue) give(n int64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= n
}

// serve answers /async-function/…; rest is what follows that prefix.
func (q *queue) serve(w http.ResponseWriter, r *http.Request, rest string) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions {
		w.Header().Set("Allow", "POST, PUT, PATCH, DELETE")
		refuse(w, http.StatusMethodNotAllowed, "an asynchronous call is a POST")
		return
	}
	t, ok := parseTarget(rest)
	if !ok || q.fleet.lookup(t.ref) == nil {
		refuse(w, http.StatusNotFound, "error finding function "+t.name+": not found")
		return
	}
	j := &job{target: t, method: r.Method, query: r.URL.RawQuery, header: r.Header.Clone(), id: callID(r), start: time.Now()}
	if s := r.Header.Get(headerCallback); s != "" {
		u, err := url.Parse(s)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			refuse(w, http.StatusBadRequest, fmt.Sprintf("%s %q is not an http or https URL", headerCallback, s))
			return
		}
		j.callback = u
	}
	for _, h := range []string{headerCallback, "Connection", "Keep-Alive", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade"} {
		j.header.Del(h)
	}
	var tooLarge *http.MaxBytesError
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAsyncBody))
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body of an asynchronous call has at most %d bytes", maxAsyncBody))
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "read the body: "+err.Error())
		return
	}
	j.body = body
	if !q.put(j) {
		w.Header().Set("Retry-After", "1")
		refuse(w, http.StatusServiceUnavailable, "the queue of asynchronous calls is full")
		return
	}
	w.Header().Set(headerCallID, j.id)
	w.Header().Set(headerStart, strconv.FormatInt(j.start.UnixNano(), 10))
	w.WriteHeader(http.StatusAccepted)
}

// put queues the job, or refuses it when the queue is full or closed.
func (q *queue) put(j *job) bool {
	if !q.take(int64(len(j.body))) {
		return false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		select {
		case q.jobs <- j:
			return true
		default:
		}
	}
	q.bytes -= int64(len(j.body))
	return false
}

// close refuses further calls and waits until those accepted are done, at most until ctx ends; then it drops the rest
// and returns how many.
func (q *queue) close(ctx context.Context) (lost int) {
	q.mu.Lock()
	if q.closed {
		q.mu.Unlock()
		return 0
	}
	q.closed = true
	close(q.jobs)
	q.mu.Unlock()
	done := make(chan struct{})
	go func() { q.workers.Wait(); close(done) }()
	select {
	case <-done:
		q.abort()
		return 0
	case <-ctx.Done():
	}
	for range q.jobs {
		lost++
	}
	q.abort()
	<-done
	return lost
}

// run makes the call and delivers its result.
func (q *queue) run(ctx context.Context, j *job) {
	began := time.Now()
	res, err := q.call(ctx, j)
	if err != nil {
		status, text := callError(ctx, j.target.ref, err)
		res = &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: io.NopCloser(strings.NewReader(text)), ContentLength: int64(len(text))}
	}
	elapsed := time.Since(began)
	defer func() { _ = res.Body.Close() }()
	if j.callback != nil {
		if err := q.deliver(ctx, j, res, elapsed); err != nil {
			q.log.Warn("callback failed", "function", j.target.ref.String(), "call", j.id, "error", err)
		}
		return
	}
	_, _ = io.Copy(io.Discard, res.Body) // the function may write until its end
}

// call sends the job to a replica. The replica counts as busy until the body of the response is closed.
func (q *queue) call(ctx context.Context, j *job) (*http.Response, error) {
	f := q.fleet.lookup(j.target.ref)
	if f == nil {
		return nil, errNoFunction
	}
	began := time.Now()
	f.invocations.Add(1)
	q.fleet.metrics.begin(f.ref)
	count := func(status int) { q.fleet.metrics.end(f.ref, status, time.Since(began)) }
	limited, cancel := context.WithTimeoutCause(ctx, coldStart, errNotReady)
	defer cancel()
	for {
		ep, err := f.acquire(limited)
		if err != nil {
			count(http.StatusServiceUnavailable)
			return nil, err
		}
		req, err := j.request(ctx, ep.address)
		if err != nil {
			ep.release()
			count(http.StatusBadRequest)
			return nil, err
		}
		res, err := q.transport.RoundTrip(req)
		if err == nil {
			count(res.StatusCode)
			res.Body = &releasing{ReadCloser: res.Body, release: sync.OnceFunc(ep.release)}
			return res, nil
		}
		ep.release()
		if !unreachable(err) || limited.Err() != nil {
			count(http.StatusBadGateway)
			return nil, err
		}
		select {
		case <-time.After(probeAgain):
		case <-limited.Done():
		}
	}
}

// request builds what the replica gets.
func (j *job) request(ctx context.Context, address string) (*http.Request, error) {
	u := &url.URL{Scheme: "http", Host: address, RawQuery: j.query}
	setEscapedPath(u, j.target.path)
	req, err := http.NewRequestWithContext(ctx, j.method, u.String(), bytes.NewReader(j.body))
	if err != nil {
		return nil, err
	}
	req.Header = j.header.Clone()
	req.Header.Set(headerCallID, j.id)
	req.Header.Set(headerStart, strconv.FormatInt(j.start.UnixNano(), 10))
	if _, ok := req.Header["User-Agent"]; !ok {
		req.Header["User-Agent"] = nil // keeps Go from adding its own
	}
	return req, nil
}

// deliver posts the result to the callback, as it comes.
func (q *queue) deliver(ctx context.Context, j *job, res *http.Response, elapsed time.Duration) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, j.callback.String(), res.Body)
	if err != nil {
		return err
	}
	req.ContentLength = res.ContentLength
	for key, values := range res.Header {
		switch key {
		case "Connection", "Keep-Alive", "Transfer-Encoding", "Content-Length", "Date", "Upgrade":
		default:
			req.Header[key] = values
		}
	}
	req.Header.Set(headerCallID, j.id)
	req.Header.Set(headerStart, strconv.FormatInt(j.start.UnixNano(), 10))
	req.Header.Set(headerDuration, seconds(elapsed))
	req.Header.Set(headerStatus, strconv.Itoa(res.StatusCode))
	req.Header.Set(headerFunction, j.target.name)
	answer, err := q.callbacks.Do(req)
	if err != nil {
		return err
	}
	_, _ = io.CopyN(io.Discard, answer.Body, 4<<10)
	_ = answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("POST %s answered %s", j.callback.Redacted(), answer.Status)
	}
	return nil
}

// releasing is a body that gives its replica back when it is closed.
type releasing struct {
	io.ReadCloser
	release func()
}

func (r *releasing) Close() error {
	defer r.release()
	return r.ReadCloser.Close()
}
