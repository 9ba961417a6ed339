package schema

// Template is a template.yml. Unknown keys are ignored; an empty file is valid.
type Template struct {
	Language       string        `yaml:"language,omitempty" json:"language,omitempty"` // informative; the folder's name counts
	FProcess       string        `yaml:"fprocess,omitempty" json:"fprocess,omitempty"` // default of the deployment's envProcess
	BuildOptions   []BuildOption `yaml:"build_options,omitempty" json:"build_options,omitempty"`
	WelcomeMessage string        `yaml:"welcome_message,omitempty" json:"welcome_message,omitempty"` // printed by new

	// HandlerFolder is where the handler goes in the build context, and where
	// new finds the starter handler: "function" where empty. It may contain
	// slashes but does not leave the template.
	HandlerFolder string `yaml:"handler_folder,omitempty" json:"handler_folder,omitempty"`

	MountSSH bool `yaml:"mount_ssh,omitempty" json:"mount_ssh,omitempty"` // the build may use the user's SSH agent

	// Local says how the function is built and started without a container
	// engine; nil where it cannot be. Other tools ignore it. It has no effect
	// for a template that is neither embedded nor trusted by the user.
	Local *LocalBuild `yaml:"local,omitempty" json:"local,omitempty"`
}

// BuildOption is a named set of packages that a build may ask for.
type BuildOption struct {
	Name     string   `yaml:"name" json:"name"`
	Packages []string `yaml:"packages,omitempty" json:"packages,omitempty"` // joined into ADDITIONAL_PACKAGE
}

// LocalBuild is the local block of a template.yml: pure data, no commands of
// the template's own.
type LocalBuild struct {
	Version     int    `yaml:"version" json:"version"`                               // of this block: 1
	Kind        string `yaml:"kind" json:"kind"`                                     // tool chain: "go" or "python"
	Entry       string `yaml:"entry" json:"entry"`                                   // go: package to build; python: file to start; relative to the template
	MinimumTool string `yaml:"minimum_tool,omitempty" json:"minimum_tool,omitempty"` // oldest version of the tool chain, such as "1.22"
	Debugger    string `yaml:"debugger,omitempty" json:"debugger,omitempty"`         // Delve or Debugpy; empty: functions cannot be debugged
}

// Debuggers that a local block may name.
const (
	Delve   = "delve"   // of Go
	Debugpy = "debugpy" // of Python
)

// Debuggers lists them.
func Debuggers() []string { return []string{Delve, Debugpy} }

// TemplateStoreEntry is one template of a template store.
//
// Source of truth: templates.json of the OpenFaaS store, a list of these. The
// order of the fields is the order of the keys that `template store list
// --json` prints.
type TemplateStoreEntry struct {
	Template    string `json:"template"`
	Platform    string `json:"platform"` // "x86_64", "arm64", "armhf"
	Language    string `json:"language"`
	Source      string `json:"source"` // owner
	Description string `json:"description"`
	Repo        string `json:"repo"`     // git URL, without a ref
	Official    string `json:"official"` // "true" or "false": text
	Recommended bool   `json:"recommended"`
}

// FunctionStore is a function store.
//
// Source of truth: functions.json of the OpenFaaS store, version 0.2.x.
type FunctionStore struct {
	Version   string               `json:"version"` // not checked
	Functions []FunctionStoreEntry `json:"functions"`
}

// FunctionStoreEntry is one function of a function store; all but name, title
// and images may be absent.
type FunctionStoreEntry struct {
	Icon        string `json:"icon"`
	Author      string `json:"author,omitempty"`
	Title       string `json:"title"`
	Description string `json:"description"`
	Name        string `json:"name"`
	FProcess    string `json:"fprocess"`
	RepoURL     string `json:"repo_url"`

	ReadOnlyRootFilesystem bool `json:"readOnlyRootFilesystem"`

	Environment map[string]string `json:"environment"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Images      map[string]string `json:"images"` // platform ("x86_64") → image reference
}
