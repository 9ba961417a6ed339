package runtime

import (
	"net"
	"net/http"
	"testing"
)

func TestMovingListenerServesWhereItIs(t *testing.T) {
	t.Parallel()
	listen := func() net.Listener {
		l, err := listenOn(t.Context(), "127.0.0.1", 0)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	l := &movingListener{current: listen()}
	before := l.Addr().String()
	srv := &http.Server{Handler: http.NotFoundHandler()} //nolint:gosec // for this test alone
	ended := make(chan error)
	go func() { ended <- srv.Serve(l) }()
	answers := func(address string) bool {
		c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := c.Do(req)
		if err != nil {
			return false
		}
		return res.Body.Close() == nil
	}
	if !answers(before) {
		t.Error("no answer")
	}
	l.move(listen())
	if after := l.Addr().String(); after == before || !answers(after) || answers(before) {
		t.Errorf("moved from %s to %s", before, after)
	}
	after := l.Addr().String()
	if err := srv.Close(); err != nil {
		t.Error(err)
	}
	<-ended
	late := listen()
	l.move(late)
	if answers(after) || answers(late.Addr().String()) {
		t.Error("it answers although it is closed")
	}
}
