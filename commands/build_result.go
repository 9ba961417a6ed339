package commands

import (
	"fmt"
	"slices"
	"strings"

	"github.com/faas-cli/faas-cli/internal/atomicfile"
	"github.com/faas-cli/faas-cli/internal/output"
	"github.com/faas-cli/faas-cli/internal/progress"
)

// reportOutcomes prints what became of the functions and writes the metadata
// file, also when some of them failed.
func (e *Env) reportOutcomes(outcomes []outcome, format output.Format, metadataFile string) error {
	if metadataFile != "" {
		if err := e.writeMetadata(metadataFile, outcomes); err != nil {
			return err
		}
	}
	if outcomes == nil { // everything was refused
		if format == output.Table || format == output.Wide {
			return nil
		}
		outcomes = []outcome{}
	}
	if format == output.Table && slices.ContainsFunc(outcomes, func(o outcome) bool { return o.Folder != "" }) {
		return writeLine(e.Term.Out, contextLines(outcomes))
	}
	shipped := slices.ContainsFunc(outcomes, func(o outcome) bool { return o.shipped && o.Digest != "" })
	return outcomePrinter(format, shipped).List(e.Term.Out, outcomes)
}

// contextLines say where the build contexts are.
func contextLines(outcomes []outcome) string {
	lines := make([]string, len(outcomes))
	for i, o := range outcomes {
		lines[i] = o.Name + " " + o.Status
		if o.Folder != "" {
			lines[i] += " to " + o.Folder
		}
	}
	return strings.Join(lines, "\n")
}

// outcomePrinter prints digests too where images went to a registry: that is
// how others know them.
func outcomePrinter(f output.Format, shipped bool) output.Printer[outcome] {
	return output.Printer[outcome]{Format: f, Name: func(o outcome) string { return o.Name },
		Columns: []output.Column[outcome]{
			{Header: "Function", Value: func(o outcome) string { return o.Name }},
			{Header: "Image", Value: func(o outcome) string { return o.Image }},
			{Header: "Status", Value: func(o outcome) string { return o.Status }},
			{Header: "Time", Value: func(o outcome) string { return fmt.Sprintf("%.2fs", o.Time) }},
			{Header: "Size", Value: func(o outcome) string {
				if o.Size == 0 {
					return ""
				}
				return progress.Bytes(o.Size)
			}},
			{Header: "Engine", Wide: true, Value: func(o outcome) string { return o.Engine }},
			{Header: "Digest", Wide: !shipped, Value: func(o outcome) string { return o.Digest }},
		}}
}

// writeMetadata writes names and digests for a CI job to read.
func (e *Env) writeMetadata(path string, outcomes []outcome) error {
	var text strings.Builder
	if err := output.WriteJSON(&text, map[string]any{"functions": outcomes}); err != nil {
		return err
	}
	return atomicfile.UpdateBytes(e.abs(path), 0o644, []byte(text.String()))
}
