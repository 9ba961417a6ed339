package builder

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// progressStep is the time between two looks at how much of a layer is sent.
const progressStep = 100 * time.Millisecond

// uploads makes the requests of one push. An upload of a layer that is cut goes
// on from where the registry has it, as the distribution specification says;
// go-containerregistry begins again, which is left for registries that do not
// tell. What has been sent is looked at from time to time: a reader that counts
// would keep the kernel from sending files by itself.
type uploads struct {
	next http.RoundTripper
	tell func(done, total int64) // may be nil

	mu          sync.Mutex
	done, total int64 // bytes of layers that are sent, and that are to be
}

// RoundTrip makes the request, and again what of it was cut.
func (u *uploads) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Method != http.MethodPatch || req.GetBody == nil || req.ContentLength <= 0 {
		return u.next.RoundTrip(req)
	}
	l := &layerUpload{all: u, size: req.ContentLength}
	u.add(0, l.size)
	res, err := l.send(req)
	if err != nil {
		res, err = l.resume(req, err)
	}
	if err != nil || res.StatusCode >= http.StatusMultipleChoices {
		l.reached(0)
		u.add(0, -l.size) // if it is tried again, that is another upload
		return res, err
	}
	l.reached(l.size)
	return res, nil
}

// add changes how much is sent and is to be sent.
func (u *uploads) add(done, total int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.done += done
	u.total += total
	if u.tell != nil {
		u.tell(u.done, u.total)
	}
}

// layerUpload is the upload of one layer.
type layerUpload struct {
	all  *uploads
	size int64
	sent int64 // bytes that are counted in all.done
}

// reached says that the upload is at the byte at.
func (l *layerUpload) reached(at int64) {
	if at != l.sent {
		l.all.add(at-l.sent, 0)
		l.sent = at
	}
}

// send makes one request and tells meanwhile how far it is.
func (l *layerUpload) send(req *http.Request) (*http.Response, error) {
	if l.all.tell == nil {
		return l.all.next.RoundTrip(req)
	}
	body, position := watched(req.Body, l.size-req.ContentLength)
	req = req.Clone(req.Context())
	req.Body = body
	stop := make(chan struct{})
	var watch sync.WaitGroup
	watch.Go(func() {
		tick := time.NewTicker(progressStep)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				if at, err := position(); err == nil { // else it is closed
					l.reached(at)
				}
			}
		}
	})
	defer watch.Wait()
	defer close(stop)
	return l.all.next.RoundTrip(req)
}

// watched returns a body to send, and what tells which byte of the layer it is
// at. It begins at the byte at.
func watched(body io.ReadCloser, at int64) (io.ReadCloser, func() (int64, error)) {
	if f, ok := body.(*os.File); ok {
		return f, func() (int64, error) { return f.Seek(0, io.SeekCurrent) }
	}
	counted := &countingReader{ReadCloser: body}
	return counted, func() (int64, error) { return at + counted.n.Load(), nil }
}

// resume goes on with an upload that failed, for as long as that helps. If it
// does not, the error is still that of the upload, so that another is begun.
func (l *layerUpload) resume(req *http.Request, failed error) (*http.Response, error) {
	furthest := int64(0)
	for try := 0; try < pushTries && pause(req.Context(), pushWait<<try) == nil; try++ {
		status, at, err := l.status(req)
		if err != nil {
			continue // the registry is not back yet
		}
		l.reached(at)
		switch {
		case at == 0:
			return nil, failed
		case at == l.size: // only the answer was lost
			return status, nil
		case at > furthest:
			try, furthest = 0, at
		}
		rest, err := restOf(req, status, at)
		if err != nil {
			return nil, failed
		}
		res, err := l.send(rest)
		if err == nil && res.StatusCode < http.StatusMultipleChoices {
			return res, nil
		}
		if err == nil { // it does not want the rest
			_ = res.Body.Close()
			return nil, failed
		}
	}
	return nil, failed
}

// status asks the registry how many bytes of the upload have arrived; 0 means
// that it does not tell. The body of the answer is closed.
func (l *layerUpload) status(upload *http.Request) (res *http.Response, at int64, err error) {
	req := upload.Clone(upload.Context())
	req.Method, req.Body, req.GetBody, req.ContentLength = http.MethodGet, nil, nil, 0
	req.Header.Del("Content-Type")
	if res, err = l.all.next.RoundTrip(req); err != nil {
		return nil, 0, err
	}
	_ = res.Body.Close() // nothing in it counts
	if res.StatusCode >= http.StatusInternalServerError {
		return nil, 0, errors.New(res.Status)
	}
	if res.StatusCode != http.StatusNoContent {
		return res, 0, nil
	}
	if res.Header.Get("Location") == "" {
		res.Header.Set("Location", upload.URL.String())
	}
	from, to, _ := strings.Cut(strings.TrimPrefix(res.Header.Get("Range"), "bytes="), "-")
	last, err := strconv.ParseInt(to, 10, 64)
	if from != "0" || err != nil || last <= 0 || last >= l.size { // "0-0" says that nothing has arrived
		return res, 0, nil
	}
	return res, last + 1, nil
}

// restOf is the request that sends what follows the byte at, to where the
// answer to a question for the status says.
func restOf(upload *http.Request, status *http.Response, at int64) (*http.Request, error) {
	to, err := url.Parse(status.Header.Get("Location"))
	if err != nil {
		return nil, err
	}
	if to = upload.URL.ResolveReference(to); to.Scheme != upload.URL.Scheme || to.Host != upload.URL.Host {
		return nil, errors.New("the upload has moved to another host") // which may not see the credentials
	}
	body, err := upload.GetBody()
	if err != nil {
		return nil, err
	}
	if f, ok := body.(io.Seeker); ok {
		_, err = f.Seek(at, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, body, at)
	}
	if err != nil {
		return nil, errors.Join(err, body.Close())
	}
	req := upload.Clone(upload.Context())
	req.URL, req.Body, req.ContentLength = to, body, upload.ContentLength-at
	req.Header.Set("Content-Range", fmt.Sprintf("%d-%d", at, upload.ContentLength-1))
	return req, nil
}

// countingReader counts what is read of a layer that is made as it is read.
type countingReader struct {
	io.ReadCloser
	n atomic.Int64
}

// Read counts.
func (r *countingReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	r.n.Add(int64(n))
	return n, err
}
