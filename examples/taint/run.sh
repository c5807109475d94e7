#!/usr/bin/env bash
# Labels and readers at work: what was read decides where mail may go. Each task is a session with a trace id of its own.
# Works on a copy, so that it can be run again. Needs bash, curl and `wicketgate` (or its path in WICKETGATE).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gate=${WICKETGATE:-wicketgate}
work=$(mktemp -d)
cp -r "$here/policies" "$here/wicketgate.toml" "$here/../../registry" "$work"
cat "$here/office-rules.part" >>"$work/registry/servers/office.toml"
sed -i.was 's#:8740#:'"${PORT:-8740}"'#; s#:8741#:'"$((${PORT:-8740} + 1))"'#' "$work/wicketgate.toml"
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
    ${trace:+-H "traceparent: 00-$trace-b7ad6b7169203331-01"} -D "$work/head" --data "$1" | sed 's/^data: //'
}

task() { # a task of its own: a session that is opened with this trace id
  session='' trace=$(printf 'a%d%030d' "$1" 0)
  post '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}' >/dev/null
  session=$(sed -n 's/^mcp-session-id: *\([^[:space:]]*\).*/\1/ip' "$work/head")
  post '{"jsonrpc":"2.0","method":"notifications/initialized"}'
}

call() { # a tool, and its arguments
  post '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"'"$1"'","arguments":'"$2"'}}'
  echo
}

send() { # a mail to somebody
  call mail_send '{"to":"'"$1"'","subject":"s","body":"b"}'
}

echo "1. a shared file carries no label, and mail may go anywhere:"
task 1
call files_read '{"path":"/shared/offsite-plan.md"}'
send joe@partner.example

echo "2. a file of finance is for its readers alone:"
task 2
call files_read '{"path":"/finance/budget-2027.csv"}'
send tomas@office.example
send priya@office.example

echo "3. a mail from outside is untrusted, and so is the task that read it:"
task 3
call mail_read '{"id":"m-103"}'
send priya@office.example

echo "4. a policy takes a label off one result, and the record says which:"
task 4
call payments_list '{}'
send joe@partner.example
"$gate" trace "$trace" --config "$work/wicketgate.toml"
