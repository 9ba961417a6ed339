package commands

import (
	"encoding/xml"
	"fmt"
	"strconv"
)

// The parts of a JUnit report that CI systems read.
//
// Source of the format: the report of Ant's junitreport task, which has no
// standard; this is what its readers have in common.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Time     string      `xml:"time,attr"` // seconds
		Cases    []junitCase `xml:"testcase"`

		seconds float64
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Time    string        `xml:"time,attr"`
		Failure *junitMessage `xml:"failure"`
		Skipped *junitMessage `xml:"skipped"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
	}
)

// junitReport has a suite for each template and handler.
func junitReport(checks []templateCheck) ([]byte, error) {
	var all junitSuites
	for _, c := range checks {
		name := c.Template + "/" + c.Handler
		if n := len(all.Suites); n == 0 || all.Suites[n-1].Name != name {
			all.Suites = append(all.Suites, junitSuite{Name: name})
		}
		s := &all.Suites[len(all.Suites)-1]
		one := junitCase{Name: c.Check, Class: name, Time: seconds(c.Took.Seconds())}
		switch c.Status {
		case testFailed:
			s.Failures++
			one.Failure = &junitMessage{c.Message}
		case testSkipped:
			s.Skipped++
			one.Skipped = &junitMessage{c.Message}
		}
		s.Tests++
		s.seconds += c.Took.Seconds()
		s.Time = seconds(s.seconds)
		s.Cases = append(s.Cases, one)
	}
	text, err := xml.MarshalIndent(all, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write JUnit report: %w", err)
	}
	return append([]byte(xml.Header), append(text, '\n')...), nil
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 3, 64) }
