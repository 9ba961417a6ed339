package commands

import (
	"errors"
	"strings"

	"github.com/faas-cli/faas-cli/internal/runtime"
)

// runtimeName is the value of --runtime: a kind of runtime, or auto, which the
// zero value means as well.
type runtimeName string

const (
	runtimeAuto    runtimeName = "auto"
	runtimeDocker              = runtimeName(runtime.Docker)
	runtimeProcess             = runtimeName(runtime.Process)
)

// String is the name; nothing means auto.
func (r *runtimeName) String() string {
	if *r == "" {
		return string(runtimeAuto)
	}
	return string(*r)
}

// Set accepts auto, docker and process.
func (r *runtimeName) Set(s string) error {
	switch v := runtimeName(strings.ToLower(s)); v {
	case runtimeAuto, runtimeDocker, runtimeProcess:
		*r = v
		return nil
	}
	return errors.New("want auto, docker or process")
}

// Type names the value in help texts.
func (*runtimeName) Type() string { return "runtime" }
