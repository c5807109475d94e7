"""Where the programs under test lie: the gate, Node, and the pinned servers and clients.

Nothing here falls back to what happens to be on the machine: a program that is not where `tests/run` put it is an
error, so that no test passes or is skipped because something was not installed.
"""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
MODULES = HERE / "node_modules"

PYTHON = sys.executable


def _installed(path: Path) -> str:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: run tests/run, which installs what the black-box tests need")
    return str(path)


def _architecture() -> str:
    return {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine().lower()]


def node() -> str:
    """Node 24."""
    return _installed(MODULES / f"node-linux-{_architecture()}" / "bin" / "node")


def gate() -> str:
    """The `wicketgate` binary: `WICKETGATE_BIN`, or the debug build of this workspace."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    binary = Path(os.environ.get("WICKETGATE_BIN", target / "debug" / "wicketgate"))
    if not binary.exists():
        raise FileNotFoundError(f"{binary} is missing: build it with `cargo build` or name it in WICKETGATE_BIN")
    return str(binary)


def claude() -> str:
    """Claude Code, run from its platform package so that no install script is needed."""
    return _installed(MODULES / "@anthropic-ai" / f"claude-code-linux-{_architecture()}" / "claude")


def cedar() -> str:
    """Cedar's own command line, of the version that the gate is built with."""
    return _installed(HERE / ".cache" / "cedar" / "bin" / "cedar")


def inspector() -> list[str]:
    """The MCP Inspector's command line."""
    launcher = MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
    return [node(), _installed(launcher), "--cli"]


def gemini() -> list[str]:
    """Gemini CLI."""
    return [node(), _installed(MODULES / "@google" / "gemini-cli" / "bundle" / "gemini.js")]


def codex() -> str:
    """Codex, run from its platform package so that no launcher stands between."""
    vendor = MODULES / "@openai" / f"codex-linux-{_architecture()}" / "vendor" / f"{platform.machine()}-unknown-linux-musl"
    return _installed(vendor / "bin" / "codex")


def chromium() -> str:
    """A Chromium of the machine, which no lock can name. `tests/run` installs Debian's where there is none."""
    names = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        raise FileNotFoundError(f"none of {', '.join(names)} is installed: run tests/run, or install Chromium")
    return found


def everything(transport: str) -> list[str]:
    """The reference server `everything`; `streamableHttp` and `sse` listen on the port in `PORT`."""
    return [node(), _installed(MODULES / "@modelcontextprotocol/server-everything/dist/index.js"), transport]


def filesystem(folder: Path) -> list[str]:
    """The reference server `filesystem`, confined to one folder."""
    return [node(), _installed(MODULES / "@modelcontextprotocol/server-filesystem/dist/index.js"), str(folder)]


def git() -> list[str]:
    """The reference server `git`."""
    return [PYTHON, "-m", "mcp_server_git"]


def memory(folder: Path) -> list[str]:
    """The reference server `memory`, whose graph is a file in the folder."""
    server = _installed(MODULES / "@modelcontextprotocol/server-memory/dist/index.js")
    return ["env", f"MEMORY_FILE_PATH={folder / 'graph.jsonl'}", node(), server]


def fetch() -> list[str]:
    """The reference server `fetch`, which may reach this machine: the page it fetches is here."""
    return [PYTHON, "-m", "mcp_server_fetch", "--allow-private-ips"]


def time() -> list[str]:
    """The reference server `time`."""
    return [PYTHON, "-m", "mcp_server_time", "--local-timezone", "Asia/Kathmandu"]


def playwright(folder: Path) -> list[str]:
    """Playwright's server, without a window."""
    options = ["--executable-path", chromium(), "--no-sandbox"]
    server = _installed(MODULES / "@playwright/mcp/cli.js")
    return [node(), server, "--headless", "--isolated", "--output-dir", str(folder / "pages"), *options]


def github() -> list[str]:
    """The last GitHub server written in TypeScript, which knows the protocol of 2024-11-05 only.

    GitHub itself is played by a module that answers every request it makes.
    """
    server = _installed(MODULES / "@modelcontextprotocol/server-github/dist/index.js")
    return [node(), "--import", (HERE / "servers" / "github_api.mjs").as_uri(), server]


def dual_era(port: int | None = None) -> list[str]:
    """Our server of both eras; over stdio without a port."""
    return [PYTHON, str(HERE / "servers" / "dual_era.py"), *([] if port is None else [str(port)])]


def office(acts: Path, port: int) -> list[str]:
    """Our server whose tools act, and which writes each act into a file."""
    return [PYTHON, str(HERE / "servers" / "office.py"), str(acts), str(port)]


def patient(manner: str) -> list[str]:
    """A client that waits for people in the manner of a known one."""
    return [node(), str(HERE / "clients" / "patient.mjs"), manner]


def axe() -> str:
    """The text of axe-core, which finds faults of accessibility."""
    return Path(_installed(MODULES / "axe-core" / "axe.min.js")).read_text()


def conformance_suite() -> list[str]:
    """The MCP conformance suite, to be run by Node."""
    return [_installed(MODULES / "@modelcontextprotocol/conformance/dist/index.js")]


def conformance_server(port: int | None = None) -> list[str]:
    """Our server that passes the suite; over stdio without a port."""
    return [PYTHON, str(HERE / "servers" / "conformance"), *([] if port is None else [str(port)])]


def rude(habit: str) -> list[str]:
    """A server that behaves badly on purpose. `-S -E` only spares it what it has no use for."""
    return [PYTHON, "-S", "-E", str(HERE / "servers" / "rude.py"), habit]


def holder(url: str, authorization: str, count: int) -> list[str]:
    """A client that opens sessions and waits to be killed."""
    return [PYTHON, str(HERE / "clients" / "holder.py"), url, authorization, str(count)]


def tee(log: Path, command: list[str]) -> list[str]:
    """The same command, with what passes to and from it kept in `log`."""
    return [PYTHON, str(HERE / "servers" / "tee.py"), str(log), *command]


def player(client: str) -> list[str]:
    """The command that plays a story with the named client."""
    if client.startswith("python"):
        return [PYTHON, str(HERE / "clients" / "python_sdk.py")]
    if client == "fastmcp":
        return [PYTHON, str(HERE / "clients" / "fastmcp_client.py")]
    return [node(), str(HERE / "clients" / "typescript.mjs"), client.removeprefix("typescript-")]
