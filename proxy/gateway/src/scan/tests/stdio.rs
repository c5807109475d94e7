//! A child process: started clean, read, ended whatever it does, and its failures told with its own words.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use super::super::{Scan, ScanFault, ScanTransport, list_tools};

/// A legacy MCP server in shell. `$TOOL` and `$BEFORE` are pasted in by each test.
const SERVER: &str = r#"
while IFS= read -r line; do
  id=${line#*\"id\":}; id=${id%%[,\}]*}
  case "$line" in
    *'"method":"server/discover"'*)
      printf '{"jsonrpc":"2.0","id":%s,"error":{"code":-32601,"message":"Method not found"}}\n' "$id" ;;
    *'"method":"initialize"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"sh","version":"1"}}}\n' "$id" ;;
    *'"method":"tools/list"'*)
      printf '{"jsonrpc":"2.0","id":%s,"result":{"tools":[{"name":"env","description":"HOME=%s GIVEN=%s PWD=%s"}]}}\n' "$id" "${HOME-unset}" "${GIVEN-unset}" "$PWD" ;;
  esac
done
"#;

fn shell(script: &str, env: &[(&str, &str)], cwd: Option<&Path>) -> ScanTransport {
    let mut all = BTreeMap::from([("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())]);
    all.extend(env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    let args = vec!["-c".to_owned(), script.to_owned()];
    ScanTransport::Stdio { command: "sh".to_owned(), args, env: all, cwd: cwd.map(Path::to_owned) }
}

async fn scan(transport: &ScanTransport) -> Result<Scan, ScanFault> {
    list_tools(transport, Duration::from_secs(60)).await
}

/// Waits until the process whose id a script wrote to `file` is gone. A signal takes effect a moment after it is sent.
async fn gone(file: &Path) {
    let pid = std::fs::read_to_string(file).unwrap();
    let command = Path::new("/proc").join(pid.trim()).join("cmdline");
    // A zombie that nobody has reaped yet keeps its entry but has an empty command line.
    for _ in 0..3_000 {
        if !std::fs::read(&command).is_ok_and(|content| !content.is_empty()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the process {pid} is still there");
}

#[tokio::test]
async fn the_child_gets_the_environment_and_directory_it_was_given_and_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let cwd = dir.path().canonicalize().unwrap();
    let scan = scan(&shell(SERVER, &[("GIVEN", "yes")], Some(&cwd))).await.unwrap();
    let expected = format!(r#"{{"name":"env","description":"HOME=unset GIVEN=yes PWD={}"}}"#, cwd.display());
    assert_eq!(scan.tools[0].get(), expected);
    assert_eq!(scan.protocol_version, "2025-11-25");
}

#[tokio::test]
async fn a_child_that_ends_on_a_closed_stdin_is_gone_after_the_scan() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    scan(&shell(&format!("echo $$ > {}; {SERVER}", pid.display()), &[], None)).await.unwrap();
    gone(&pid).await;
}

#[tokio::test]
async fn a_child_that_ignores_a_closed_stdin_and_sigterm_is_killed_with_its_own_children() {
    let dir = tempfile::tempdir().unwrap();
    let (pid, below, term) = (dir.path().join("pid"), dir.path().join("below"), dir.path().join("term"));
    let script = format!(
        "trap 'echo > {term}' TERM; echo $$ > {pid}
         sh -c 'trap \"\" TERM; echo $$ > {below}; while :; do sleep 1; done' &
         while [ ! -s {below} ]; do sleep 0.1; done
         {SERVER} while :; do sleep 1; done",
        term = term.display(),
        below = below.display(),
        pid = pid.display()
    );
    scan(&shell(&script, &[], None)).await.unwrap();
    assert!(term.exists(), "SIGTERM was not tried before SIGKILL");
    gone(&pid).await;
    gone(&below).await;
}

#[tokio::test]
async fn a_child_left_behind_by_its_launcher_is_ended_too() {
    let dir = tempfile::tempdir().unwrap();
    let below = dir.path().join("below");
    let script = format!(
        "sh -c 'echo $$ > {0}; exec sleep 600' </dev/null >/dev/null 2>&1 & while [ ! -s {0} ]; do sleep 0.1; done; {SERVER}",
        below.display()
    );
    scan(&shell(&script, &[], None)).await.unwrap();
    gone(&below).await;
}

#[tokio::test]
async fn a_command_that_is_not_there_is_named_with_what_to_try() {
    let mut transport = shell("", &[], None);
    let ScanTransport::Stdio { command, env, .. } = &mut transport else { panic!() };
    *command = "no-such-mcp-server".to_owned();
    env.clear();
    let fault = scan(&transport).await.unwrap_err().to_string();
    assert!(fault.starts_with("cannot start `no-such-mcp-server`: "), "{fault}");
    assert!(fault.contains("env_from = [\"PATH\"]"), "{fault}");

    let fault = scan(&shell(SERVER, &[], Some(Path::new("/no/such/place")))).await.unwrap_err().to_string();
    assert_eq!(fault, "cannot start `sh`: its working directory `/no/such/place` is not a directory");
}

#[tokio::test]
async fn a_child_that_exits_early_is_told_with_its_status_and_last_words() {
    let script = "echo usage: server DIR; for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo line $n >&2; done; echo 'Error: no DIR \u{7}' >&2; exit 3";
    let fault = scan(&shell(script, &[], None)).await.unwrap_err();
    let ScanFault::Exited { command, status, hints } = fault else { panic!("{fault}") };
    assert_eq!((command.as_str(), status.as_str()), ("sh", "exit status: 3"));
    assert_eq!(hints.first().unwrap(), "it said: usage: server DIR");
    assert_eq!(hints.last().unwrap(), "stderr: Error: no DIR \\u{7}");
    assert_eq!(hints.len(), 11, "{hints:?}");
}

#[tokio::test]
async fn a_child_that_says_nothing_is_given_up_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let script = format!("echo $$ > {}; echo still starting >&2; while :; do sleep 1; done", pid.display());
    let fault = list_tools(&shell(&script, &[], None), Duration::from_secs(1)).await.unwrap_err();
    let ScanFault::TimedOut { seconds: 1, hints, .. } = fault else { panic!("{fault}") };
    assert_eq!(hints, ["stderr: still starting"]);
    gone(&pid).await;
}

#[tokio::test]
async fn secrets_given_to_a_child_do_not_come_back_in_an_error() {
    let script = "echo \"bad key $API_TOKEN\"; echo \"cannot log in with $API_TOKEN\" >&2; exit 1";
    let transport = shell(script, &[("API_TOKEN", "s3cr3t-value")], None);
    let fault = scan(&transport).await.unwrap_err().to_string();
    assert!(fault.contains("bad key [masked]") && fault.contains("cannot log in with [masked]"), "{fault}");
    assert!(!fault.contains("s3cr3t") && !format!("{transport:?}").contains("s3cr3t"));
}

#[tokio::test]
async fn a_scan_that_is_dropped_leaves_no_child() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let transport = shell(&format!("echo $$ > {}; while :; do sleep 1; done", pid.display()), &[], None);
    let mut running = Box::pin(scan(&transport));
    while !pid.exists() || std::fs::read_to_string(&pid).unwrap().is_empty() {
        tokio::select! { _ = &mut running => panic!("it ended"), () = tokio::time::sleep(Duration::from_millis(10)) => {} }
    }
    drop(running);
    gone(&pid).await;
}
