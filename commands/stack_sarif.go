package commands

import (
	"path/filepath"

	"github.com/faas-cli/faas-cli/stack"
	"github.com/faas-cli/faas-cli/templates"
)

// stackSARIF is findings as a SARIF log with the rules that they break.
func stackSARIF(version string, findings []stack.Finding) sarifLog {
	run := sarifRun{
		Tool:    sarifTool{Driver: sarifDriver{Name: "faas-cli stack validate", Version: version, Rules: []sarifRule{}}},
		Results: []sarifResult{},
	}
	help, seen := stack.RuleHelp(), map[string]bool{}
	for _, f := range findings {
		level := templates.Severity(f.Severity) // the levels of SARIF are ours
		if !seen[f.Rule] {
			seen[f.Rule] = true
			text := sarifText{help[f.Rule]}
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: f.Rule, Short: text, Help: text, Configuration: sarifConfig{level}})
		}
		message := f.Message
		if f.Advice != "" {
			message += ": " + f.Advice
		}
		physical := sarifPhysical{Artifact: sarifArtifact{filepath.ToSlash(f.File)}}
		if f.Line > 0 {
			physical.Region = &sarifRegion{StartLine: f.Line, StartColumn: f.Column}
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: f.Rule, Level: level, Message: sarifText{message}, Locations: []sarifLocation{{physical}},
		})
	}
	return sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}
