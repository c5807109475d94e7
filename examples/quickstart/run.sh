#!/usr/bin/env bash
# The quickstart as a script: start the gate, call a tool, be denied, edit a policy, call again, read the trace.
# Works on a copy, so that it can be run again. Needs bash, curl and `wicketgate` (or its path in WICKETGATE).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gate=${WICKETGATE:-wicketgate}
work=$(mktemp -d)
cp -r "$here/policies" "$here/wicketgate.toml" "$work"
cp -r "$here/../../registry" "$work/registry"
sed -i.was 's#"../../registry"#"registry"#; s#:8740#:'"${PORT:-8740}"'#; s#:8741#:'"$((${PORT:-8740} + 1))"'#' "$work/wicketgate.toml"
url=http://127.0.0.1:${PORT:-8740}/office/mcp

"$gate" serve --config "$work/wicketgate.toml" 2>"$work/log" &
serving=$!
trap 'kill "$serving" 2>/dev/null || true; wait "$serving" 2>/dev/null || true; rm -rf "$work"' EXIT
# Until it serves, and no longer than a minute.
for attempt in $(seq 600); do
  "$gate" health --config "$work/wicketgate.toml" >/dev/null 2>&1 && break
  kill -0 "$serving" 2>/dev/null && [ "$attempt" -lt 600 ] || { cat "$work/log" >&2; exit 1; }
  sleep 0.1
done

post() { # one JSON-RPC message
  curl --silent --show-error --max-time 20 "$url" \
    -H "Authorization: Bearer quickstart-agent" -H "Content-Type: application/json" \
    -H "Accept: application/json, text/event-stream" ${session:+-H "Mcp-Session-Id: $session"} \
    -D "$work/head" --data "$1" | sed 's/^data: //'
}

post '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}' >/dev/null
session=$(sed -n 's/^mcp-session-id: *\([^[:space:]]*\).*/\1/ip' "$work/head")
post '{"jsonrpc":"2.0","method":"notifications/initialized"}'

echo "1. an allowed read:"
post '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"files_list","arguments":{"path":"/notes"}}}' | tee "$work/read"
echo
write='{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"files_write","arguments":{"path":"/notes/new.md","text":"hello"}}}'
echo "2. a write that nothing permits:"
post "$write"
echo
echo "3. the policy is edited, and the same call is judged by it:"
cat >>"$work/policies/quickstart.cedar" <<'CEDAR'
@id("notes") permit (principal, action == office::Action::"files_write", resource)
when { context.args_canonical.path like "/notes/*" };
CEDAR
curl --silent --show-error -X POST -H "Authorization: Bearer quickstart-operator" "http://127.0.0.1:$((${PORT:-8740} + 1))/v1/reload"
echo
post "$write"
echo
echo "4. the trace:"
trace=$(sed -n 's/.*"trace":"\([0-9a-f]*\)".*/\1/p' "$work/read")
"$gate" trace "$trace" --config "$work/wicketgate.toml"
