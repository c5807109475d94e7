"""A server that passes the MCP conformance suite in both eras, as the thing that is put behind the gate.

Usage: `python conformance` (stdio) or `python conformance PORT` (streamable HTTP at /mcp). It is written against the
specification without an SDK, so that what the suite says about the gate does not depend on what an SDK can say.
"""

from __future__ import annotations

import asyncio
import sys

import over_http
import over_stdio

if __name__ == "__main__":
    if len(sys.argv) > 1:
        over_http.serve(int(sys.argv[1]))
    else:
        asyncio.run(over_stdio.serve())
