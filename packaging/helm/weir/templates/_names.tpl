{{- define "weir.name" -}}
{{- if contains "weir" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-weir" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "weir.selector" -}}
app.kubernetes.io/name: weir
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "weir.labels" -}}
{{ include "weir.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "weir.kind" -}}
{{ .Values.persistence.enabled | ternary "StatefulSet" "Deployment" }}
{{- end }}

{{- define "weir.secret" -}}
{{ .Values.admin.existingSecret | default (printf "%s-admin" (include "weir.name" .)) }}
{{- end }}

{{- define "weir.secretKey" -}}
{{ .Values.admin.existingSecret | empty | ternary "token" .Values.admin.existingSecretKey }}
{{- end }}

{{- /* The token that the chart makes, in base64: the one that is there, or a new one, which is the same for all that ask in one rendering. */}}
{{- define "weir.token" -}}
{{- if not (hasKey .Values.admin "made") }}
{{- $kept := lookup "v1" "Secret" .Release.Namespace (include "weir.secret" .) }}
{{- $_ := set .Values.admin "made" (dig "data" "token" (randAlphaNum 32 | b64enc) ($kept | default dict)) }}
{{- end }}
{{- .Values.admin.made }}
{{- end }}
