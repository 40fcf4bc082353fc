#!/usr/bin/env sh
# Pushes a record over gRPC with buf. The server describes itself by reflection: no schema is needed.
#   set -a; . .tributary/demo.env; set +a; sh examples/buf-curl/push.sh
set -eu

BUF=${BUF:-npx --no buf}

ACCESS_TOKEN=$($BUF curl --http2-prior-knowledge --protocol grpc \
  -d "{\"grantType\": \"client_credentials\", \"clientId\": \"$CLIENT_ID\", \"clientSecret\": \"$CLIENT_SECRET\"}" \
  "$TRIBUTARY_URL/tributary.oauth2.v1.OAuth2Service/IssueToken" |
  sed -n 's/.*"accessToken": *"\([^"]*\)".*/\1/p')

$BUF curl --http2-prior-knowledge --protocol grpc \
  -H "Authorization: Bearer $ACCESS_TOKEN" \
  -d "{\"stream\": \"$STREAM\", \"records\": [{\"value\": {\"sensor_id\": \"buf\", \"temperature\": 4.132, \"created_at\": \"2026-01-01T00:00:00Z\"}}]}" \
  "$TRIBUTARY_URL/tributary.push.v1.PushService/Push"
