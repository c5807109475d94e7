"""Where the programs under test lie: the gate, Node, and the pinned servers and clients.

Nothing here falls back to what happens to be on the machine: a program that is not where `tests/run` put it is an
error, so that no test passes or is skipped because something was not installed.
"""

from __future__ import annotations

import os
import platform
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


def inspector() -> list[str]:
    """The MCP Inspector's command line."""
    launcher = MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
    return [node(), _installed(launcher), "--cli"]


def everything(transport: str) -> list[str]:
    """The reference server `everything`; `streamableHttp` listens on the port in `PORT`."""
    return [node(), _installed(MODULES / "@modelcontextprotocol/server-everything/dist/index.js"), transport]


def filesystem(folder: Path) -> list[str]:
    """The reference server `filesystem`, confined to one folder."""
    return [node(), _installed(MODULES / "@modelcontextprotocol/server-filesystem/dist/index.js"), str(folder)]


def git() -> list[str]:
    """The reference server `git`."""
    return [PYTHON, "-m", "mcp_server_git"]


def dual_era(port: int | None = None) -> list[str]:
    """Our server of both eras; over stdio without a port."""
    return [PYTHON, str(HERE / "servers" / "dual_era.py"), *([] if port is None else [str(port)])]


def conformance_suite() -> list[str]:
    """The MCP conformance suite, to be run by Node."""
    return [_installed(MODULES / "@modelcontextprotocol/conformance/dist/index.js")]


def conformance_server(port: int | None = None) -> list[str]:
    """Our server that passes the suite; over stdio without a port."""
    return [PYTHON, str(HERE / "servers" / "conformance"), *([] if port is None else [str(port)])]


def tee(log: Path, command: list[str]) -> list[str]:
    """The same command, with what passes to and from it kept in `log`."""
    return [PYTHON, str(HERE / "servers" / "tee.py"), str(log), *command]


def player(client: str) -> list[str]:
    """The command that plays a story with the named client."""
    if client.startswith("python"):
        return [PYTHON, str(HERE / "clients" / "python_sdk.py")]
    return [node(), str(HERE / "clients" / "typescript.mjs"), client.removeprefix("typescript-")]
