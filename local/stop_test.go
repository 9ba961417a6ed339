//go:build unix

package local

import (
	"net/http"
	"testing"
	"time"
)

func TestPlatformThatStopsGivesUpADeploymentThatWaits(t *testing.T) {
	t.Parallel()
	p := startPlatform(t, t.TempDir())
	p.deploy("hello", "version=one")
	answered := make(chan int, 1)
	go func() {
		d := deployment("hello", "version=two")
		d.Annotations["com.openfaas.health.http.path"] = "/never?status=500"
		res, _ := p.do("PUT", "/system/functions", d)
		answered <- res.StatusCode
	}()
	eventually(t, "the new version starts", func() bool {
		_, logs := p.do("GET", "/system/logs?name=hello", nil)
		return countOf(logs, "listening") == 2
	})
	began := time.Now()
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if status := <-answered; status != http.StatusServiceUnavailable {
		t.Errorf("the deployment was answered %d", status)
	}
	if d := time.Since(began); d >= answerLimit { // which is how long what is not given up would take
		t.Errorf("it took %s", d)
	}
	p = startPlatform(t, p.dir)
	if e := p.call("/function/hello", ""); e.Version != "one" {
		t.Errorf("version %q answers", e.Version)
	}
}
