"""How the journey reaches the host other than by a client in Python: plain HTTP, its command line, the Inspector, and
the TypeScript clients. MCPBOX_URL and MCPBOX_BIN say which host."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.request

import asking
from mcp.client.stdio import StdioServerParameters

URL = os.environ["MCPBOX_URL"]
BINARY = os.environ["MCPBOX_BIN"]
# What a process beside the host needs to know.
INSTALLATION = ("MCPBOX_DATA_DIR", "MCPBOX_CACHE_DIR", "DATABASE_URL", "XDG_CACHE_HOME", "LOG_LEVEL")


def http(method, path, body=None, token=None):
    """A request as a browser or script sends it, with JSON or with a component: its status and the JSON of the
    answer."""
    kind = "application/wasm" if isinstance(body, bytes) else "application/json"
    headers = {"content-type": kind} | ({"authorization": f"Bearer {token}"} if token else {})
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.loads(error.read() or b"null")


def mcpbox(*arguments, stdin=""):
    """The command line against the running host."""
    return subprocess.run([BINARY, *arguments], input=stdin, capture_output=True, text=True, timeout=120)


def process():
    """The host as a process that a client starts, beside the one that runs."""
    known = {name: os.environ[name] for name in INSTALLATION if name in os.environ}
    return StdioServerParameters(command=BINARY, args=["stdio"], env=known)


def inspector(era, *arguments):
    """A request by the Inspector's command line; the result that it prints. It has nobody who could be asked, tells
    of no progress and makes one request a run: there is nothing to answer, hear or cancel with it."""
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder) / "mcp.json"
        server = {"type": "streamable-http", "url": URL + "/mcp", "protocolEra": era}
        config.write_text(json.dumps({"mcpServers": {"box": server}}))
        command = ["mcp-inspector", "--cli", "--config", str(config), "--server", "box", "--format", "json", *arguments]
        environment = {**os.environ, "MCP_INSPECTOR_SECRET_STORE": "memory", "HOME": folder}
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"the Inspector ({era}) ended with {done.returncode}: {done.stderr}\n{done.stdout}"
    return json.loads(done.stdout)["result"]


def typescript(which, name, arguments, waits):
    """What one of the TypeScript clients sees of the host."""
    modules = pathlib.Path(shutil.which("mcp-inspector")).parent.parent.parent
    script = pathlib.Path(__file__).with_name("typescript.mjs").read_text()
    command = ["node", "--input-type=module", "-", URL + "/mcp", which, name, json.dumps(arguments), waits]
    command += [asking.ASKS, asking.MESSAGE, json.dumps(asking.WHO)]
    done = subprocess.run(command, input=script, cwd=modules, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, f"the TypeScript client ({which}) ended with {done.returncode}: {done.stderr}"
    return json.loads(done.stdout)
