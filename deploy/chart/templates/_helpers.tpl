{{- define "gossamer.selector" -}}
app.kubernetes.io/name: {{ .Release.Name }}
{{- end }}

{{- define "gossamer.metadata" -}}
name: {{ .Release.Name }}
labels:
  {{- include "gossamer.selector" . | nindent 2 }}
  {{- include "gossamer.chartLabels" . | nindent 2 }}
{{- end }}

{{- define "gossamer.chartLabels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "gossamer.claim" -}}
{{ default (printf "%s-models" .Release.Name) .Values.storage.existingClaim }}
{{- end }}
