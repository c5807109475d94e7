#!/usr/bin/env bash
# A host opens a task for an agent that has nothing but a URL; the agent works within the task's scope, reaches beyond it,
# hands part of it on, and is stopped. Works on a copy, so that it can be run again. Needs bash, curl and `wicketgate` (or
# its path in WICKETGATE).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
gate=${WICKETGATE:-wicketgate}
port=${PORT:-8742}
work=$(mktemp -d)
cp -r "$here/policies" "$here/wicketgate.toml" "$work"
cp -r "$here/../../registry" "$work/registry"
mkdir -p "$work/registry/tasks"
cp "$here"/tasks/*.toml "$work/registry/tasks"
sed -i.was 's#:8742#:'"$port"'#; s#:8743#:'"$((port + 1))"'#' "$work/wicketgate.toml"
export WICKETGATE_CONFIG=$work/wicketgate.toml WICKETGATE_OPERATOR_TOKEN=scope-host

"$gate" serve 2>"$work/log" &
serving=$!
trap 'kill "$serving" 2>/dev/null || true; wait "$serving" 2>/dev/null || true; rm -rf "$work"' EXIT
# Until it serves, and no longer than a minute.
for attempt in $(seq 600); do
  "$gate" health >/dev/null 2>&1 && break
  kill -0 "$serving" 2>/dev/null && [ "$attempt" -lt 600 ] || { cat "$work/log" >&2; exit 1; }
  sleep 0.1
done

post() { # one JSON-RPC message to the URL that the host gave the agent, and nothing else: no bearer token
  curl --silent --show-error --max-time 20 "$url" -H "Content-Type: application/json" \
    -H "Accept: application/json, text/event-stream" ${session:+-H "Mcp-Session-Id: $session"} \
    -D "$work/head" --data "$1" | sed 's/^data: //'
}
begin() { # url: opens a session there
  url=$1 session=
  post '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"curl","version":"1"}}}' >/dev/null
  session=$(sed -n 's/^mcp-session-id: *\([^[:space:]]*\).*/\1/ip' "$work/head")
  post '{"jsonrpc":"2.0","method":"notifications/initialized"}'
}
call() { # tool, arguments
  post '{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"'"$1"'","arguments":'"$2"'}}'
  echo
}
of() { # label: a line of what `wicketgate task` printed
  sed -n "s/^$1 *//p" "$work/opened"
}

echo "1. the host opens a task for the clerk, and hands over its URL:"
"$gate" task open --profile filing --agent clerk --user carol --goal "File the letter m-101 under /notes" >"$work/opened"
sed 's/wgt_[^/]*/wgt_.../' "$work/opened"
task=$(of task) trace=$(of trace)
begin "$(of url | sed 's/{server}/office/')"

echo "2. the clerk sees what is within the task's scope:"
post '{"jsonrpc":"2.0","id":3,"method":"tools/list"}' | grep -o '"name":"[a-z_]*"' | tr '\n' ' '
echo
echo "3. within it, the work is done:"
call files_write '{"path":"/notes/letter.md","text":"m-101"}'
echo "4. a mail is beyond it, though every policy would let it by:"
call mail_send '{"to":"someone@example.net","subject":"m-101","body":"..."}'

echo "5. part of the task is handed on to the junior, who may only read:"
"$gate" task child "$task" --agent junior --goal "Read /notes/todo.md" --tool office/files_read --tool office/payments_send \
  >"$work/opened"
clerks_url=$url clerks_session=$session
begin "$(of url | sed 's/{server}/office/')"
call files_read '{"path":"/notes/todo.md"}'
call files_write '{"path":"/notes/letter.md","text":"mine"}'
echo "   what the clerk did not have could not be handed on:"
call payments_send '{"recipient":"x","amount":1,"reference":"x"}'

echo "6. the host stops the task; the junior's ends with it:"
"$gate" task stop "$task" --reason "carol has changed her mind"
call files_read '{"path":"/notes/todo.md"}'
url=$clerks_url session=$clerks_session
call files_list '{"path":"/notes"}'

echo "7. the trace tells it all:"
"$gate" trace "$trace"
