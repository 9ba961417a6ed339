package engine

import (
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// statusUpdate is what is read of BuildKit's StatusResponse. Decoding it by hand keeps the generated
// packages of its control API, and of all that this refers to, out of every start of the program.
// Source of truth: api/services/control/control.proto of moby/buildkit.
type statusUpdate struct {
	vertexes []vertex
	progress []Event
	warnings []Event
	logs     []Event
}

type vertex struct {
	digest, name, err  string
	cached             bool
	started, completed time.Time // zero: not yet
}

func parseStatus(msg []byte) (statusUpdate, error) {
	var u statusUpdate
	err := fields(msg, func(num protowire.Number, f field) error {
		switch num {
		case 1:
			v, err := parseVertex(f.bytes)
			u.vertexes = append(u.vertexes, v)
			return err
		case 2:
			e, err := parseEvent(f.bytes, StepProgress, func(e *Event, num protowire.Number, f field) {
				switch num {
				case 1:
					e.Name = string(f.bytes)
				case 2:
					e.Step = string(f.bytes)
				case 4:
					e.Current = int64(f.varint)
				case 5:
					e.Total = int64(f.varint)
				}
			})
			u.progress = append(u.progress, e)
			return err
		case 3:
			e, err := parseEvent(f.bytes, StepLog, text(4))
			u.logs = append(u.logs, e)
			return err
		case 4:
			e, err := parseEvent(f.bytes, StepWarning, text(3))
			u.warnings = append(u.warnings, e)
			return err
		}
		return nil
	})
	return u, err
}

func parseVertex(msg []byte) (vertex, error) {
	var v vertex
	err := fields(msg, func(num protowire.Number, f field) (err error) {
		switch num {
		case 1:
			v.digest = string(f.bytes)
		case 3:
			v.name = string(f.bytes)
		case 4:
			v.cached = f.varint != 0
		case 5:
			v.started, err = parseTime(f.bytes)
		case 6:
			v.completed, err = parseTime(f.bytes)
		case 7:
			v.err = string(f.bytes)
		}
		return err
	})
	return v, err
}

func parseEvent(msg []byte, state State, set func(*Event, protowire.Number, field)) (Event, error) {
	e := Event{State: state}
	err := fields(msg, func(num protowire.Number, f field) error {
		set(&e, num, f)
		return nil
	})
	return e, err
}

// text reads a message of a vertex whose text is in field n.
func text(n protowire.Number) func(*Event, protowire.Number, field) {
	return func(e *Event, num protowire.Number, f field) {
		switch num {
		case 1:
			e.Step = string(f.bytes)
		case n:
			e.Text = string(f.bytes)
		}
	}
}

// parseTime reads a google.protobuf.Timestamp.
func parseTime(msg []byte) (time.Time, error) {
	var seconds, nanos int64
	err := fields(msg, func(num protowire.Number, f field) error {
		switch num {
		case 1:
			seconds = int64(f.varint)
		case 2:
			nanos = int64(f.varint)
		}
		return nil
	})
	return time.Unix(seconds, nanos), err
}

// field is the value of one field: a number, or bytes for text and messages.
type field struct {
	varint uint64
	bytes  []byte
}

// fields calls each for the numbers, texts and messages of a message, in order.
func fields(msg []byte, each func(protowire.Number, field) error) error {
	for len(msg) > 0 {
		num, kind, n := protowire.ConsumeTag(msg)
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		var f field
		switch kind {
		case protowire.VarintType:
			f.varint, n = protowire.ConsumeVarint(msg)
		case protowire.BytesType:
			f.bytes, n = protowire.ConsumeBytes(msg)
		default:
			n = protowire.ConsumeFieldValue(num, kind, msg)
		}
		if n < 0 {
			return protowire.ParseError(n)
		}
		msg = msg[n:]
		if kind != protowire.VarintType && kind != protowire.BytesType {
			continue
		}
		if err := each(num, f); err != nil {
			return err
		}
	}
	return nil
}
