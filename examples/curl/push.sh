#!/usr/bin/env sh
# Pushes two records with nothing but curl. Needs the variables of demo.env:
#   set -a; . .tributary/demo.env; set +a; sh examples/curl/push.sh
set -eu

ACCESS_TOKEN=$(curl -sf -u "$CLIENT_ID:$CLIENT_SECRET" -d grant_type=client_credentials \
  "$TRIBUTARY_URL/oauth2/token" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')

curl -sf "$TRIBUTARY_URL/v1/$STREAM/records" \
  -H "Authorization: Bearer $ACCESS_TOKEN" \
  -H "Content-Type: application/json" \
  -d '[
    {"value": {"sensor_id": "curl", "temperature": 4.132, "created_at": "2026-01-01T00:00:00Z"}},
    {"value": {"sensor_id": "curl", "temperature": 4.25, "created_at": "2026-01-01T00:01:00Z"}}
  ]'
echo
