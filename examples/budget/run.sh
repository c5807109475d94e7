#!/usr/bin/env bash
# A budget: a task may spend 100 in all. Two payments of 60 are tried; the second ends the task.
# Works on a copy, so that it can be run again. Needs bash, curl and `wicketgate` (or its path in WICKETGATE).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gate=${WICKETGATE:-wicketgate}
port=${PORT:-8750}
work=$(mktemp -d)
cp -r "$here/policies" "$here/wicketgate.toml" "$work"
cp -r "$here/../../registry" "$work/registry"
# The registry says what a payment costs, and how much a task that nobody opened may do.
mkdir -p "$work/registry/tasks"
cp "$here/default.toml" "$work/registry/tasks/default.toml"
sed -i.was '/^\[tools.payments_send\]/a cost = { argument = "/amount" }' "$work/registry/servers/office.toml"
rm -f "$work/registry/servers/"*.was
sed -i.was 's#:8750#:'"$port"'#; s#:8751#:'"$((port + 1))"'#' "$work/wicketgate.toml"
url=http://127.0.0.1:$port/office/mcp

"$gate" serve --config "$work/wicketgate.toml" 2>"$work/log" &
serving=$!
trap 'kill "$serving" 2>/dev/null || true; wait "$serving" 2>/dev/null || true; rm -rf "$work"' EXIT
# Until it serves, and no longer than a minute.
for attempt in $(seq 600); do
  "$gate" health --config "$work/wicketgate.toml" >/dev/null 2>&1 && break
  kill -0 "$serving" 2>/dev/null && [ "$attempt" -lt 600 ] || { cat "$work/log" >&2; exit 1; }
  sleep 0.1
done

post() { # one JSON-RPC message, and headers beside it
  local message=$1
  shift
  curl --silent --show-error --max-time 20 "$url" \
    -H "Authorization: Bearer quickstart-agent" -H "Content-Type: application/json" \
    -H "Accept: application/json, text/event-stream" ${session:+-H "Mcp-Session-Id: $session"} "$@" \
    -D "$work/head" --data "$message" | sed 's/^data: //'
}

call() { # a tool and its arguments, and headers beside it
  local tool=$1 arguments=$2
  shift 2
  post '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"'"$tool"'","arguments":'"$arguments"'}}' "$@"
  echo
}

post '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}' >/dev/null
session=$(sed -n 's/^mcp-session-id: *\([^[:space:]]*\).*/\1/ip' "$work/head")
post '{"jsonrpc":"2.0","method":"notifications/initialized"}'

echo "1. a payment within the budget, sent twice under one key: it is made once:"
pay='{"recipient":"Acme","amount":60,"reference":"2026-17"}'
call payments_send "$pay" -H "Idempotency-Key: first" | tee "$work/paid"
call payments_send "$pay" -H "Idempotency-Key: first"
echo "2. another, which would go beyond it:"
call payments_send '{"recipient":"Acme","amount":60,"reference":"2026-18"}'
echo "3. the task is over, for everything:"
call files_list '{}'
echo "4. the trace:"
trace=$(sed -n 's/.*"trace":"\([0-9a-f]*\)".*/\1/p' "$work/paid")
# The record of what was only refused is on disk a moment after its answer.
for attempt in $(seq 100); do
  "$gate" trace "$trace" --config "$work/wicketgate.toml" | grep -q '^frames .* 7:' && break
  sleep 0.1
done
"$gate" trace "$trace" --config "$work/wicketgate.toml"
