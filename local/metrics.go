package local

import (
	"bytes"
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// metrics are the gateway's, under the names that dashboards and autoscalers ask for.
//
// They are written here rather than by Prometheus' own client, whose packages take 0.6 to 1 ms to initialise in every
// faas-cli that is started, with or without a gateway.
//
// Source of truth: the metrics of the OpenFaaS gateway, function_name being NAME.NAMESPACE, in version 0.0.4 of the
// Prometheus text format.
type metrics struct {
	started  sync.Map // of *atomic.Uint64 by runtime.Ref: calls that began
	answered sync.Map // of *answers by answerKey
	replicas sync.Map // of int by runtime.Ref: replicas wanted
}

type answerKey struct {
	ref  runtime.Ref
	code int
}

// answers counts the calls of a function that were answered with one status code.
type answers struct {
	within [metricBounds + 1]atomic.Uint64 // by how long they took: at most the bound of that index; the last: longer
	total  atomic.Int64                    // of the times, in nanoseconds
}

const metricBounds = 11

// boundsOfTimes are those of the OpenFaaS gateway's buckets, which are its client library's own.
func boundsOfTimes() [metricBounds]time.Duration {
	const ms = time.Millisecond
	return [...]time.Duration{5 * ms, 10 * ms, 25 * ms, 50 * ms, 100 * ms, 250 * ms, 500 * ms, 1000 * ms, 2500 * ms, 5000 * ms, 10000 * ms}
}

// begin counts an invocation that begins.
func (m *metrics) begin(ref runtime.Ref) {
	loadOrNew[atomic.Uint64](&m.started, ref).Add(1)
}

// end counts an invocation that was answered with code after d.
func (m *metrics) end(ref runtime.Ref, code int, d time.Duration) {
	a := loadOrNew[answers](&m.answered, answerKey{ref, code})
	bounds := boundsOfTimes()
	bucket, _ := slices.BinarySearch(bounds[:], d)
	a.within[bucket].Add(1)
	a.total.Add(int64(d))
}

// scaled notes how many replicas of a function are wanted.
func (m *metrics) scaled(ref runtime.Ref, n int) { m.replicas.Store(ref, n) }

// forget drops what was counted of a function that was removed.
func (m *metrics) forget(ref runtime.Ref) {
	m.started.Delete(ref)
	m.replicas.Delete(ref)
	m.answered.Range(func(key, _ any) bool {
		if key.(answerKey).ref == ref {
			m.answered.Delete(key)
		}
		return true
	})
}

// loadOrNew returns the *V of key, a new one if there is none.
func loadOrNew[V any](m *sync.Map, key any) *V {
	v, ok := m.Load(key)
	if !ok {
		v, _ = m.LoadOrStore(key, new(V))
	}
	return v.(*V)
}

// ServeHTTP answers with all metrics.
func (m *metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	m.write(&b)
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(b.Bytes())
}

func (m *metrics) write(b *bytes.Buffer) {
	byName := func(a, b runtime.Ref) int { return cmp.Compare(a.String(), b.String()) }
	byNameAndCode := func(a, b answerKey) int { return cmp.Or(byName(a.ref, b.ref), a.code-b.code) }
	label := func(ref runtime.Ref) string { return fmt.Sprintf(`function_name="%s"`, ref) } // nothing in it needs escaping
	labels := func(k answerKey) string { return fmt.Sprintf(`code="%d",%s`, k.code, label(k.ref)) }

	answered := entries[answerKey, *answers](&m.answered, byNameAndCode)
	const invocations = "gateway_function_invocation_total"
	family(b, invocations, "counter", "Invocations of functions, by status code.", len(answered))
	for _, e := range answered {
		fmt.Fprintf(b, "%s{%s} %d\n", invocations, labels(e.key), e.value.count())
	}
	const seconds = "gateway_functions_seconds"
	family(b, seconds, "histogram", "Time that functions took, in seconds.", len(answered))
	for _, e := range answered {
		e.value.write(b, seconds, labels(e.key))
	}

	started := entries[runtime.Ref, *atomic.Uint64](&m.started, byName)
	const begun = "gateway_function_invocation_started"
	family(b, begun, "counter", "Invocations of functions that began.", len(started))
	for _, e := range started {
		fmt.Fprintf(b, "%s{%s} %d\n", begun, label(e.key), e.value.Load())
	}

	replicas := entries[runtime.Ref, int](&m.replicas, byName)
	const service = "gateway_service_count"
	family(b, service, "gauge", "Replicas wanted of functions.", len(replicas))
	for _, e := range replicas {
		fmt.Fprintf(b, "%s{%s} %d\n", service, label(e.key), e.value)
	}
}

// family begins the samples of a metric, unless there are none.
func family(b *bytes.Buffer, name, kind, help string, samples int) {
	if samples > 0 {
		fmt.Fprintf(b, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
	}
}

func (a *answers) count() (n uint64) {
	for i := range a.within {
		n += a.within[i].Load()
	}
	return n
}

// write writes a as a histogram.
func (a *answers) write(b *bytes.Buffer, name, labels string) {
	n := uint64(0)
	for i, bound := range boundsOfTimes() {
		n += a.within[i].Load()
		fmt.Fprintf(b, "%s_bucket{%s,le=\"%v\"} %d\n", name, labels, bound.Seconds(), n)
	}
	n += a.within[metricBounds].Load()
	fmt.Fprintf(b, "%s_bucket{%s,le=\"+Inf\"} %d\n", name, labels, n)
	fmt.Fprintf(b, "%s_sum{%s} %v\n", name, labels, time.Duration(a.total.Load()).Seconds())
	fmt.Fprintf(b, "%s_count{%s} %d\n", name, labels, n)
}

type entry[K, V any] struct {
	key   K
	value V
}

// entries are those of m in order.
func entries[K, V any](m *sync.Map, order func(a, b K) int) []entry[K, V] {
	var all []entry[K, V]
	m.Range(func(key, value any) bool {
		all = append(all, entry[K, V]{key.(K), value.(V)})
		return true
	})
	slices.SortFunc(all, func(a, b entry[K, V]) int { return order(a.key, b.key) })
	return all
}
