package deploy

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

// render is the chart with values, YAML of which the rest has the defaults.
func render(t *testing.T, release, values string) (string, error) {
	t.Helper()
	chart, err := loader.Load("chart")
	if err != nil {
		t.Fatal(err)
	}
	if err := chart.Validate(); err != nil {
		t.Fatal(err)
	}
	given := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(values), &given); err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(chart, given, common.ReleaseOptions{Name: release, Namespace: "models"}, common.DefaultCapabilities)
	if err != nil {
		t.Fatal(err)
	}
	files, err := engine.Engine{Strict: true}.RenderWithContext(t.Context(), chart, all)
	var text strings.Builder
	for name, file := range files {
		if path.Ext(name) == ".yaml" {
			text.WriteString("\n---\n" + file)
		}
	}
	return text.String(), err
}

// chart is the rendered chart, decoded.
func chart(t *testing.T, release, values string) objects {
	t.Helper()
	text, err := render(t, release, values)
	if err != nil {
		t.Fatal(err)
	}
	return decode(t, text)
}

// unmarked is an object without what the chart adds to its metadata, as YAML would have it.
func unmarked[T any](t *testing.T, object *T) (fields map[string]any) {
	t.Helper()
	if object == nil {
		return nil
	}
	text, err := yaml.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &fields); err != nil {
		t.Fatal(err)
	}
	metadata := fields["metadata"].(map[string]any)
	labels := metadata["labels"].(map[string]any)
	delete(labels, "app.kubernetes.io/managed-by")
	delete(labels, "helm.sh/chart")
	if annotations, ok := metadata["annotations"].(map[string]any); ok {
		if delete(annotations, "helm.sh/resource-policy"); len(annotations) == 0 {
			delete(metadata, "annotations")
		}
	}
	return fields
}

func same[T any](t *testing.T, what string, plain, rendered *T) {
	t.Helper()
	if diff := cmp.Diff(unmarked(t, plain), unmarked(t, rendered)); diff != "" {
		t.Errorf("%s: the manifest (-) and the chart (+) differ:\n%s", what, diff)
	}
}

// The chart makes the plain manifests: with its values as they are those of the folder, with others those of the components.
func TestChartIsTheManifests(t *testing.T) {
	plain := manifests(t)
	replicas := plain.Deployment.Spec.Replicas
	for _, tt := range []struct {
		values             string
		hpa, keda, gateway bool
	}{
		{values: ""},
		{values: "{autoscaling: {kind: hpa}}", hpa: true},
		{values: "{autoscaling: {kind: keda}, gateway: {enabled: true}}", keda: true, gateway: true},
	} {
		o, want := chart(t, "gossamer", tt.values), plain
		if !tt.hpa {
			want.HPA = nil
		}
		if !tt.keda {
			want.Scaled = nil
		}
		if !tt.gateway {
			want.Pool, want.Route = nil, nil
		}
		if want.Deployment.Spec.Replicas = replicas; tt.hpa || tt.keda {
			want.Deployment.Spec.Replicas = nil // which the autoscaler sets
		}
		same(t, "Deployment", want.Deployment, o.Deployment)
		same(t, "Service", want.Service, o.Service)
		same(t, "PodDisruptionBudget", want.Budget, o.Budget)
		same(t, "NetworkPolicy", want.Policy, o.Policy)
		same(t, "PersistentVolumeClaim", want.Claim, o.Claim)
		same(t, "HorizontalPodAutoscaler", want.HPA, o.HPA)
		same(t, "ScaledObject", want.Scaled, o.Scaled)
		same(t, "InferencePool", want.Pool, o.Pool)
		same(t, "HTTPRoute", want.Route, o.Route)
	}
}

// What values change arrives where it should, and leaves the objects in agreement.
func TestChartValues(t *testing.T) {
	o := chart(t, "oss", `
image: {repository: registry.example.org/gossamer, tag: "1"}
model: {name: gpt-oss-120b, path: models/gpt-oss-120b}
storage: {existingClaim: weights}
keys: {secretName: our-keys}
drain: {delaySeconds: 15, timeoutSeconds: 600}
allowHosts: [models.example.org]
extraArgs: [--max-per-key=8]
extraEnv: [{name: GOSSAMER_CTX, value: "8192"}]
runtimeClassName: nvidia
nodeSelector: {gpu: h200}
tolerations: [{key: nvidia.com/gpu, operator: Exists}]
networkPolicy: {enabled: false}
gateway: {enabled: true, hostnames: [api.example.org]}
autoscaling: {kind: hpa, maxReplicas: 9}
`)
	pod := o.Deployment.Spec.Template.Spec
	set := settings(t, pod.Containers[0].Args)
	for name, want := range map[string]string{
		"model": "gpt-oss-120b=/models/models/gpt-oss-120b", "allow-host": "oss,api.example.org,models.example.org", "max-per-key": "8",
	} {
		if set[name] != want {
			t.Errorf("--%s is %q, want %q", name, set[name], want)
		}
	}
	if *pod.TerminationGracePeriodSeconds != 625 || draining(t, set).Seconds() != 615 {
		t.Errorf("killed after %d s, draining for %v", *pod.TerminationGracePeriodSeconds, draining(t, set))
	}
	if o.Claim != nil || o.Policy != nil || o.Deployment.Spec.Replicas != nil {
		t.Error("there is a claim, a policy or a number of replicas that was not asked for")
	}
	got := []string{
		pod.Containers[0].Image, pod.Volumes[0].PersistentVolumeClaim.ClaimName, pod.Volumes[1].Secret.SecretName, *pod.RuntimeClassName,
		pod.NodeSelector["gpu"], pod.Tolerations[0].Key, o.Deployment.Name,
	}
	want := []string{"registry.example.org/gossamer:1", "weights", "our-keys", "nvidia", "h200", "nvidia.com/gpu", "oss"}
	if !slices.Equal(got, want) || o.HPA.Spec.MaxReplicas != 9 {
		t.Errorf("%v, want %v", got, want)
	}
	o.checkSelectors(t)
	o.checkPorts(t, int32(number(t, set, "port")))
	checkPod(t, pod)
	for _, m := range []metav1.ObjectMeta{o.Deployment.ObjectMeta, o.Service.ObjectMeta, o.Budget.ObjectMeta, o.Pool.ObjectMeta, o.Route.ObjectMeta} {
		if m.Name != "oss" || m.Labels["app.kubernetes.io/name"] != "oss" {
			t.Errorf("metadata %v", m)
		}
	}
}

func TestChartRefuses(t *testing.T) {
	if _, err := render(t, "gossamer", "{autoscaling: {kind: vpa}}"); err == nil || !strings.Contains(err.Error(), "want hpa, keda or none") {
		t.Errorf("%v", err)
	}
}
