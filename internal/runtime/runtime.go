// Package runtime starts and stops single replicas of functions, as supervised processes or as containers,
// behind one interface.
//
// A [Runtime] knows nothing of deployments, scaling, rolling updates or restarts: those are the same for every
// kind of replica and live with its user (package local, or the command that runs one function by itself).
// What a runtime owes is small: start exactly one replica of a pinned image, say where it listens, say when and
// how it ended, end it with everything it started, keep its output.
package runtime

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"time"

	"github.com/faas-cli/faas-cli/internal/engine"
)

// Kind names a runtime, as --runtime spells it.
type Kind string

// The kinds of runtime.
const (
	Process Kind = "process" // a supervised process of this machine; no sandbox
	Docker  Kind = "docker"  // a container, through the Engine API
)

// Ref names a function. Both parts are DNS labels and never empty.
type Ref struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace"`
}

// String returns NAME.NAMESPACE.
func (r Ref) String() string { return r.Name + "." + r.Namespace }

// Spec is everything a replica is started from. A replica never changes but for its secrets: another spec means
// another replica.
type Spec struct {
	Ref
	// Revision tells generations of a deployment apart. It is opaque, at most 63 characters of [a-z0-9], and
	// comes back in [Info], so that a replica found after a restart can be matched with the deployment.
	Revision string

	Image string // the name as it was deployed, for messages only
	// Digest is what the name meant when it was deployed: the digest of the manifest in the image store, or what a
	// [Pinner] returned for an image that the store lacks. Empty: unknown, the name decides.
	Digest string

	Command []string          // replaces the image's entry point and command; empty: those of the image
	Env     map[string]string // complete but for what the runtime itself adds (port, gateway_url, PATH, HOME, TMPDIR)
	Labels  map[string]string // of the deployment; a runtime may show them in its own tools
	// Annotations are those of the deployment.
	Annotations map[string]string

	// Secrets are the files below [SecretsPath], by name. They are never logged and never part of an error.
	Secrets map[string][]byte

	Memory       int64 // limit in bytes; 0: none
	MilliCPU     int64 // limit in thousandths of a CPU; 0: none
	ReadOnlyRoot bool  // the file system is read-only but for /tmp

	// Port is the loopback port that the replica is to be reached at; 0: any free one.
	Port int
	// Loopback asks for a loopback port also where this machine reaches the replica's own address, for what people
	// are told to open.
	Loopback bool
}

// SecretsPath is where a function finds its secrets, a file each.
const SecretsPath = "/var/openfaas/secrets"

// Runtime starts replicas. It is safe for concurrent use.
type Runtime interface {
	Kind() Kind

	// Check says whether the runtime could run s, without starting anything: nil, an error that wraps
	// [ErrUnsupported] and says what is in the way, or one that wraps [ErrNoImage].
	Check(ctx context.Context, s Spec) error

	// Notes lists, a sentence each, what the runtime cannot honour of s although it would run it
	// ("cpu limit 100m is not enforced: …"). They become warnings of the deployment.
	Notes(s Spec) []string

	// Start starts one replica and returns as soon as it has an address, which may be long before it answers;
	// see [WaitHealthy]. Cancelling ctx abandons the start and leaves nothing behind; it has no effect on a
	// replica that was returned.
	Start(ctx context.Context, s Spec) (Replica, error)

	// Adopt returns the replicas that an earlier process of the same instance left running, having ended those
	// that cannot be taken over, and forgotten functions that are not deployed any more and of which none runs.
	// It is called once, before the first Start.
	Adopt(ctx context.Context, deployed func(Ref) bool) ([]Replica, error)

	// Logs yields what replicas of f wrote, oldest first, those that have ended included as far as their output
	// is kept. It ends after the last line, or with ctx when q.Follow is set: then replicas that start later are
	// followed too. An error is yielded once, last.
	Logs(ctx context.Context, f Ref, q LogQuery) iter.Seq2[LogLine, error]

	// Forget removes what is kept of a function none of whose replicas runs any more: logs, folders, ended
	// containers. What [IsAway] prevents is made up for, as with Replica.Stop.
	Forget(ctx context.Context, f Ref) error

	// Purge removes everything that this instance ever made and nothing else. No replica may be running.
	Purge(ctx context.Context) error

	// Close releases connections. Replicas that can outlive this process go on; see Adopt.
	Close() error
}

// Replica is a started function. It is safe for concurrent use.
type Replica interface {
	// Info returns what is known of the replica; it never changes and costs nothing.
	Info() Info

	// Done is closed when the replica has ended, whoever ended it.
	Done() <-chan struct{}

	// Exit says how the replica ended. It is meaningful only after Done is closed.
	Exit() Exit

	// SetSecrets replaces the replica's secrets in place: files appear whole, those not in the map go.
	SetSecrets(ctx context.Context, secrets map[string][]byte) error

	// Stop asks the replica to end (SIGTERM), ends it by force after grace, and returns when it and everything it
	// started is gone. Stopping one that has ended is no error. After one for which [IsAway], the runtime ends the
	// replica by itself as soon as it can.
	Stop(ctx context.Context, grace time.Duration) error
}

// Usager is implemented by replicas that can tell what they use.
type Usager interface {
	// Usage returns the CPU in thousandths, averaged since the last call or the start, and the resident bytes.
	Usage(ctx context.Context) (milliCPU float64, bytes int64, err error)
}

// FunctionNetwork is implemented by a runtime whose replicas cannot reach the platform's loopback listener.
type FunctionNetwork interface {
	// Listen opens a listener on this machine's address in the replicas' network. The platform serves function
	// calls on it, and nothing else, and closes it. hosts are the names, without port, that replicas call it by.
	Listen(ctx context.Context) (l net.Listener, hosts []string, err error)
}

// Dependent is implemented by a runtime that depends on something that can be away and come back: a container engine.
type Dependent interface {
	// Reachable returns nil if it answers now, or an error for which [IsAway].
	Reachable(ctx context.Context) error

	// Await returns nil as soon as it answers, or the cause of ctx's end.
	Await(ctx context.Context) error
}

// IsAway reports whether err says that what a runtime depends on does not answer: see [Dependent].
func IsAway(err error) bool { return engine.IsUnavailable(err) }

// Pinner is implemented by a runtime that has images of its own beside the image store.
type Pinner interface {
	// Pin returns what name means to the runtime now, for [Spec.Digest]: it goes on meaning the same image when the
	// name moves. A missing image is fetched if the name says where from; otherwise the error wraps [ErrNoImage].
	Pin(ctx context.Context, name string) (string, error)
}

// Info identifies a replica.
type Info struct {
	Ref
	ID       string // unique in the instance; the instance field of log lines
	Revision string // that of the spec it was started from
	Address  string // host:port of its HTTP server, reachable from this process
	Started  time.Time
}

// Exit is the end of a replica.
type Exit struct {
	Code        int    // exit status; 128+n when signal n ended it; -1 when unknown
	OutOfMemory bool   // it was ended for exceeding its memory limit
	Reason      string // set when it was not the function that ended: the engine went away, it could not be executed
}

// String describes the exit in a few words.
func (e Exit) String() string {
	switch {
	case e.OutOfMemory:
		return "it exceeded its memory limit"
	case e.Reason != "":
		return e.Reason
	case e.Code > 128:
		return fmt.Sprintf("it was ended by signal %d", e.Code-128)
	}
	return fmt.Sprintf("it exited with code %d", e.Code)
}

// LogQuery selects log lines.
type LogQuery struct {
	Since    time.Time // zero: no bound
	Tail     int       // the last N lines of what there is; negative: all
	Follow   bool      // go on with new lines until the context ends
	Instance string    // only of the replica with this ID; empty: of all
}

// LogLine is one line that a replica wrote on its standard output or error.
type LogLine struct {
	Time     time.Time
	Instance string // ID of the replica
	Text     string // without the line end; a very long line comes in pieces
}

// Errors that callers decide on.
var (
	// ErrUnsupported is wrapped by errors that say why a runtime cannot run an image.
	ErrUnsupported = errors.New("not supported by this runtime")
	// ErrNoImage is wrapped by errors about an image that is nowhere to be found.
	ErrNoImage = errors.New("no such image")
)
