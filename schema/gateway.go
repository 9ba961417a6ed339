package schema

import "time"

// RuntimeHeader is a header of an accepted deployment: what the function runs as, and why, as a quoted Go string.
//
// Source of truth: the local platform, where it has several runtimes. No other gateway sends it.
const RuntimeHeader = "X-Function-Runtime"

// FunctionDeployment asks a gateway to create or update a function.
//
// Source of truth: POST and PUT /system/functions of the gateway API.
type FunctionDeployment struct {
	Service   string `json:"service"`             // the function's name
	Image     string `json:"image"`               // image reference
	Namespace string `json:"namespace,omitempty"` // empty: the gateway's default

	EnvProcess  string            `json:"envProcess,omitempty"`
	EnvVars     map[string]string `json:"envVars,omitempty"`
	Constraints []string          `json:"constraints,omitempty"`
	Secrets     []string          `json:"secrets,omitempty"` // names

	// Labels and Annotations are sent even when empty, as {}; providers read
	// an absent map as "keep what is there". A nil map would be sent as null.
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`

	Limits   *FunctionResources `json:"limits,omitempty"`
	Requests *FunctionResources `json:"requests,omitempty"`

	ReadOnlyRootFilesystem bool `json:"readOnlyRootFilesystem,omitempty"`
}

// FunctionResources are amounts for one replica, as Kubernetes quantities:
// memory in bytes ("128Mi"), CPU in cores or thousandths of one ("0.5",
// "500m"), GPUs in whole devices. Empty means not stated.
type FunctionResources struct {
	Memory    string `json:"memory,omitempty"`
	CPU       string `json:"cpu,omitempty"`
	NvidiaGPU string `json:"nvidia.com/gpu,omitempty"`
	AMDGPU    string `json:"amd.com/gpu,omitempty"`
	IntelGPU  string `json:"intel.com/gpu,omitempty"`
}

// FunctionStatus describes a deployed function.
//
// Source of truth: GET /system/functions and GET /system/function/NAME of the
// gateway API. The order of the fields is the order of the keys that
// `list --json` prints.
type FunctionStatus struct {
	Name       string `json:"name"`
	Image      string `json:"image"`
	Namespace  string `json:"namespace,omitempty"`
	EnvProcess string `json:"envProcess,omitempty"`

	EnvVars     map[string]string `json:"envVars,omitempty"`
	Constraints []string          `json:"constraints,omitempty"`
	Secrets     []string          `json:"secrets,omitempty"`

	// Labels and Annotations distinguish absent (nil) from empty ({}), which
	// is kept when printed.
	Labels      *map[string]string `json:"labels,omitempty"`
	Annotations *map[string]string `json:"annotations,omitempty"`

	Limits   *FunctionResources `json:"limits,omitempty"`
	Requests *FunctionResources `json:"requests,omitempty"`

	ReadOnlyRootFilesystem bool `json:"readOnlyRootFilesystem,omitempty"`

	InvocationCount   float64 `json:"invocationCount,omitempty"` // since the gateway counts; not in total
	Replicas          uint64  `json:"replicas,omitempty"`
	AvailableReplicas uint64  `json:"availableReplicas,omitempty"`

	// CreatedAt is the zero time where the provider does not say.
	CreatedAt time.Time `json:"createdAt"`

	Usage *FunctionUsage `json:"usage,omitempty"`
}

// FunctionUsage is what a function's replicas use at the moment.
type FunctionUsage struct {
	CPU              float64 `json:"cpu,omitempty"`              // thousandths of a core
	TotalMemoryBytes float64 `json:"totalMemoryBytes,omitempty"` // bytes
}

// DeleteFunctionRequest names a function to remove.
//
// Source of truth: DELETE /system/functions of the gateway API.
type DeleteFunctionRequest struct {
	FunctionName string `json:"functionName"`
	Namespace    string `json:"namespace,omitempty"`
}

// ScaleServiceRequest sets the number of a function's replicas.
//
// Source of truth: POST /system/scale-function/NAME of the gateway API.
type ScaleServiceRequest struct {
	ServiceName string `json:"serviceName"`
	Replicas    uint64 `json:"replicas"`
	Namespace   string `json:"namespace,omitempty"`
}

// Secret is a secret of the gateway; lists carry no value.
//
// Source of truth: /system/secrets of the gateway API.
type Secret struct {
	Name      string `json:"name"`
	Namespace string `json:"namespace,omitempty"`
	Value     string `json:"value,omitempty"`    // text, valid UTF-8
	RawValue  []byte `json:"rawValue,omitempty"` // bytes, base64 in JSON; servers prefer it to Value
}

// FunctionNamespace is a namespace that functions may be deployed to.
//
// Source of truth: /system/namespace/NAME of the gateway API.
type FunctionNamespace struct {
	Name        string            `json:"name"`
	Annotations map[string]string `json:"annotations,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
}

// LogMessage is one line that a function wrote.
//
// Source of truth: GET /system/logs of the gateway API, one object after
// another. The order of the fields is the order that `logs --json` prints.
type LogMessage struct {
	Name      string    `json:"name"`
	Namespace string    `json:"namespace"`
	Instance  string    `json:"instance"`
	Timestamp time.Time `json:"timestamp"`
	Text      string    `json:"text"` // may end with a newline
}

// GatewayInfo describes a gateway and the provider behind it. Either part is
// nil where the server leaves it out.
//
// Source of truth: GET /system/info of the gateway API.
type GatewayInfo struct {
	Provider *ProviderInfo `json:"provider,omitempty"`
	Version  *VersionInfo  `json:"version,omitempty"`
	Arch     string        `json:"arch,omitempty"` // "x86_64"
}

// ProviderInfo names what runs the functions.
type ProviderInfo struct {
	Name          string       `json:"provider"` // the inner key is not "name"
	Orchestration string       `json:"orchestration"`
	Version       *VersionInfo `json:"version,omitempty"`
}

// VersionInfo is the version of a server.
type VersionInfo struct {
	Release       string `json:"release"`
	SHA           string `json:"sha"` // commit
	CommitMessage string `json:"commit_message,omitempty"`
}
