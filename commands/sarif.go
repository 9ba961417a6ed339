package commands

import (
	"path"

	"github.com/faas-cli/faas-cli/templates"
)

// The parts of a SARIF log that code hosts read.
//
// Source of the format: SARIF 2.1.0, an OASIS standard.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool    sarifTool     `json:"tool"`
		Results []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID            string      `json:"id"`
		Short         sarifText   `json:"shortDescription"`
		Help          sarifText   `json:"help"`
		Configuration sarifConfig `json:"defaultConfiguration"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifConfig struct {
		Level templates.Severity `json:"level"`
	}
	sarifResult struct {
		RuleID    string             `json:"ruleId"`
		Level     templates.Severity `json:"level"`
		Message   sarifText          `json:"message"`
		Locations []sarifLocation    `json:"locations"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
	}
)

// sarif is the findings as a SARIF log; its levels have the names of ours.
// paths maps templates to their folders.
func sarif(version string, findings []templates.Finding, paths map[string]string) sarifLog {
	run := sarifRun{Tool: sarifTool{Driver: sarifDriver{Name: "faas-cli template lint", Version: version}}, Results: []sarifResult{}}
	for _, r := range templates.Rules() {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{
			ID: r.Name, Short: sarifText{r.Summary}, Help: sarifText{r.Advice}, Configuration: sarifConfig{r.Severity},
		})
	}
	for _, f := range findings {
		file := f.File
		if file == "" {
			file = templates.ConfigFile
		}
		location := sarifPhysical{Artifact: sarifArtifact{URI: path.Join(paths[f.Template], file)}}
		if f.Line > 0 {
			location.Region = &sarifRegion{StartLine: f.Line}
		}
		run.Results = append(run.Results, sarifResult{
			RuleID: f.Rule, Level: f.Severity, Message: sarifText{f.Message}, Locations: []sarifLocation{{location}},
		})
	}
	return sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}}
}
