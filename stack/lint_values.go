package stack

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/faas-cli/faas-cli/internal/spelling"
	"github.com/faas-cli/faas-cli/schema/value"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func (l *linter) image(fn *Function) {
	if fn.Image == "" {
		l.add(fn.Pos, RuleImage, SeverityError, "function "+fn.Name+" has no image", "name one, such as image: ghcr.io/USER/"+fn.Name+":latest")
		return
	}
	if err := value.Image(fn.Image); err != nil {
		l.add(at(fn, "image"), RuleImage, SeverityError, fmt.Sprintf("function %s: %v", fn.Name, err), "write REGISTRY/USER/NAME:TAG")
	}
	if fn.Platforms != "" {
		if _, err := value.Platforms(fn.Platforms); err != nil {
			l.add(at(fn, "platforms"), RulePlatforms, SeverityError, fmt.Sprintf("function %s: %v", fn.Name, err), "separate platforms by commas")
		}
	}
}

// resources checks limits and requests.
func (l *linter) resources(fn *Function) {
	for _, x := range badAmounts(fn) {
		l.add(x.pos, RuleQuantity, SeverityError, x.message, "write memory as 128Mi, cpu as 500m or 0.5")
	}
	if fn.Limits == nil || fn.Requests == nil {
		return
	}
	exceeds := func(key string, request, limit string, parse func(string) (int64, error)) {
		r, errR := parse(request)
		m, errM := parse(limit)
		if errR == nil && errM == nil && r > m {
			l.add(at(fn, "requests", key), RuleRequests, SeverityError,
				fmt.Sprintf("function %s requests more %s (%s) than its limit (%s)", fn.Name, key, request, limit), "raise the limit or lower the request")
		}
	}
	exceeds("memory", fn.Requests.Memory, fn.Limits.Memory, value.Memory)
	exceeds("cpu", fn.Requests.CPU, fn.Limits.CPU, value.CPU)
}

// valueCheck tells what a well-known value must be; empty if it is.
type valueCheck func(s string) (want string)

func integer(low, high int) valueCheck {
	return func(s string) string {
		if n, err := strconv.Atoi(s); err == nil && n >= low && (high < 0 || n <= high) {
			return ""
		}
		if high < 0 {
			return fmt.Sprintf("a whole number of at least %d", low)
		}
		return fmt.Sprintf("a whole number from %d to %d", low, high)
	}
}

func positive(s string) string {
	if x, err := strconv.ParseFloat(s, 64); err == nil && x > 0 && x < 1e18 {
		return ""
	}
	return "a number above 0"
}

func boolean(s string) string {
	if s == "true" || s == "false" {
		return ""
	}
	return "true or false"
}

func duration(most time.Duration) valueCheck {
	return func(s string) string {
		if d, err := value.Duration(s); err == nil && (most == 0 || d <= most) {
			return ""
		}
		if most > 0 {
			return fmt.Sprintf("a duration of at most %v, such as 30s", most)
		}
		return "a duration, such as 30s"
	}
}

func absolutePath(s string) string {
	if strings.HasPrefix(s, "/") {
		return ""
	}
	return "a path that begins with /"
}

func statusCodes(s string) string {
	for code := range strings.SplitSeq(s, ",") {
		if n, err := strconv.Atoi(strings.TrimSpace(code)); err != nil || n < 100 || n > 599 {
			return "HTTP status codes, separated by commas"
		}
	}
	return ""
}

func anything(string) string { return "" }

func noDot(s string) string {
	if s == "" || strings.HasPrefix(s, ".") {
		return "a file extension without a dot, such as json"
	}
	return ""
}

func webURL(s string) string {
	if IsURL(s) {
		return ""
	}
	return "a URL"
}

// knownLabels are the labels that OpenFaaS acts on.
//
// Source: the OpenFaaS documentation of auto-scaling and the dashboard.
func knownLabels() map[string]valueCheck {
	const stableWindow = 5 * time.Minute
	return map[string]valueCheck{
		"com.openfaas.scale.min":               integer(1, -1),
		"com.openfaas.scale.max":               integer(1, -1),
		"com.openfaas.scale.factor":            integer(0, 100),
		"com.openfaas.scale.type":              anything,
		"com.openfaas.scale.target":            positive,
		"com.openfaas.scale.target-proportion": positive,
		"com.openfaas.scale.zero":              boolean,
		"com.openfaas.scale.zero-duration":     duration(0),
		"com.openfaas.scale.down.window":       duration(stableWindow),
		"com.openfaas.ui.ext":                  noDot,
		"com.openfaas.git-owner":               anything,
		"com.openfaas.git-repo":                anything,
		"com.openfaas.git-branch":              anything,
		"com.openfaas.git-sha":                 anything,
		"com.openfaas.uid":                     anything,
	}
}

// knownAnnotations are the annotations that OpenFaaS acts on.
//
// Source: the OpenFaaS documentation of event connectors, probes and retries.
func knownAnnotations() map[string]valueCheck {
	known := map[string]valueCheck{
		"topic":                                    anything,
		"schedule":                                 anything, // has a rule of its own
		"com.openfaas.queue":                       anything,
		"com.openfaas.retry.attempts":              integer(0, -1),
		"com.openfaas.retry.codes":                 statusCodes,
		"com.openfaas.retry.min_wait":              duration(0),
		"com.openfaas.retry.max_wait":              duration(0),
		"com.openfaas.profile":                     anything,
		"com.openfaas.serviceaccount":              anything,
		"com.openfaas.git-repo-url":                webURL,
		"com.openfaas.uid":                         anything,
		"prometheus.io.scrape":                     boolean,
		"com.openfaas.health.http.path":            absolutePath,
		"com.openfaas.ready.http.path":             absolutePath,
		"com.openfaas.ready.http.successThreshold": integer(1, -1),
		"com.openfaas.health.http.initialDelay":    duration(0),
	}
	for _, probe := range []string{"health", "ready"} {
		known["com.openfaas."+probe+".http.initialDelaySeconds"] = integer(0, -1)
		for _, key := range []string{"periodSeconds", "timeoutSeconds", "failureThreshold"} {
			known["com.openfaas."+probe+".http."+key] = integer(1, -1)
		}
	}
	return known
}

// wellKnown checks labels and annotations.
func (l *linter) wellKnown(fn *Function) {
	labels, annotations := orNone(fn.Labels), orNone(fn.Annotations)
	if len(labels)+len(annotations) == 0 {
		return
	}
	kl, ka := knownLabels(), knownAnnotations()
	for _, key := range sortedKeys(labels) {
		known := l.keyed(fn, "labels", key, labels[key], kl, ka)
		if err := value.LabelValue(labels[key]); err != nil && !known {
			l.add(at(fn, "labels", key), RuleLabel, SeverityError, fmt.Sprintf("function %s: label %s: %v", fn.Name, key, err), "annotations may hold any text")
		}
	}
	for _, key := range sortedKeys(annotations) {
		l.keyed(fn, "annotations", key, annotations[key], ka, kl)
	}
	low, errLow := strconv.Atoi(labels["com.openfaas.scale.min"])
	high, errHigh := strconv.Atoi(labels["com.openfaas.scale.max"])
	if errLow == nil && errHigh == nil && low > high {
		l.add(at(fn, "labels", "com.openfaas.scale.min"), RuleRange, SeverityError,
			fmt.Sprintf("function %s: com.openfaas.scale.min, %d, is above com.openfaas.scale.max, %d", fn.Name, low, high), "make the minimum at most the maximum")
	}
	l.schedule(fn, annotations)
	lowWait, errLow := value.Duration(annotations["com.openfaas.retry.min_wait"])
	highWait, errHigh := value.Duration(annotations["com.openfaas.retry.max_wait"])
	if errLow == nil && errHigh == nil && lowWait > highWait {
		l.add(at(fn, "annotations", "com.openfaas.retry.min_wait"), RuleRange, SeverityError,
			fmt.Sprintf("function %s: com.openfaas.retry.min_wait is longer than com.openfaas.retry.max_wait", fn.Name), "make the minimum at most the maximum")
	}
}

// keyed checks one label or annotation and tells whether it is a known one,
// whose value was checked too.
func (l *linter) keyed(fn *Function, in, key, v string, known, other map[string]valueCheck) bool {
	p := at(fn, in, key)
	kind := strings.TrimSuffix(in, "s")
	if err := value.Key(key); err != nil {
		l.add(p, RuleLabel, SeverityError, fmt.Sprintf("function %s: %s: %v", fn.Name, kind, err), "correct the key")
		return false
	}
	if check, ok := known[key]; ok {
		if want := check(v); want != "" {
			l.add(p, RuleRange, SeverityError, fmt.Sprintf("function %s: %s %s wants %s, not %q", fn.Name, kind, key, want, v), "correct the value")
		}
		if key == "com.openfaas.health.http.initialDelay" {
			l.add(p, RuleDeprecated, SeverityWarning, fmt.Sprintf("function %s: annotation %s is outdated", fn.Name, key), "write com.openfaas.health.http.initialDelaySeconds, a number")
		}
		return true
	}
	if _, ok := other[key]; ok {
		right := "labels"
		if in == "labels" {
			right = "annotations"
		}
		l.add(p, RuleMisplaced, SeverityError, fmt.Sprintf("function %s: %s has no effect among the %s", fn.Name, key, in), "move it to "+right)
		return false
	}
	if !strings.HasPrefix(key, "com.openfaas.") {
		return false
	}
	advice := "remove it, or use a prefix of your own"
	near := spelling.Nearest(key, slices.Sorted(maps.Keys(known)))
	switch key {
	case "com.openfaas.min.scale":
		near = "com.openfaas.scale.min"
	case "com.openfaas.max.scale":
		near = "com.openfaas.scale.max"
	}
	if near != "" {
		advice = "did you mean " + near + "?"
	}
	l.add(p, RuleUnknownLabel, SeverityWarning, fmt.Sprintf("function %s: OpenFaaS knows no %s %s", fn.Name, kind, key), advice)
	return false
}

func (l *linter) schedule(fn *Function, annotations map[string]string) {
	schedule, has := annotations["schedule"]
	topics := strings.Split(annotations["topic"], ",")
	cron := slices.ContainsFunc(topics, func(s string) bool { return strings.TrimSpace(s) == "cron-function" })
	switch {
	case has && !cron:
		l.add(at(fn, "annotations", "schedule"), RuleSchedule, SeverityWarning, fmt.Sprintf("function %s has a schedule without the topic cron-function", fn.Name), "add the annotation topic: cron-function")
	case cron && !has:
		l.add(at(fn, "annotations", "topic"), RuleSchedule, SeverityWarning, fmt.Sprintf("function %s has the topic cron-function without a schedule", fn.Name), `add an annotation such as schedule: "*/5 * * * *"`)
	}
	if has {
		if err := value.Schedule(schedule); err != nil {
			l.add(at(fn, "annotations", "schedule"), RuleSchedule, SeverityError, fmt.Sprintf("function %s: %v", fn.Name, err), "write five fields: minute, hour, day, month, weekday")
		}
	}
}

// environment checks the variables that the watchdog reads.
func (l *linter) environment(fn *Function) {
	times := map[string]time.Duration{}
	for _, key := range []string{"exec_timeout", "read_timeout", "write_timeout", "healthcheck_interval"} {
		s, ok := fn.Environment[key]
		if !ok || s == "" {
			continue
		}
		d, err := value.Duration(s)
		if _, number := strconv.Atoi(s); err != nil && number != nil { // plain numbers are seconds
			l.add(at(fn, "environment", key), RuleRange, SeverityError, fmt.Sprintf("function %s: %s: %v", fn.Name, key, err), "write a duration, such as 30s")
			continue
		}
		if err != nil {
			n, _ := strconv.Atoi(s)
			d = time.Duration(n) * time.Second
		}
		times[key] = d
	}
	if exec := times["exec_timeout"]; exec > 0 {
		for _, key := range []string{"read_timeout", "write_timeout"} {
			if d, ok := times[key]; ok && d < exec {
				l.add(at(fn, "environment", key), RuleTimeout, SeverityWarning,
					fmt.Sprintf("function %s: %s (%v) is shorter than exec_timeout (%v), which it cuts off", fn.Name, key, d, exec), "make it at least as long")
			}
		}
	}
	for key, check := range map[string]valueCheck{
		"max_inflight": integer(0, -1),
		"mode": func(s string) string {
			if slices.Contains([]string{"http", "serializing", "streaming", "static"}, s) {
				return ""
			}
			return "http, serializing, streaming or static"
		},
	} {
		if s, ok := fn.Environment[key]; ok {
			if want := check(s); want != "" {
				l.add(at(fn, "environment", key), RuleRange, SeverityError, fmt.Sprintf("function %s: environment %s wants %s, not %q", fn.Name, key, want, s), "correct the value")
			}
		}
	}
}
