package commands

import (
	"fmt"
	"testing"

	"github.com/faas-cli/faas-cli/schema"
	"github.com/faas-cli/faas-cli/stack"
)

func TestPublishedPlatforms(t *testing.T) {
	t.Parallel()
	own := stack.Function{Name: "fn", Function: schema.Function{Platforms: "linux/arm64,linux/amd64"}}
	for _, tt := range []struct {
		name    string
		fn      stack.Function
		publish bool
		flag    string
		want    string
	}{
		{"a build is for the engine's own", own, false, "", "[]"},
		{"the function's own", own, true, "", "[linux/arm64 linux/amd64]"},
		{"the flag wins", own, true, "linux/arm/v7", "[linux/arm/v7]"},
		{"also where it says the default", own, true, defaultPlatforms, "[linux/amd64]"},
		{"the default", stack.Function{Name: "fn"}, true, "", "[linux/amd64]"},
	} {
		var to buildTarget
		if tt.publish {
			to.publishing(tt.flag, nil)
		}
		got, err := to.platforms(tt.fn)
		if err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("%s: %v, %v; want %s", tt.name, got, err, tt.want)
		}
	}
}
