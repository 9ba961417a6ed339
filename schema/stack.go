package schema

// Stack is a stack file. Functions keep their order in package stack, which
// decodes them one by one; here they are the map that the file shows.
//
// Source of the format: the stack.yaml of OpenFaaS, version 1.0.
type Stack struct {
	Version       string              `yaml:"version,omitempty" json:"version,omitempty"` // "1.0", or absent
	Provider      Provider            `yaml:"provider" json:"provider"`
	Functions     map[string]Function `yaml:"functions,omitempty" json:"functions,omitempty"`
	Configuration StackConfiguration  `yaml:"configuration,omitempty" json:"configuration,omitempty"`
}

// Provider says what deploys the functions, and where.
type Provider struct {
	Name    string `yaml:"name" json:"name"`                           // always "openfaas"
	Gateway string `yaml:"gateway,omitempty" json:"gateway,omitempty"` // URL; the default counts as not given
}

// StackConfiguration holds settings of all functions of a stack file.
type StackConfiguration struct {
	Templates []TemplateSource `yaml:"templates,omitempty" json:"templates,omitempty"`
	// CopyExtra are paths, relative to the working directory, that are copied
	// into the handler folder of every function.
	CopyExtra []string `yaml:"copy,omitempty" json:"copy,omitempty"`
}

// TemplateSource says where a template is pulled from.
type TemplateSource struct {
	Name   string `yaml:"name" json:"name"`                         // folder in the repository's template/
	Source string `yaml:"source,omitempty" json:"source,omitempty"` // repository, with #ref to pin; empty: the store
}

// Function is one entry of a stack file's functions. Its name is the key that
// it stands under: a DNS label of at most 63 characters.
type Function struct {
	Language string `yaml:"lang,omitempty" json:"lang,omitempty"`       // template name, optionally NAME@REF; "dockerfile" is special
	Handler  string `yaml:"handler,omitempty" json:"handler,omitempty"` // folder, relative to the working directory
	Image    string `yaml:"image,omitempty" json:"image,omitempty"`     // image reference; ":latest" is added where there is no tag

	FProcess string `yaml:"fprocess,omitempty" json:"fprocess,omitempty"` // overrides template.yml's

	Environment     map[string]string `yaml:"environment,omitempty" json:"environment,omitempty"`           // variables of the function
	EnvironmentFile []string          `yaml:"environment_file,omitempty" json:"environment_file,omitempty"` // later files win, and win over Environment

	Secrets []string `yaml:"secrets,omitempty" json:"secrets,omitempty"` // names

	SkipBuild bool `yaml:"skip_build,omitempty" json:"skip_build,omitempty"` // neither built, pushed nor published

	// Constraints are passed to the provider (on Kubernetes: node selectors,
	// key=value). An empty list that is present disables --constraint.
	Constraints *[]string `yaml:"constraints,omitempty" json:"constraints,omitempty"`

	Labels      *map[string]string `yaml:"labels,omitempty" json:"labels,omitempty"`           // for the provider: com.openfaas.scale.min and others; values of at most 63 characters
	Annotations *map[string]string `yaml:"annotations,omitempty" json:"annotations,omitempty"` // for connectors and probes: topic, schedule and others; any text

	Limits   *StackResources `yaml:"limits,omitempty" json:"limits,omitempty"`     // what a replica may use at most
	Requests *StackResources `yaml:"requests,omitempty" json:"requests,omitempty"` // what is set aside for a replica

	ReadOnlyRootFilesystem bool `yaml:"readonly_root_filesystem,omitempty" json:"readonly_root_filesystem,omitempty"` // only /tmp can be written

	BuildOptions []string          `yaml:"build_options,omitempty" json:"build_options,omitempty"` // names defined in template.yml
	BuildArgs    map[string]string `yaml:"build_args,omitempty" json:"build_args,omitempty"`       // arguments of the Dockerfile
	BuildSecrets map[string]string `yaml:"build_secrets,omitempty" json:"build_secrets,omitempty"` // id → file, relative to the working directory

	Namespace string `yaml:"namespace,omitempty" json:"namespace,omitempty"` // empty: the gateway's default
	Platforms string `yaml:"platforms,omitempty" json:"platforms,omitempty"` // "linux/amd64,linux/arm64"
}

// StackResources are amounts for one replica, as Kubernetes quantities: memory
// in bytes ("128Mi"), CPU in cores or thousandths of one ("0.5", "500m"). The
// text goes on the wire as it is written.
type StackResources struct {
	Memory string `yaml:"memory,omitempty" json:"memory,omitempty"`
	CPU    string `yaml:"cpu,omitempty" json:"cpu,omitempty"`
}
