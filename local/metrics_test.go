package local

import (
	"bytes"
	"strings"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// TestMetricsAreWhatPrometheusReads has Prometheus' own parser read them.
func TestMetricsAreWhatPrometheusReads(t *testing.T) {
	t.Parallel()
	hello, other := runtime.Ref{Name: "hello", Namespace: "openfaas-fn"}, runtime.Ref{Name: "other", Namespace: "dev"}
	m := new(metrics)
	parse := func() map[string]*dto.MetricFamily {
		t.Helper()
		var text bytes.Buffer
		m.write(&text)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(&text)
		if err != nil {
			t.Fatalf("%v in:\n%s", err, &text)
		}
		return families
	}
	if families := parse(); len(families) != 0 {
		t.Errorf("before the first call there are %v", families)
	}

	m.scaled(hello, 3)
	m.scaled(other, 0)
	for _, d := range []time.Duration{time.Millisecond, 5 * time.Millisecond, 70 * time.Millisecond, 70 * time.Millisecond, 20 * time.Second} {
		m.begin(hello)
		m.end(hello, 200, d)
	}
	m.begin(hello)
	m.end(hello, 499, time.Second)
	m.begin(other)

	families := parse()
	calls := families["gateway_function_invocation_total"].GetMetric()
	if len(calls) != 2 || labelsOf(calls[0]) != "code=200 function_name=hello.openfaas-fn" || calls[0].GetCounter().GetValue() != 5 ||
		labelsOf(calls[1]) != "code=499 function_name=hello.openfaas-fn" || calls[1].GetCounter().GetValue() != 1 {
		t.Errorf("invocations %v", calls)
	}
	h := families["gateway_functions_seconds"].GetMetric()[0].GetHistogram()
	if h.GetSampleCount() != 5 || h.GetSampleSum() != 20.146 {
		t.Errorf("%d calls took %g s; want 5, 20.146 s", h.GetSampleCount(), h.GetSampleSum())
	}
	for bound, want := range map[float64]uint64{0.005: 2, 0.05: 2, 0.1: 4, 10: 4} {
		found := false
		for _, bucket := range h.GetBucket() {
			if bucket.GetUpperBound() == bound {
				found = true
				if got := bucket.GetCumulativeCount(); got != want {
					t.Errorf("%d calls within %g s; want %d", got, bound, want)
				}
			}
		}
		if !found {
			t.Errorf("no bucket for %g s", bound)
		}
	}
	started := families["gateway_function_invocation_started"].GetMetric()
	if len(started) != 2 || labelsOf(started[0]) != "function_name=hello.openfaas-fn" || started[0].GetCounter().GetValue() != 6 {
		t.Errorf("started %v", started)
	}
	replicas := families["gateway_service_count"].GetMetric()
	if len(replicas) != 2 || replicas[0].GetGauge().GetValue() != 3 || labelsOf(replicas[1]) != "function_name=other.dev" || replicas[1].GetGauge().GetValue() != 0 {
		t.Errorf("replicas %v", replicas)
	}

	m.forget(hello)
	for name, family := range parse() {
		for _, metric := range family.GetMetric() {
			if strings.Contains(labelsOf(metric), "hello") {
				t.Errorf("%s still tells of a function that was removed: %v", name, metric)
			}
		}
	}
}

func labelsOf(m *dto.Metric) string {
	var labels []string
	for _, pair := range m.GetLabel() {
		labels = append(labels, pair.GetName()+"="+pair.GetValue())
	}
	return strings.Join(labels, " ")
}
