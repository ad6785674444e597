#!/usr/bin/env python3
"""Runs the official MCP conformance suite against a host that is already running.

The scenarios of `REQUIRED` have to pass. They are those that need only what this host has; the others
need tools, prompts and resources that the suite prescribes. `conformance.py all` shows how every scenario fares,
and never fails. MCPBOX_URL says which host; the command `conformance` is on PATH (`make conformance`
sees to both).
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

URL = os.environ["MCPBOX_URL"] + "/mcp"

# Revision -> scenario -> the checks in it that ask for a tool of the suite, a prompt or a resource. Any
# other check that fails is a failure, and so is one of these that begins to pass: then it moves out.
REQUIRED = {
    "2025-11-25": {
        "server-initialize": [],
        "server-session-lifecycle": [],
        "logging-set-level": [],
        "ping": [],
        "tools-list": [],
        "server-sse-multiple-streams": [],
        "dns-rebinding-protection": [],
    },
    "2026-07-28": {
        "server-stateless": [
            "sep-2575-http-server-no-independent-requests-on-stream",
            "sep-2575-missing-capability-http-400",
            "sep-2575-server-no-log-without-loglevel",
            "sep-2575-server-rejects-undeclared-capability",
        ],
        "tools-list": [],
        "server-sse-multiple-streams": [],
        "dns-rebinding-protection": [],
        "http-header-validation": [],
        "caching": [
            "sep-2549-prompts-list-caching-hints",
            "sep-2549-resources-list-caching-hints",
            "sep-2549-resources-templates-list-caching-hints",
        ],
    },
}


def run(revision, scenario):
    """The ids of the checks by their status, and what the suite printed."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["conformance", "server", "--url", URL, "--spec-version", revision, "--scenario", scenario, "-o", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        checks = [json.loads(file.read_text()) for file in pathlib.Path(folder).glob("*/checks.json")]
    ids = collections.defaultdict(list)
    for check in checks[0] if checks else []:
        ids[check["status"]].append(check["id"])
    return ids, done.stdout


def everything():
    listed = subprocess.run(["conformance", "list", "--server"], check=True, capture_output=True, text=True).stdout
    for revision in REQUIRED:
        for name, revisions in re.findall(r"^  - (\S+) \[(.*)\]$", listed, re.M):
            if revision in revisions.split(","):
                ids, _ = run(revision, name)
                print(f"{revision} {name}: {len(ids['SUCCESS'])} checks passed, {len(ids['FAILURE'])} failed", flush=True)


def required():
    scenarios = checks = failed = 0
    for revision, named in REQUIRED.items():
        for scenario, beyond in named.items():
            ids, printed = run(revision, scenario)
            # A scenario that the suite skips has no checks, and does not pass here.
            if ids["SUCCESS"] and sorted(ids["FAILURE"]) == beyond:
                rest = f", {len(beyond)} need more than this host has" if beyond else ""
                print(f"ok {revision} {scenario}: {len(ids['SUCCESS'])} checks{rest}", flush=True)
                scenarios += 1
                checks += len(ids["SUCCESS"])
            else:
                print(f"{printed}\nFAILED {revision} {scenario}: {sorted(ids['FAILURE'])}", flush=True)
                failed += 1
    print(f"Scenarios of the MCP conformance suite ({checks} checks): {scenarios} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(everything() if sys.argv[1:] == ["all"] else required())
