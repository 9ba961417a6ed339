package local

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// metrics are the gateway's, under the names that dashboards and autoscalers ask for.
//
// Source of truth: the metrics of the OpenFaaS gateway; function_name is NAME.NAMESPACE.
type metrics struct {
	registry    *prometheus.Registry
	invocations *prometheus.CounterVec
	seconds     *prometheus.HistogramVec
	started     *prometheus.CounterVec
	services    *prometheus.GaugeVec

	cached sync.Map // of *series by seriesKey: finding a series by its labels costs more than counting
}

type seriesKey struct {
	ref  runtime.Ref
	code int
}

type series struct {
	count   prometheus.Counter
	seconds prometheus.Observer
}

func newMetrics() *metrics {
	byCode := []string{"function_name", "code"}
	byName := []string{"function_name"}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		invocations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_function_invocation_total", Help: "Invocations of functions, by status code."}, byCode),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "gateway_functions_seconds", Help: "Time that functions took, in seconds."}, byCode),
		started: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "gateway_function_invocation_started", Help: "Invocations of functions that began."}, byName),
		services: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "gateway_service_count", Help: "Replicas wanted of functions."}, byName),
	}
	m.registry.MustRegister(m.invocations, m.seconds, m.started, m.services)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// begin counts an invocation that begins.
func (m *metrics) begin(ref runtime.Ref) {
	m.series(ref, 0).count.Inc()
}

// end counts an invocation that was answered with code after d.
func (m *metrics) end(ref runtime.Ref, code int, d time.Duration) {
	s := m.series(ref, code)
	s.count.Inc()
	s.seconds.Observe(d.Seconds())
}

// series returns the series of a function and code; code 0 stands for its beginnings.
func (m *metrics) series(ref runtime.Ref, code int) *series {
	key := seriesKey{ref, code}
	if s, ok := m.cached.Load(key); ok {
		return s.(*series)
	}
	s := &series{}
	if code == 0 {
		s.count = m.started.WithLabelValues(ref.String())
	} else {
		s.count = m.invocations.WithLabelValues(ref.String(), strconv.Itoa(code))
		s.seconds = m.seconds.WithLabelValues(ref.String(), strconv.Itoa(code))
	}
	m.cached.Store(key, s)
	return s
}

func (m *metrics) replicas(ref runtime.Ref, n int) {
	m.services.WithLabelValues(ref.String()).Set(float64(n))
}

// forget drops the series of a function that was removed.
func (m *metrics) forget(ref runtime.Ref) {
	m.cached.Range(func(key, _ any) bool {
		if key.(seriesKey).ref == ref {
			m.cached.Delete(key)
		}
		return true
	})
	labels := prometheus.Labels{"function_name": ref.String()}
	for _, v := range []interface {
		DeletePartialMatch(labels prometheus.Labels) int
	}{m.invocations, m.seconds, m.started, m.services} {
		v.DeletePartialMatch(labels)
	}
}
