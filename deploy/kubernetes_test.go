package deploy

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"
)

// manifests are the plain ones: those of the folder and of its components.
func manifests(t *testing.T) objects {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"kubernetes", "kubernetes/hpa", "kubernetes/keda", "kubernetes/gateway"} {
		for _, name := range kustomized(t, dir) {
			fmt.Fprintf(&all, "---\n%s\n", read(t, path.Join(dir, name)))
		}
	}
	return decode(t, all.String()+"---\n"+read(t, "kubernetes/keys.example.yaml"))
}

// kustomized are the files that a kustomization names, which are all of its folder but the example.
func kustomized(t *testing.T, dir string) []string {
	t.Helper()
	var k struct {
		APIVersion, Kind string
		Resources        []string
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, path.Join(dir, "kustomization.yaml"))), &k); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(path.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range found {
		if name := filepath.Base(file); name != "kustomization.yaml" && name != "keys.example.yaml" && !slices.Contains(k.Resources, name) {
			t.Errorf("%s does not name %s", dir, name)
		}
	}
	return k.Resources
}

func TestManifests(t *testing.T) { manifests(t).check(t) }

// check compares the objects with one another and with the command.
func (o objects) check(t *testing.T) {
	t.Helper()
	pod := o.Deployment.Spec.Template
	container := pod.Spec.Containers[0]
	set := settings(t, container.Args)
	if len(pod.Spec.Containers) != 1 || container.Name != "main" {
		t.Errorf("the containers are %v, want one of the name that KServe looks for", pod.Spec.Containers)
	}
	o.checkSelectors(t)
	o.checkPorts(t, int32(number(t, set, "port")))
	if grace := time.Duration(*pod.Spec.TerminationGracePeriodSeconds) * time.Second; grace <= draining(t, set) {
		t.Errorf("the process is killed after %v, but drains for up to %v", grace, draining(t, set))
	}
	hosts := strings.Split(set["allow-host"], ",")
	want := []string{o.Service.Name}
	if o.Route != nil {
		for _, host := range o.Route.Spec.Hostnames {
			want = append(want, string(host))
		}
	}
	for _, host := range want {
		if !slices.Contains(hosts, host) {
			t.Errorf("clients come by the name %s, but --allow-host is %v", host, hosts)
		}
	}
	checkPod(t, pod.Spec)
	if o.Claim != nil && pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName != o.Claim.Name {
		t.Errorf("the pod's claim is %q, there is %q", pod.Spec.Volumes[0].PersistentVolumeClaim.ClaimName, o.Claim.Name)
	}
	for file, flag := range map[string]string{"keys": set["api-keys"], "models": strings.TrimPrefix(set["model"], "gpt-oss-20b=")} {
		if !slices.ContainsFunc(container.VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.Name == file && strings.HasPrefix(flag, m.MountPath+"/") && m.ReadOnly
		}) {
			t.Errorf("nothing is mounted for %s: %s", file, flag)
		}
	}
}

// checkSelectors: what chooses pods chooses those of the deployment.
func (o objects) checkSelectors(t *testing.T) {
	t.Helper()
	selectors := map[string]map[string]string{
		"Deployment":          o.Deployment.Spec.Selector.MatchLabels,
		"Service":             o.Service.Spec.Selector,
		"PodDisruptionBudget": o.Budget.Spec.Selector.MatchLabels,
	}
	if o.Policy != nil {
		selectors["NetworkPolicy"] = o.Policy.Spec.PodSelector.MatchLabels
	}
	if o.Pool != nil {
		selectors["InferencePool"] = o.Pool.Spec.Selector.MatchLabels
	}
	pod := labels.Set(o.Deployment.Spec.Template.Labels)
	for kind, selector := range selectors {
		if len(selector) == 0 || !labels.SelectorFromSet(selector).Matches(pod) {
			t.Errorf("%s selects %v, the pods have %v", kind, selector, pod)
		}
	}
	for _, label := range []string{"llm-d.ai/engine-type", "inference.networking.k8s.io/engine-type"} {
		if pod.Has(label) {
			t.Errorf("the endpoint picker does not read vllm: metrics from pods with the label %s", label)
		}
	}
	targets := map[string]string{}
	if o.HPA != nil {
		targets["HorizontalPodAutoscaler"] = o.HPA.Spec.ScaleTargetRef.Name
	}
	if o.Scaled != nil {
		targets["ScaledObject"] = o.Scaled.Spec.ScaleTargetRef.Name
	}
	for kind, name := range targets {
		if name != o.Deployment.Name {
			t.Errorf("%s scales %q", kind, name)
		}
	}
	if o.Route != nil && string(o.Route.Spec.Rules[0].BackendRefs[0].Name) != o.Pool.Name {
		t.Errorf("the route leads to %q, the pool is %q", o.Route.Spec.Rules[0].BackendRefs[0].Name, o.Pool.Name)
	}
}

// checkPorts: all ports are the one that the command listens on.
func (o objects) checkPorts(t *testing.T, port int32) {
	t.Helper()
	container := o.Deployment.Spec.Template.Spec.Containers[0]
	at := func(what string, p intstr.IntOrString) {
		t.Helper()
		for _, named := range container.Ports {
			if p.StrVal == named.Name && named.ContainerPort == port || p.IntVal == port {
				return
			}
		}
		t.Errorf("%s is at the port %s, the command listens on %d", what, &p, port)
	}
	at("Service", o.Service.Spec.Ports[0].TargetPort)
	for name, probe := range probes(container) {
		at(name, probe.HTTPGet.Port)
	}
	if o.Policy != nil {
		at("NetworkPolicy", *o.Policy.Spec.Ingress[0].Ports[0].Port)
	}
	if o.Pool != nil {
		at("InferencePool", intstr.FromInt32(o.Pool.Spec.TargetPorts[0].Number))
	}
	at("Prometheus", intstr.Parse(o.Deployment.Spec.Template.Annotations["prometheus.io/port"]))
}

func probes(c corev1.Container) map[string]*corev1.Probe {
	return map[string]*corev1.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe}
}

// checkPod: the pod is as little of a danger as it can be, and every volume that it mounts is there.
func checkPod(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	c := pod.Containers[0]
	if s := pod.SecurityContext; !*s.RunAsNonRoot || *s.RunAsUser == 0 || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("the pod's security context is %v", s)
	}
	none := []corev1.Capability{"ALL"} // are dropped
	if s := c.SecurityContext; !*s.ReadOnlyRootFilesystem || *s.AllowPrivilegeEscalation || !slices.Equal(s.Capabilities.Drop, none) {
		t.Errorf("the container's security context is %v", s)
	}
	if *pod.AutomountServiceAccountToken || *pod.EnableServiceLinks {
		t.Error("the pod gets a token, or variables of services, which are taken for settings")
	}
	for _, m := range c.VolumeMounts {
		if !slices.ContainsFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name }) {
			t.Errorf("there is no volume %q", m.Name)
		}
	}
	if !slices.Contains(c.Env, corev1.EnvVar{Name: "NVIDIA_DRIVER_CAPABILITIES", Value: "compute,utility,graphics"}) {
		t.Errorf("Vulkan needs NVIDIA_DRIVER_CAPABILITIES, the variables are %v", c.Env)
	}
}

// The command runs with the container's arguments. It answers probes and Prometheus without a key, and clients with one, by the names
// that they come by; what autoscalers and endpoint pickers read is there.
func TestCommandAsInTheManifests(t *testing.T) {
	o := manifests(t)
	container := o.Deployment.Spec.Template.Spec.Containers[0]
	replace := strings.NewReplacer("--port=8000", "--port=0", "/models/gpt-oss-20b", "nano", "/keys/keys", keyFile(t))
	var args []string
	for _, a := range container.Args {
		args = append(args, replace.Replace(a))
	}
	address := start(t, append(args, "--backend=cpu")...)
	get := func(host, path, key string) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Host = host; key != "" {
			r.Header.Set("Authorization", "Bearer "+key)
		}
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	for name, probe := range probes(container) {
		if status, body := get(address, probe.HTTPGet.Path, ""); status != 200 {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	for _, host := range []string{o.Service.Name, string(o.Route.Spec.Hostnames[0])} {
		if status, body := get(host, "/v1/models", "secret"); status != 200 || !strings.Contains(body, `"gpt-oss-20b"`) {
			t.Errorf("%s: %d %s", host, status, body)
		}
	}
	if status, _ := get(o.Service.Name, "/v1/models", ""); status != 401 {
		t.Errorf("status %d without a key", status)
	}
	status, metrics := get(address, o.Deployment.Spec.Template.Annotations["prometheus.io/path"], "")
	if status != 200 {
		t.Errorf("metrics: %d %s", status, metrics)
	}
	query := strings.TrimSuffix(strings.TrimPrefix(o.Scaled.Spec.Triggers[0].Metadata["query"], "sum("), ")")
	for _, name := range []string{
		query, o.HPA.Spec.Metrics[0].Pods.Metric.Name,
		"vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc", "vllm:cache_config_info",
	} {
		if !strings.Contains(metrics, "\n"+name+"{") {
			t.Errorf("there is no metric %s", name)
		}
	}
}

// The example's keys are not keys: whoever applies it as it is gets a server that does not start, and not one whose key is known.
func TestExampleOfKeysIsRefused(t *testing.T) {
	keys := filepath.Join(t.TempDir(), "keys")
	if err := os.WriteFile(keys, []byte(manifests(t).Secret.StringData["keys"]), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary(t), "serve", "--port=0", "--model=nano", "--backend=cpu", "--api-keys="+keys).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "want a name and a key") {
		t.Errorf("%v: %s", err, out)
	}
}

// Both autoscalers do the same.
func TestAutoscalersAgree(t *testing.T) {
	o := manifests(t)
	h, k := o.HPA.Spec, o.Scaled.Spec
	if *h.MinReplicas != k.MinReplicaCount || h.MaxReplicas != k.MaxReplicaCount || *h.MinReplicas != *o.Deployment.Spec.Replicas {
		t.Errorf("from %d to %d, and from %d to %d", *h.MinReplicas, h.MaxReplicas, k.MinReplicaCount, k.MaxReplicaCount)
	}
	if a, b := h.Metrics[0].Pods.Target.AverageValue.String(), k.Triggers[0].Metadata["threshold"]; a != b {
		t.Errorf("another replica for %s requests, and for %s", a, b)
	}
	if a, b := *h.Behavior.ScaleDown.StabilizationWindowSeconds, k.CooldownPeriod; a != b {
		t.Errorf("fewer replicas after %d s, and after %d s", a, b)
	}
}
