{{- /* The data of the ConfigMap `cambist`. */ -}}
{{- define "cambist.settings" -}}
{{- $data := dict -}}
{{- with .Values.tenantId }}{{ $_ := set $data "AZURE_TENANT_ID" . }}{{ end -}}
{{- with .Values.clientId }}{{ $_ := set $data "AZURE_CLIENT_ID" . }}{{ end -}}
{{- with .Values.issuer }}{{ $_ := set $data "CAMBIST_ISSUER" . }}{{ end -}}
{{- with .Values.platform }}{{ $_ := set $data "CAMBIST_PLATFORM" . }}{{ end -}}
{{- if .Values.monitoring.enabled }}{{ $_ := set $data "CAMBIST_ADMIN_LISTEN" "0.0.0.0:8422" }}{{ end -}}
{{- range $account, $its := .Values.accounts -}}
{{- with $its.clientId }}{{ $_ := set $data (printf "client-id.%s" $account) . }}{{ end -}}
{{- end -}}
{{- toYaml (merge (dict) .Values.settings $data) -}}
{{- end -}}
