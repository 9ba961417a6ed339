//go:build unix

package runtime

import (
	"errors"
	"sync"
	"time"
)

// ticksPerSecond is USER_HZ, which is 100 wherever Go runs.
const ticksPerSecond = 100

// usageMeter turns counters into averages.
type usageMeter struct {
	mu    sync.Mutex
	at    time.Time
	ticks int64
}

// measure returns the thousandths of a CPU that a process and all below it used since the last call, or since started,
// and their resident bytes.
func (m *usageMeter) measure(pid int, started time.Time) (milliCPU float64, bytes int64, err error) {
	bytes = residentBytes(pid)
	if bytes == 0 {
		return 0, 0, errors.New("measure usage: not available")
	}
	now, ticks := time.Now(), cpuTicks(pid)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at.IsZero() {
		m.at = started
	}
	if d := now.Sub(m.at).Seconds(); d > 0 {
		milliCPU = max(0, float64(ticks-m.ticks)/ticksPerSecond/d*1000) // children that ended take their time along
	}
	m.at, m.ticks = now, ticks
	return milliCPU, bytes, nil
}
