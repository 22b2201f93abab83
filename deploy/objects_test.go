package deploy

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"
)

// inferencePool is of inference.networking.k8s.io/v1, as far as manifests have it.
type inferencePool struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector struct {
			MatchLabels map[string]string `json:"matchLabels"`
		} `json:"selector"`
		TargetPorts []struct {
			Number int32 `json:"number"`
		} `json:"targetPorts"`
		EndpointPickerRef struct {
			Group string `json:"group,omitempty"`
			Kind  string `json:"kind,omitempty"`
			Name  string `json:"name"`
			Port  *struct {
				Number int32 `json:"number"`
			} `json:"port,omitempty"`
			FailureMode string `json:"failureMode,omitempty"`
		} `json:"endpointPickerRef"`
	} `json:"spec"`
}

// scaledObject is of keda.sh/v1alpha1, as far as manifests have it.
type scaledObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		ScaleTargetRef struct {
			Name string `json:"name"`
		} `json:"scaleTargetRef"`
		MinReplicaCount int32 `json:"minReplicaCount"`
		MaxReplicaCount int32 `json:"maxReplicaCount"`
		CooldownPeriod  int32 `json:"cooldownPeriod"`
		Triggers        []struct {
			Type       string            `json:"type"`
			MetricType string            `json:"metricType"`
			Metadata   map[string]string `json:"metadata"`
		} `json:"triggers"`
	} `json:"spec"`
}

// objects are what is applied together, one of a kind; nil where there is none.
type objects struct {
	Deployment *appsv1.Deployment
	Service    *corev1.Service
	Budget     *policyv1.PodDisruptionBudget
	Policy     *networkingv1.NetworkPolicy
	Claim      *corev1.PersistentVolumeClaim
	Secret     *corev1.Secret
	HPA        *autoscalingv2.HorizontalPodAutoscaler
	Scaled     *scaledObject
	Pool       *inferencePool
	Route      *gatewayv1.HTTPRoute
}

// decode reads documents of YAML. Fields that the API does not have are errors, and so are fields that are there twice.
func decode(t *testing.T, text string) (o objects) {
	t.Helper()
	for document := range strings.SplitSeq("\n"+text, "\n---") {
		var kind metav1.TypeMeta
		if err := yaml.Unmarshal([]byte(document), &kind); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		var err error
		switch what := kind.APIVersion + " " + kind.Kind; what {
		case " ": // comments
		case "apps/v1 Deployment":
			err = strict(document, &o.Deployment)
		case "v1 Service":
			err = strict(document, &o.Service)
		case "policy/v1 PodDisruptionBudget":
			err = strict(document, &o.Budget)
		case "networking.k8s.io/v1 NetworkPolicy":
			err = strict(document, &o.Policy)
		case "v1 PersistentVolumeClaim":
			err = strict(document, &o.Claim)
		case "v1 Secret":
			err = strict(document, &o.Secret)
		case "autoscaling/v2 HorizontalPodAutoscaler":
			err = strict(document, &o.HPA)
		case "keda.sh/v1alpha1 ScaledObject":
			err = strict(document, &o.Scaled)
		case "inference.networking.k8s.io/v1 InferencePool":
			err = strict(document, &o.Pool)
		case "gateway.networking.k8s.io/v1 HTTPRoute":
			err = strict(document, &o.Route)
		default:
			t.Errorf("%s is none of the kinds that are looked at", what)
		}
		if err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
	}
	return o
}

type twice struct{}

func (twice) Error() string { return "is there twice" }

// strict decodes into *to, which has nothing yet.
func strict[T any](document string, to **T) error {
	if *to != nil {
		return twice{}
	}
	*to = new(T)
	return yaml.UnmarshalStrict([]byte(document), *to)
}

// A field that is not the API's, or of another type, fails: what the other tests decode has none.
func TestStrict(t *testing.T) {
	for text, want := range map[string]string{
		"spec: {replica: 2}":                                 `unknown field "replica"`,
		"spec: {replicas: two}":                              "cannot unmarshal",
		"spec: {replicas: 2, replicas: 3}":                   "already set",
		"spec: {template: {spec: {containers: [{nom: a}]}}}": `unknown field "nom"`,
	} {
		var d *appsv1.Deployment
		if err := strict(text, &d); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}
