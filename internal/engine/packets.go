package engine

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tonistiigi/fsutil/types"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	// batchSize is how many bytes of packets leave at once: what fits into a frame of HTTP/2.
	batchSize = 16 << 10
	// batchDelay is how long a packet may wait for others.
	batchDelay = time.Millisecond
	// maxPacket is far beyond what a receiver of files asks with, in bytes.
	maxPacket = 1 << 20
	// packetHeader is a byte that says whether a message is compressed, and its length in four.
	packetHeader = 5
)

// sendFiles serves the call by which the engine fetches the files of a context.
//
// Source of truth: gRPC over HTTP/2, github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md.
func (s *buildSession) sendFiles(w http.ResponseWriter, r *http.Request) {
	md := make(metadata.MD, len(r.Header))
	for key, values := range r.Header {
		md[strings.ToLower(key)] = values
	}
	w.Header().Set("Content-Type", "application/grpc")
	p := &packetStream{ctx: metadata.NewIncomingContext(r.Context(), md), in: bufio.NewReader(r.Body), out: w, flush: w.(http.Flusher).Flush}
	err := s.files.DiffCopy(p)
	if cerr := p.close(); err == nil {
		err = cerr
	}
	st := status.Convert(err)
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", strconv.Itoa(int(st.Code())))
	if msg := st.Message(); msg != "" {
		w.Header().Set(http.TrailerPrefix+"Grpc-Message", url.PathEscape(msg))
	}
}

// packetStream carries the packets of BuildKit's file transfer over the bodies of an HTTP/2 request
// and its reply. A context of many files is as many packets of less than 100 bytes. gRPC writes each of
// them by itself, which costs both sides more than to look at the file that it describes; here they
// share frames.
type packetStream struct {
	ctx   context.Context //nolint:containedctx // grpc.ServerStream has it so
	in    *bufio.Reader
	out   io.Writer
	flush func()

	mu     sync.Mutex // of what follows, and of out
	batch  []byte
	timer  *time.Timer
	armed  bool
	closed bool
	err    error // of the first write that failed
}

// Send implements grpc.BidiStreamingServer.
func (p *packetStream) Send(m *types.Packet) error { return p.SendMsg(m) }

// Recv implements grpc.BidiStreamingServer.
func (p *packetStream) Recv() (*types.Packet, error) {
	m := new(types.Packet)
	return m, p.RecvMsg(m)
}

// Context implements grpc.ServerStream. It has the engine's wishes as incoming metadata.
func (p *packetStream) Context() context.Context { return p.ctx }

// SetHeader implements grpc.ServerStream; there is nothing to say.
func (p *packetStream) SetHeader(metadata.MD) error { return nil }

// SendHeader implements grpc.ServerStream.
func (p *packetStream) SendHeader(metadata.MD) error { return nil }

// SetTrailer implements grpc.ServerStream.
func (p *packetStream) SetTrailer(metadata.MD) {}

// SendMsg sends a packet, soon.
func (p *packetStream) SendMsg(m any) error {
	packet, ok := m.(*types.Packet)
	if !ok {
		return fmt.Errorf("send a %T", m)
	}
	size := packet.SizeVT()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return io.ErrClosedPipe
	}
	start := len(p.batch)
	p.batch = append(p.batch, make([]byte, packetHeader+size)...)
	binary.BigEndian.PutUint32(p.batch[start+1:], uint32(size))
	if _, err := packet.MarshalToSizedBufferVT(p.batch[start+packetHeader:]); err != nil {
		return err
	}
	switch {
	case len(p.batch) >= batchSize, lastOfItsKind(packet):
		p.write()
	case p.armed:
	case p.timer == nil:
		p.armed, p.timer = true, time.AfterFunc(batchDelay, p.expired)
	default:
		p.armed = true
		p.timer.Reset(batchDelay)
	}
	return p.err
}

// lastOfItsKind says that nothing follows which the packet could wait for.
func lastOfItsKind(p *types.Packet) bool {
	return p.Type == types.PACKET_FIN || p.Type == types.PACKET_STAT && p.Stat == nil
}

// expired sends what has waited long enough.
func (p *packetStream) expired() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.armed = false
	if !p.closed {
		p.write()
	}
}

func (p *packetStream) write() {
	if len(p.batch) == 0 || p.err != nil {
		return
	}
	_, p.err = p.out.Write(p.batch)
	p.flush()
	p.batch = p.batch[:0]
}

// close sends what is left. Nothing is written after it, as the handler's reply ends.
func (p *packetStream) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.write()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	return p.err
}

// RecvMsg waits for a packet. It is called by one goroutine.
func (p *packetStream) RecvMsg(m any) error {
	packet, ok := m.(*types.Packet)
	if !ok {
		return fmt.Errorf("receive a %T", m)
	}
	var header [packetHeader]byte
	if _, err := io.ReadFull(p.in, header[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(header[1:])
	if header[0] != 0 || size > maxPacket {
		return errors.New("the engine sent a packet that is compressed or too large")
	}
	content := make([]byte, size)
	if _, err := io.ReadFull(p.in, content); err != nil {
		return err
	}
	return packet.UnmarshalVT(content)
}
