package stack

import (
	"fmt"
	"strings"

	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/schema/value"
)

// badValue is a value that its reader will not understand. Its text still goes
// on the wire: another reader may.
type badValue struct {
	pos     Position
	message string
}

// badValues are the values of fn that have a form of their own and lack it.
func badValues(fn *Function) []badValue {
	out := badAmounts(fn)
	add := func(err error, path ...string) {
		if err != nil {
			out = append(out, badValue{fn.Position(path...), "functions." + fn.Name + "." + strings.Join(path, ".") + ": " + err.Error()})
		}
	}
	if fn.Image != "" {
		add(value.Image(fn.Image), "image")
	}
	if fn.Platforms != "" {
		_, err := value.Platforms(fn.Platforms)
		add(err, "platforms")
	}
	keys := func(key string, m *map[string]string) {
		if m == nil {
			return
		}
		for k := range *m {
			if value.Key(k) == nil {
				continue
			}
			for _, k := range sortedKeys(*m) { // one is bad: report all in order
				add(value.Key(k), key, k)
			}
			return
		}
	}
	keys("labels", fn.Labels)
	keys("annotations", fn.Annotations)
	if schedule, ok := orNone(fn.Annotations)["schedule"]; ok {
		add(value.Schedule(schedule), "annotations", "schedule")
	}
	return out
}

// badAmounts are the amounts of fn that are none.
func badAmounts(fn *Function) []badValue {
	var out []badValue
	check := func(key, name, s string, parse func(string) (int64, error)) {
		if s == "" || commonAmount(s, name == "memory") {
			return
		}
		if _, err := parse(s); err != nil {
			out = append(out, badValue{fn.Position(key, name), fmt.Sprintf("functions.%s.%s.%s: %v", fn.Name, key, name, err)})
		}
	}
	both := func(key string, r *schema.StackResources) {
		if r != nil {
			check(key, "memory", r.Memory, value.Memory)
			check(key, "cpu", r.CPU, value.CPU)
		}
	}
	both("limits", fn.Limits)
	both("requests", fn.Requests)
	return out
}

// commonAmount recognises what nearly every amount looks like without the
// arithmetic that tells the rest apart.
func commonAmount(s string, memory bool) bool {
	unit := strings.TrimLeft(s, "0123456789")
	digits := len(s) - len(unit)
	if digits == 0 || digits > 6 {
		return false
	}
	return unit == "" || memory && (unit == "Mi" || unit == "Gi") || !memory && unit == "m"
}
