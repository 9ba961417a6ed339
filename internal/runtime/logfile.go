//go:build unix

package runtime

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A log file has a line for each line of output: a time, a blank, the text. A file that has become too large is renamed,
// replacing the one before it, so that a replica's log is bounded.
const (
	logSuffix     = ".log"
	rotatedSuffix = ".1"
	maxLogFile    = 4 << 20 // bytes
	maxLine       = 64 << 10

	// logTime has a fixed width, so that reading it needs no search, and sorts as text.
	logTime = "2006-01-02T15:04:05.000000000Z"
)

// logWriter writes the log of one replica.
type logWriter struct {
	path string
	f    *os.File
	size int64
	now  func() time.Time
	lost int    // lines that could not be written since the last that could
	line []byte // the line that has not ended yet
	out  []byte
}

func openLog(dir, id string) (*logWriter, error) {
	w := &logWriter{path: filepath.Join(dir, id+logSuffix), now: time.Now}
	return w, w.open()
}

func (w *logWriter) open() error {
	f, err := os.OpenFile(w.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return err
	}
	w.f, w.size = f, fi.Size()
	return nil
}

func (w *logWriter) Close() error { return w.f.Close() }

// copy reads output until its end. It never stops reading, so that a function is never held up by its log.
func (w *logWriter) copy(r io.Reader) {
	buf := make([]byte, maxLine)
	for {
		n, err := r.Read(buf)
		w.add(buf[:n])
		if err != nil {
			if len(w.line) > 0 {
				w.end()
			}
			w.flush()
			return
		}
		w.flush()
	}
}

// add takes output apart into lines.
func (w *logWriter) add(b []byte) {
	for len(b) > 0 {
		i := 0
		for i < len(b) && b[i] != '\n' {
			i++
		}
		room := maxLine - len(w.line)
		if i > room {
			w.line = append(w.line, b[:room]...)
			b = b[room:]
			w.end()
			continue
		}
		w.line = append(w.line, b[:i]...)
		if i == len(b) {
			return
		}
		b = b[i+1:]
		w.end()
	}
}

// end ends a line.
func (w *logWriter) end() {
	w.out = w.now().UTC().AppendFormat(w.out, logTime)
	w.out = append(w.out, ' ')
	w.out = append(w.out, strings.TrimSuffix(string(w.line), "\r")...)
	w.out = append(w.out, '\n')
	w.line = w.line[:0]
}

// flush writes the lines that have ended. Without room on the disk they are lost, and counted.
func (w *logWriter) flush() {
	if len(w.out) == 0 {
		return
	}
	if w.lost > 0 {
		note := w.now().UTC().Format(logTime) + " (output was lost here: the log could not be written)\n"
		w.out = append([]byte(note), w.out...)
	}
	if w.size+int64(len(w.out)) > maxLogFile {
		w.rotate()
	}
	n, err := w.f.Write(w.out)
	if err != nil {
		w.lost++
		_ = w.f.Truncate(w.size) // half a line would spoil the next
	} else {
		w.lost = 0
		w.size += int64(n)
	}
	w.out = w.out[:0]
}

func (w *logWriter) rotate() {
	if os.Rename(w.path, w.path+rotatedSuffix) != nil {
		return
	}
	old := w.f
	if w.open() == nil {
		_ = old.Close()
	}
}

// logFile is the log of one replica.
type logFile struct {
	id       string
	path     string
	modified time.Time
}

// logFiles lists the logs in dir, by name.
func logFiles(dir string) ([]logFile, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []logFile
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), logSuffix)
		if !ok {
			continue
		}
		fi, err := e.Info()
		if err != nil {
			continue // removed this instant
		}
		files = append(files, logFile{id: id, path: filepath.Join(dir, e.Name()), modified: fi.ModTime()})
	}
	return files, nil
}
