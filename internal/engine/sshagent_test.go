package engine

import (
	"bytes"
	"io"
	"testing"
)

// agentMessage is a length, a type and content.
func agentMessage(kind byte, content string) []byte {
	return append([]byte{0, 0, 0, byte(1 + len(content)), kind}, content...)
}

// pipeEnd reads from one side and notes what is written.
type pipeEnd struct {
	io.Reader
	bytes.Buffer
}

func (p *pipeEnd) Read(b []byte) (int, error) { return p.Reader.Read(b) }

func TestForwardAgentLetsKeysBeUsedAndNotChanged(t *testing.T) {
	t.Parallel()
	const removeAll, extension = 19, 27
	requests := bytes.Join([][]byte{
		agentMessage(agentRequestIdentities, ""), agentMessage(removeAll, ""), agentMessage(agentSignRequest, "data"), agentMessage(extension, "x"),
	}, nil)
	client := &pipeEnd{Reader: bytes.NewReader(requests)}
	agent := &pipeEnd{Reader: bytes.NewReader(append(agentMessage(12, "keys"), agentMessage(14, "signature")...))}
	if err := forwardAgent(client, agent); err != nil {
		t.Fatal(err)
	}
	if got, want := agent.Bytes(), append(agentMessage(agentRequestIdentities, ""), agentMessage(agentSignRequest, "data")...); !bytes.Equal(got, want) {
		t.Errorf("the agent was asked %q", got)
	}
	want := bytes.Join([][]byte{agentMessage(12, "keys"), agentMessage(agentFailure, ""), agentMessage(14, "signature"), agentMessage(agentFailure, "")}, nil)
	if got := client.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("the client was told %q", got)
	}
	if err := forwardAgent(&pipeEnd{Reader: bytes.NewReader([]byte{0xff, 0, 0, 0, 1})}, agent); err == nil {
		t.Error("a message of 4 GB is accepted")
	}
}
