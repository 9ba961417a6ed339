package engine

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/moby/buildkit/session/filesync"
	"github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// filesFunc is a file transfer made for one test.
type filesFunc func(filesync.FileSync_DiffCopyServer) error

func (f filesFunc) DiffCopy(s filesync.FileSync_DiffCopyServer) error { return f(s) }

func (filesFunc) TarStream(filesync.FileSync_TarStreamServer) error {
	return errors.New("not asked for")
}

// dialSession runs a session that offers files and returns gRPC's own client of it.
func dialSession(t *testing.T, files filesFunc) filesync.FileSyncClient {
	t.Helper()
	ours, theirs := net.Pipe()
	s := newBuildSession("key", files)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- s.run(ctx, func(context.Context, string, map[string][]string) (net.Conn, error) { return ours, nil })
	}()
	conn, err := grpc.NewClient("passthrough:///engine", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return theirs, nil }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the session ended with %v", err)
		}
		conn.Close()
	})
	return filesync.NewFileSyncClient(conn)
}

func TestPacketsPassThroughGRPC(t *testing.T) {
	t.Parallel()
	const n = 5000
	big := bytes.Repeat([]byte("x"), 3*batchSize)
	c := dialSession(t, func(s filesync.FileSync_DiffCopyServer) error {
		asked, err := s.Recv()
		if err != nil {
			return err
		}
		for range n {
			if err := s.Send(&types.Packet{Type: types.PACKET_STAT, Stat: &types.Stat{Path: "file"}}); err != nil {
				return err
			}
		}
		return s.Send(&types.Packet{Type: types.PACKET_DATA, ID: asked.ID, Data: big})
	})
	stream, err := c.DiffCopy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&types.Packet{Type: types.PACKET_REQ, ID: 7}); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if p, err := stream.Recv(); err != nil || p.Stat.GetPath() != "file" {
			t.Fatalf("packet %d: %v, %v", i, p, err)
		}
	}
	if p, err := stream.Recv(); err != nil || p.ID != 7 || !bytes.Equal(p.Data, big) {
		t.Errorf("last packet: %d bytes of %d, %v", len(p.GetData()), p.GetID(), err)
	}
	if _, err := stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last packet: %v", err)
	}
}

func TestPacketsEndWithTheStatusOfAFailure(t *testing.T) {
	t.Parallel()
	want := "no such \"folder\": 100% sure\nof ä"
	c := dialSession(t, func(filesync.FileSync_DiffCopyServer) error { return status.Error(codes.NotFound, want) })
	stream, err := c.DiffCopy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.NotFound || status.Convert(err).Message() != want {
		t.Errorf("error %v", err)
	}
}

// countingWriter counts what is written and how often.
type countingWriter struct {
	mu           sync.Mutex
	calls, bytes int
}

func (w *countingWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls++
	w.bytes += len(p)
	return len(p), nil
}

// taken returns the counts since the last time it was asked.
func (w *countingWriter) taken() (calls, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	calls, bytes = w.calls, w.bytes
	w.calls, w.bytes = 0, 0
	return calls, bytes
}

func TestPacketsShareWrites(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var w countingWriter
		p := &packetStream{ctx: t.Context(), out: &w, flush: func() {}}
		send := func() {
			t.Helper()
			if err := p.Send(&types.Packet{Type: types.PACKET_STAT, Stat: &types.Stat{Path: "some/folder/some-file"}}); err != nil {
				t.Fatal(err)
			}
		}
		const n = 30000
		for range n {
			send()
		}
		calls, size := w.taken()
		if most := size/batchSize + 1; calls > most {
			t.Errorf("%d packets left in %d writes, want at most %d", n, calls, most)
		}
		time.Sleep(batchDelay)
		synctest.Wait()
		w.taken()
		send()
		time.Sleep(batchDelay)
		synctest.Wait()
		if calls, _ := w.taken(); calls != 1 {
			t.Errorf("a packet by itself left in %d writes", calls)
		}
		send()
		err := p.close()
		if calls, _ := w.taken(); err != nil || calls != 1 {
			t.Errorf("close: %v; writes: %d", err, calls)
		}
		if err := p.Send(&types.Packet{}); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("send after close: %v", err)
		}
	})
}

func TestPacketsRefuseWhatIsTooLarge(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"\x00\x7f\xff\xff\xff", "\x01\x00\x00\x00\x00", "\x00\x00\x00\x00\x05ab"} {
		p := &packetStream{in: bufio.NewReader(bytes.NewBufferString(body))}
		if _, err := p.Recv(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("received %q: %v", body, err)
		}
	}
}

func TestPacketsOfAReceiverThatIsGone(t *testing.T) {
	t.Parallel()
	s := newBuildSession("key", filesFunc(func(s filesync.FileSync_DiffCopyServer) error {
		_, err := s.Recv()
		return err
	}))
	w := httptest.NewRecorder()
	s.sendFiles(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, filesync.FileSync_DiffCopy_FullMethodName, http.NoBody))
	if got := w.Header().Get(http.TrailerPrefix + "Grpc-Status"); got != strconv.Itoa(int(codes.Unknown)) {
		t.Errorf("grpc-status %q", got)
	}
}
