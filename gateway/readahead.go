package gateway

import (
	"io"
	"sync"
)

// readAhead reads a stream in the background, so that the network goes on while
// the last block is worked on.
type readAhead struct {
	r    io.Reader
	idle func() // called before waiting; nil: nobody wants to know

	free chan []byte // blocks to be read into
	full chan aheadBlock
	last []byte // handed out
	wg   sync.WaitGroup
}

// aheadBlock is what one Read returned.
type aheadBlock struct {
	block []byte
	n     int
	err   error
}

// aheadBlocks is how many blocks there are: one that is worked on and two that
// may be full or being filled.
const aheadBlocks = 3

func newReadAhead(r io.Reader, idle func()) *readAhead {
	a := &readAhead{r: r, idle: idle, free: make(chan []byte, aheadBlocks), full: make(chan aheadBlock, aheadBlocks)}
	for range aheadBlocks {
		a.free <- make([]byte, logBlock)
	}
	a.wg.Go(func() {
		for block := range a.free {
			n, err := r.Read(block)
			a.full <- aheadBlock{block: block, n: n, err: err} // never waits: there is room for all
			if err != nil {
				return
			}
		}
	})
	return a
}

// next returns the next block, which holds until the following call. It must
// not be called again after an error.
func (a *readAhead) next() ([]byte, error) {
	if a.last != nil {
		a.free <- a.last
	}
	var b aheadBlock
	select {
	case b = <-a.full:
	default:
		if a.idle != nil {
			a.idle()
		}
		b = <-a.full
	}
	a.last = b.block
	return b.block[:b.n], b.err
}

// stop waits for the reading to end, which the caller has seen to by closing
// the stream.
func (a *readAhead) stop() {
	close(a.free)
	a.wg.Wait()
}
