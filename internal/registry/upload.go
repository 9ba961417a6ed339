package registry

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// errDigest is returned by commit when the content is not what was announced.
var errDigest = errors.New("content does not match its digest")

// errNoUpload is returned for an upload that was never begun, is finished or
// was collected.
var errNoUpload = errors.New("no such upload")

// An upload is content on its way into the store. It can be closed and resumed
// by another process: beside the data lies the state of its hash, so that
// nothing is read twice and nothing is held in memory.
type upload struct {
	s     *Store
	id    string
	f     *os.File
	sum   hash.Hash
	size  int64 // bytes written and hashed
	begun int64 // bytes that the disk was told to write
	torn  bool  // the disk did not take all that came
}

// newUpload begins an upload. It ends with commit, cancel or suspend.
func (s *Store) newUpload() (*upload, error) {
	if err := os.MkdirAll(s.path("uploads"), 0o700); err != nil {
		return nil, err
	}
	id := strings.ToLower(rand.Text())
	f, err := os.OpenFile(s.path("uploads", id), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &upload{s: s, id: id, f: f, sum: sha256.New()}, nil
}

// resumeUpload opens a suspended upload. Bytes that arrived after the last
// suspend, from a request that was cut off, are dropped.
func (s *Store) resumeUpload(id string) (*upload, error) {
	if id == "" || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz234567") != "" {
		return nil, errNoUpload
	}
	state, err := os.ReadFile(s.path("uploads", id+".state"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoUpload
	}
	if err != nil {
		return nil, err
	}
	if len(state) < 8 {
		return nil, fmt.Errorf("upload %s: damaged state", id)
	}
	u := &upload{s: s, id: id, sum: sha256.New(), size: int64(binary.BigEndian.Uint64(state))}
	if err := u.sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(state[8:]); err != nil {
		return nil, fmt.Errorf("upload %s: %w", id, err)
	}
	if u.f, err = os.OpenFile(s.path("uploads", id), os.O_RDWR, 0); err != nil {
		return nil, errNoUpload
	}
	if err := u.f.Truncate(u.size); err != nil {
		u.f.Close()
		return nil, err
	}
	if _, err := u.f.Seek(u.size, 0); err != nil {
		u.f.Close()
		return nil, err
	}
	return u, nil
}

// writebackStep is how much the disk is given to write at once, in bytes: long
// enough to be written in one go, short beside a layer.
const writebackStep = 8 << 20

// Write appends to the content.
func (u *upload) Write(p []byte) (int, error) {
	n, err := u.write(p)
	u.sum.Write(p[:n])
	return n, err
}

// write is Write without the hash.
func (u *upload) write(p []byte) (int, error) {
	n, err := u.f.Write(p)
	u.size += int64(n)
	u.torn = u.torn || err != nil
	if u.size-u.begun >= writebackStep {
		startWriteback(u.f, u.begun, u.size-u.begun)
		u.begun = u.size
	}
	return n, err
}

const (
	// chunk is what is received at once, in bytes: large enough that handing it
	// over costs nothing, small enough to stay in a processor's cache until it
	// is written and hashed.
	chunk = 256 << 10

	// chunks is how many there are of each upload: enough that none of the
	// three who handle them waits for every step of another.
	chunks = 6
)

// ReadFrom appends what r yields until its end. While one part is hashed, which
// takes longest, the next is written, and the one after it received.
func (u *upload) ReadFrom(r io.Reader) (written int64, err error) {
	type part struct {
		b   []byte
		err error
	}
	// There is room in each for all parts: to hand one on never waits.
	free, received, toHash := make(chan []byte, chunks), make(chan part, chunks), make(chan []byte, chunks)
	for range chunks {
		free <- make([]byte, chunk)
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	defer others.Wait()
	defer close(toHash)
	defer close(stop)
	others.Go(func() {
		for {
			select {
			case b := <-free:
				n, err := fill(r, b)
				received <- part{b[:n], err}
				if err != nil {
					return
				}
			case <-stop:
				return
			}
		}
	})
	others.Go(func() {
		for b := range toHash {
			u.sum.Write(b)
			free <- b[:chunk]
		}
	})
	for {
		p := <-received
		n, err := u.write(p.b)
		written += int64(n)
		toHash <- p.b[:n] // no more than the disk took
		switch {
		case err != nil:
			return written, err
		case p.err == io.EOF: //nolint:errorlint // as readers return it
			return written, nil
		case p.err != nil:
			return written, p.err
		}
	}
}

// fill reads until b is full or r ends, with r's own error.
func fill(r io.Reader, b []byte) (n int, err error) {
	for n < len(b) && err == nil {
		var m int
		m, err = r.Read(b[n:])
		n += m
	}
	return n, err
}

// suspend closes the upload so that resumeUpload can go on with it. One that
// the disk did not take is dropped instead: it would keep a full disk full.
func (u *upload) suspend() error {
	if u.torn {
		u.cancel()
		return nil
	}
	state, err := u.sum.(encoding.BinaryAppender).AppendBinary(binary.BigEndian.AppendUint64(nil, uint64(u.size)))
	if err == nil {
		err = u.s.writeFile(u.f.Name()+".state", state)
	}
	return errors.Join(err, u.f.Close())
}

// commit moves the content into place if its digest is h, else it drops it.
func (u *upload) commit(h v1.Hash) error {
	defer u.cancel()
	if got := hex.EncodeToString(u.sum.Sum(nil)); got != h.Hex {
		return fmt.Errorf("%w: expected %s, got sha256:%s", errDigest, h, got)
	}
	if err := u.f.Sync(); err != nil {
		return err
	}
	if err := u.f.Close(); err != nil {
		return err
	}
	to := u.s.blobPath(h)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.Rename(u.f.Name(), to)
}

// cancel drops the upload; after commit it only tidies up.
func (u *upload) cancel() {
	u.f.Close()
	os.Remove(u.f.Name())
	os.Remove(u.f.Name() + ".state")
}

func touch(path string) error {
	now := time.Now()
	return os.Chtimes(path, now, now)
}
