package engine

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/moby/buildkit/session/sshforward"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// An SSHAgent is what RUN --mount=type=ssh sees of the user's agent: it can list keys and sign, and
// nothing else.
type SSHAgent struct {
	ID     string // empty means "default"
	Socket string // path of the agent's Unix socket
}

// agentServer forwards the sockets, by ID.
type agentServer map[string]string

func newAgentServer(agents []SSHAgent) (agentServer, error) {
	s := agentServer{}
	for _, a := range agents {
		id := a.ID
		if id == "" {
			id = sshforward.DefaultID
		}
		conn, err := net.Dial("unix", a.Socket) //nolint:noctx // a local socket answers at once or never
		if err != nil {
			return nil, fmt.Errorf("SSH agent %q: %w", id, err)
		}
		_ = conn.Close()
		s[id] = a.Socket
	}
	return s, nil
}

func (s agentServer) Register(g *grpc.Server) { sshforward.RegisterSSHServer(g, s) }

func (s agentServer) CheckAgent(_ context.Context, req *sshforward.CheckAgentRequest) (*sshforward.CheckAgentResponse, error) {
	id := req.ID
	if id == "" {
		id = sshforward.DefaultID
	}
	if s[id] == "" {
		return nil, status.Errorf(codes.NotFound, "no SSH agent %q is forwarded", id)
	}
	return &sshforward.CheckAgentResponse{}, nil
}

func (s agentServer) ForwardAgent(stream sshforward.SSH_ForwardAgentServer) error {
	id := sshforward.DefaultID
	if md, ok := metadata.FromIncomingContext(stream.Context()); ok {
		if v := md.Get(sshforward.KeySSHID); len(v) > 0 && v[0] != "" {
			id = v[0]
		}
	}
	if s[id] == "" {
		return status.Errorf(codes.NotFound, "no SSH agent %q is forwarded", id)
	}
	var d net.Dialer
	agent, err := d.DialContext(stream.Context(), "unix", s[id])
	if err != nil {
		return err
	}
	defer agent.Close() //nolint:errcheck // its answers have been read
	stop := context.AfterFunc(stream.Context(), func() { _ = agent.Close() })
	defer stop()
	return forwardAgent(&byteStream{stream: stream}, agent)
}

// Message numbers of the agent protocol.
// Source of truth: draft-ietf-sshm-ssh-agent, section "Message numbers".
const (
	agentFailure           = 5
	agentRequestIdentities = 11
	agentSignRequest       = 13
	// maxAgentMessage is OpenSSH's own limit, in bytes.
	maxAgentMessage = 256 << 10
)

// forwardAgent answers requests in turn: a build step may use the keys, but neither take them away
// nor add any.
func forwardAgent(client io.ReadWriter, agent io.ReadWriter) error {
	for {
		request, err := readAgentMessage(client)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		reply := []byte{0, 0, 0, 1, agentFailure}
		if kind := request[4]; kind == agentRequestIdentities || kind == agentSignRequest {
			if _, err := agent.Write(request); err != nil {
				return err
			}
			if reply, err = readAgentMessage(agent); err != nil {
				return err
			}
		}
		if _, err := client.Write(reply); err != nil {
			return err
		}
	}
}

// readAgentMessage reads a length and as many bytes; both are in the result.
func readAgentMessage(r io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n == 0 || n > maxAgentMessage {
		return nil, fmt.Errorf("SSH agent message of %d bytes", n)
	}
	msg := make([]byte, 4+n)
	copy(msg, length[:])
	_, err := io.ReadFull(r, msg[4:])
	return msg, err
}

// byteStream makes a stream of messages one of bytes.
type byteStream struct {
	stream sshforward.SSH_ForwardAgentServer
	rest   []byte
}

func (b *byteStream) Read(p []byte) (int, error) {
	for len(b.rest) == 0 {
		m, err := b.stream.Recv()
		if err != nil {
			return 0, err
		}
		b.rest = m.Data
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

func (b *byteStream) Write(p []byte) (int, error) {
	if err := b.stream.Send(&sshforward.BytesMessage{Data: p}); err != nil {
		return 0, err
	}
	return len(p), nil
}
