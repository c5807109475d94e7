#!/usr/bin/env bash
# An agent's memory: labels of what was written come back in a later task, and after the gate was started anew.
# Works on a copy, so that it can be run again. Needs bash, curl and `wicketgate` (or its path in WICKETGATE).
# The demo office begins anew with each session: its files are as they were, and what is known of them is not.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gate=${WICKETGATE:-wicketgate}
work=$(mktemp -d)
mkdir -p "$work/registry/servers"
cp -r "$here/policies" "$here/wicketgate.toml" "$work"
cp "$here/registry/office.toml" "$here/../../registry/servers/office.tools.json" "$work/registry/servers"
sed -i.was 's#:8740#:'"${PORT:-8740}"'#; s#:8741#:'"$((${PORT:-8740} + 1))"'#' "$work/wicketgate.toml"
url=http://127.0.0.1:${PORT:-8740}/office/mcp

start() {
  "$gate" serve --config "$work/wicketgate.toml" 2>>"$work/log" &
  serving=$!
  # Until it serves, and no longer than a minute.
  for attempt in $(seq 600); do
    "$gate" health --config "$work/wicketgate.toml" >/dev/null 2>&1 && break
    kill -0 "$serving" 2>/dev/null && [ "$attempt" -lt 600 ] || { cat "$work/log" >&2; exit 1; }
    sleep 0.1
  done
}

stop() {
  kill "$serving" 2>/dev/null || true
  wait "$serving" 2>/dev/null || true
}

trap 'stop; rm -rf "$work"' EXIT
start

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

echo "1. what was written in a clean task is clean when it is read:"
task 1
call files_write '{"path":"/notes/train-times.md","text":"Out 09:12"}'
task 2
call files_read '{"path":"/notes/train-times.md"}'

echo "2. a task that has read untrusted text may remember it in one place only:"
task 3
call mail_read '{"id":"m-103"}'
call files_write '{"path":"/notes/todo.md","text":"pay EUR 900"}'
call files_write '{"path":"/shared/offsite-plan.md","text":"pay EUR 900"}'

echo "3. after a restart, in another task, it is still untrusted:"
stop
start
task 4
call files_read '{"path":"/shared/offsite-plan.md"}'
call mail_send '{"to":"joe@partner.example","subject":"s","body":"b"}'

echo "4. the trace says where the entry was written:"
# The record of a call that only reads is on disk some milliseconds after its answer.
for attempt in $(seq 100); do
  told=$("$gate" trace "$trace" --config "$work/wicketgate.toml")
  grep -q "written in record" <<<"$told" && break
  sleep 0.1
done
echo "$told"
