package commands

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"time"
)

const (
	// spoolLimit is how much of a body is kept in memory, in bytes. What is
	// longer and has to be read twice goes to a private temporary file.
	spoolLimit = 1 << 20
	// gatherTime is how long the end of a short input is waited for, so that
	// it can be sent with its length; a longer one is streamed.
	gatherTime = 100 * time.Millisecond
	// silentStdin is how long a CI job's standard input may stay silent before
	// it counts as empty: some runners leave it open without ever writing.
	silentStdin = 5 * time.Second
)

// payload is the body of a request. Of a payload that is not replayable, open
// works once.
type payload struct {
	size       int64 // bytes; -1: unknown
	replayable bool
	open       func() (io.Reader, error)
	close      func() // removes what was spooled
}

func noPayload() payload { return bytesPayload(nil) }

func bytesPayload(b []byte) payload {
	return payload{
		size: int64(len(b)), replayable: true, close: func() {},
		open: func() (io.Reader, error) { return bytes.NewReader(b), nil },
	}
}

// sign returns the HMAC of the payload as it is sent in a header.
func (p payload) sign(key string) (string, error) {
	r, err := p.open()
	if err != nil {
		return "", err
	}
	mac := hmac.New(sha256.New, []byte(key))
	if _, err := io.Copy(mac, r); err != nil {
		return "", err
	}
	return "sha256=" + hex.EncodeToString(mac.Sum(nil)), nil
}

// openPayload returns the body that --data stands for: text, @FILE, or - for
// standard input, which is also what is read without --data. With replay it
// can be read more than once.
func openPayload(ctx context.Context, env *Env, data string, given, replay bool) (payload, error) {
	switch file, isFile := strings.CutPrefix(data, "@"); {
	case given && isFile && file != "-":
		f, err := os.Open(env.abs(file))
		if err != nil {
			return payload{}, err
		}
		p, err := filePayload(ctx, env, f, replay, 0)
		if err != nil {
			_ = f.Close() // the first error counts
			return payload{}, err
		}
		done := p.close
		p.close = func() {
			done()
			_ = f.Close() // it was only read
		}
		return p, nil
	case given && data != "-" && !isFile:
		return bytesPayload([]byte(data)), nil
	}
	if env.Term.InTTY {
		env.progressf("Reading from STDIN - hit (Control + D) to stop.")
	}
	silence := time.Duration(0)
	if env.ci() && !given {
		silence = silentStdin
	}
	if f, ok := env.Term.In.(*os.File); ok {
		return filePayload(ctx, env, f, replay, silence)
	}
	return streamPayload(ctx, env, env.Term.In, replay, silence)
}

// filePayload sends a regular file from where it stands, with its length; it
// is read again as often as need be. Anything else is a stream.
func filePayload(ctx context.Context, env *Env, f *os.File, replay bool, silence time.Duration) (payload, error) {
	info, err := f.Stat()
	if err != nil {
		return noPayload(), nil // standard input that is closed
	}
	if info.IsDir() {
		return payload{}, &os.PathError{Op: "read", Path: f.Name(), Err: errors.New("is a directory")}
	}
	start, err := f.Seek(0, io.SeekCurrent)
	if !info.Mode().IsRegular() || err != nil {
		return streamPayload(ctx, env, f, replay, silence)
	}
	size := max(info.Size()-start, 0)
	p := payload{size: size, replayable: true, close: func() {}}
	first := !replay
	p.open = func() (io.Reader, error) {
		if first {
			first = false
			return keptOpen{f}, nil
		}
		// Not by moving the file's position: an earlier attempt may still read.
		return io.NewSectionReader(f, start, size), nil
	}
	return p, nil
}

// keptOpen is a file that the transport does not close. To everything else it
// is the file itself, as io.NopCloser's is not: then the kernel sends it.
type keptOpen struct{ *os.File }

func (keptOpen) Close() error { return nil }

var _ syscall.Conn = keptOpen{}

// streamPayload sends what comes. A short input is sent with its length. For
// replay all of it is read first, into a temporary file if it is long.
func streamPayload(ctx context.Context, env *Env, r io.Reader, replay bool, silence time.Duration) (payload, error) {
	in := newPrefetch(r)
	var head []byte
	patience := time.NewTimer(gatherTime)
	if replay {
		patience.Stop()
	}
	defer patience.Stop()
	var silent <-chan time.Time
	if silence > 0 {
		t := time.NewTimer(silence)
		defer t.Stop()
		silent = t.C
	}
	for len(head) <= spoolLimit {
		select {
		case <-ctx.Done():
			return payload{}, context.Cause(ctx)
		case <-silent:
			env.warnf("nothing on standard input for %s: sending an empty body (use -d to say what to send)", silence)
			return noPayload(), nil
		case <-patience.C:
			if silent != nil {
				patience.Reset(gatherTime) // the first byte decides whether there is any input
				continue
			}
			return in.payload(head), nil
		case c, ok := <-in.chunks:
			if !ok && in.err != nil {
				return payload{}, in.err
			}
			if !ok {
				return bytesPayload(head), nil
			}
			head, silent = append(head, c...), nil
		}
	}
	if !replay {
		return in.payload(head), nil
	}
	return spool(ctx, io.MultiReader(bytes.NewReader(head), in))
}

// payload sends what was read already, and then the rest as it comes.
func (p *prefetch) payload(head []byte) payload {
	return payload{size: -1, close: func() {}, open: func() (io.Reader, error) {
		return io.MultiReader(bytes.NewReader(head), p), nil
	}}
}

// spool copies a stream to a temporary file that only this process sees.
func spool(ctx context.Context, r io.Reader) (payload, error) {
	f, err := os.CreateTemp("", "faas-cli-body-*") // mode 0600
	if err != nil {
		return payload{}, err
	}
	// Where the system allows, the name goes at once, so that no way to end
	// leaves it behind; elsewhere when the file is closed.
	unlinked := os.Remove(f.Name()) == nil
	cleanup := func() {
		_ = f.Close() // nothing more will be read
		if !unlinked {
			_ = os.Remove(f.Name())
		}
	}
	size, err := io.Copy(f, &contextReader{ctx: ctx, r: r})
	if err != nil {
		cleanup()
		return payload{}, err
	}
	return payload{size: size, replayable: true, close: cleanup, open: func() (io.Reader, error) {
		return io.NewSectionReader(f, 0, size), nil
	}}, nil
}

// contextReader ends between two reads when its context does.
type contextReader struct {
	ctx context.Context //nolint:containedctx // for the one copy that it is made for
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if c.ctx.Err() != nil {
		return 0, context.Cause(c.ctx)
	}
	return c.r.Read(p)
}

// prefetch reads a stream in the background, because a read of a pipe cannot
// be interrupted. When nobody wants the rest, the read is left behind: the
// process is about to end.
type prefetch struct {
	chunks chan []byte
	err    error // why the stream ended; valid once chunks is closed
	rest   []byte
}

func newPrefetch(r io.Reader) *prefetch {
	p := &prefetch{chunks: make(chan []byte, 4)}
	go func() {
		defer close(p.chunks)
		for {
			b := make([]byte, 32<<10)
			n, err := r.Read(b)
			if n > 0 {
				p.chunks <- b[:n]
			}
			if err != nil {
				if err != io.EOF {
					p.err = err
				}
				return
			}
		}
	}()
	return p
}

func (p *prefetch) Read(b []byte) (int, error) {
	if len(p.rest) == 0 {
		chunk, ok := <-p.chunks
		if !ok && p.err != nil {
			return 0, p.err
		}
		if !ok {
			return 0, io.EOF
		}
		p.rest = chunk
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}
