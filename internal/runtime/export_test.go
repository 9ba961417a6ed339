//go:build linux

package runtime

// Disconnect closes the supervisor's standard input, as the death of the gateway does.
func (r *process) Disconnect() error { return r.stdin.Close() }
