{{- define "sluice.labels" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- end }}

{{/* A role's own: (dict "root" $ "role" "views"). */}}
{{- define "sluice.selector" -}}
app.kubernetes.io/name: sluice
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .role }}
{{- end }}

{{- define "sluice.image" -}}
{{ .Values.image.repository }}{{ if .Values.image.digest }}@{{ .Values.image.digest }}{{ else }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}

{{/* All settings and AWS's variables, as the ConfigMap has them. Names that are no settings are refused. */}}
{{- define "sluice.settings" -}}
{{- $known := .Files.Get "settings.txt" | splitList "\n" }}
{{- range $where := list "settings" "secretFiles" }}
{{- range $name, $_ := get $.Values $where }}
{{- if not (has $name $known) }}
{{- fail (printf "%s.%s: there is no such setting: `sluice settings` lists them" $where $name) }}
{{- end }}
{{- if or (eq $name "SLUICE_INSTANCE") (regexMatch "^SLUICE_(METRICS|HTTP|INGEST)_(HOST|PORT)$" $name) }}
{{- fail (printf "%s.%s: is not to be set: roles.….port and roles.….kind say it" $where $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- range $name, $value := .Values.settings }}
{{ $name }}: {{ $value | toString | quote }}
{{- end }}
{{- if and .Values.roles.api.enabled (not (hasKey .Values.settings "SLUICE_API_URL")) }}
SLUICE_API_URL: {{ include "sluice.scheme" (dict "root" . "role" "api") | lower }}://{{ .Release.Name }}-api:{{ .Values.roles.api.port }}
{{- end }}
AWS_REGION: {{ .Values.aws.region | quote }}
{{- with .Values.aws.endpointUrl }}
AWS_ENDPOINT_URL: {{ . | quote }}
{{- end }}
{{- end }}

{{/* How a role is asked: by TLS only the api, if it has a certificate. */}}
{{- define "sluice.scheme" -}}
{{ if and (eq .role "api") (hasKey .root.Values.secretFiles "SLUICE_HTTP_TLS_CERT") }}HTTPS{{ else }}HTTP{{ end }}
{{- end }}

{{/* The names of the settings whose files a role gets, with commas. */}}
{{- define "sluice.files" -}}
{{- $role := .role }}
{{- $names := list }}
{{- range $name, $file := .root.Values.secretFiles }}
{{- if or (not $file.roles) (has $role $file.roles) }}{{ $names = append $names $name }}{{ end }}
{{- end }}
{{- join "," $names }}
{{- end }}

{{- define "sluice.folder" -}}
/run/secrets/{{ . | trimPrefix "SLUICE_" | lower | replace "_" "-" }}
{{- end }}

{{/* A pod of our image: (dict "root" $ "role" "views" "args" (list …) "listens" …). */}}
{{- define "sluice.pod" -}}
serviceAccountName: {{ .root.Release.Name }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .root.Values.nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .root.Values.tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- $files := include "sluice.files" . | splitList "," | compact }}
containers:
  - name: sluice
    image: {{ include "sluice.image" .root }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: {{ toJson .args }}
    envFrom:
      - configMapRef: {name: {{ .root.Release.Name }}-settings}
      {{- with .root.Values.aws.secret }}
      - secretRef: {name: {{ . }}}
      {{- end }}
    {{- if or .own $files }}
    env:
      {{- with .own }}
      {{- toYaml . | nindent 6 }}
      {{- end }}
      {{- $root := .root }}
      {{- range $files }}
      - name: {{ . }}
        value: {{ include "sluice.folder" . }}/{{ (get $root.Values.secretFiles .).key }}
      {{- end }}
    {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
    resources: {{ toJson .resources }}
    {{- with .ports }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: data, mountPath: /var/lib/sluice}
      {{- range $files }}
      - {name: {{ . | trimPrefix "SLUICE_" | lower | replace "_" "-" }}, mountPath: {{ include "sluice.folder" . }}, readOnly: true}
      {{- end }}
volumes:
  - {name: tmp, emptyDir: {}}
  - {name: data, emptyDir: {}}
  {{- $root := .root }}
  {{- range $files }}
  {{- $file := get $root.Values.secretFiles . }}
  - name: {{ . | trimPrefix "SLUICE_" | lower | replace "_" "-" }}
    secret: {secretName: {{ $file.secret }}, defaultMode: 288, items: [{key: {{ $file.key }}, path: {{ $file.key }}}]}
  {{- end }}
{{- end }}
