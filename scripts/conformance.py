#!/usr/bin/env python3
"""Runs the official MCP conformance suite against a host that is already running, every server scenario at each
revision, scored or not. All have to pass, without a warning; there is no list of failures that are expected. What the
suite leaves out itself is named in the end, with its reason, and does not count as passed.

What the scenarios ask a server for is in a component, `components/conformance`. It goes through the product's own
doors first: a person uploads it to a fresh host, approves it, and starts its server. The suite is run against that
server's own address. MCPBOX_URL says which host, MCPBOX_DATA_DIR where its setup code is, and the command
`conformance` is on PATH (`make conformance` sees to all of it). Arguments name the scenarios to run; none: all.
"""

import collections
import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile
import urllib.request

HOST = os.environ["MCPBOX_URL"]
COMPONENT = pathlib.Path(__file__).parent.parent / "guest-sdk/dist/conformance.wasm"
SERVER = "conformance"
URL = f"{HOST}/mcp/servers/{SERVER}"
# Each with what the suite writes beside the scenarios that it has for it.
REVISIONS = {"2025-11-25": {"2025-11-25"}, "2026-07-28": {"2026-07-28", "extension"}}
# What the suite looks at in every scenario, whether it runs the scenario's own checks or not.
EVERYWHERE = {"wire-schema-valid"}
# What the suite may skip: a scenario that it has not written yet. Any other that skips a check fails, and so does one
# of these that runs its checks: then it belongs here no more.
MAY_SKIP = {"tasks-status-notifications"}
# Checks that the suite leaves out without a word where a server gives no occasion for them.
MUST_RUN = {"server-sse-polling": {"server-sse-priming-event", "server-sse-retry-field", "server-sse-disconnect-resume"}}


def ask(method, path, body=None, token=None, content_type="application/json"):
    """The JSON of an answer, which has to be a success."""
    headers = {"content-type": content_type} | ({"authorization": f"Bearer {token}"} if token else {})
    data = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
    request = urllib.request.Request(HOST + path, data, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=300) as response:
        return json.loads(response.read() or b"null")


def furnish():
    """Makes a person, who uploads the component, approves it and starts its server."""
    code = (pathlib.Path(os.environ["MCPBOX_DATA_DIR"]) / "setup-code").read_text().strip()
    account = {"username": "conformance", "password": secrets.token_urlsafe(16)}
    ask("POST", "/auth/setup", {**account, "setup_code": code})
    token = ask("POST", "/auth/login", account)["access_token"]
    server = ask("POST", "/api/servers", {"name": SERVER}, token)["id"]
    path = f"/api/servers/{server}/components?name=suite"
    tool = ask("POST", path, COMPONENT.read_bytes(), token, "application/wasm")["id"]
    ask("POST", f"/api/approvals/tools/{tool}/action", {"action": "approve"}, token)


def scenarios(revision):
    """The names of all server scenarios that the suite has for a revision."""
    listed = subprocess.run(["conformance", "list", "--server"], check=True, capture_output=True, text=True).stdout
    found = re.findall(r"^  - (\S+) \[(.*)\]$", listed, re.M)
    return [name for name, revisions in found if REVISIONS[revision] & set(re.split(r",\s*", revisions))]


def run(revision, scenario):
    """The checks by their status, and what the suite printed."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["conformance", "server", "--url", URL, "--spec-version", revision, "--scenario", scenario]
        # `--force`: extensions belong to no revision, and are run beside the newest.
        command += ["--force", "-o", folder]
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120)
        files = [json.loads(file.read_text()) for file in pathlib.Path(folder).glob("*/checks.json")]
    checks = collections.defaultdict(list)
    for check in files[0] if files else []:
        checks[check["status"]].append(check)
    return checks, done.stdout


def ids(checks):
    return {check["id"] for check in checks}


def fault(scenario, checks):
    """What keeps a scenario from having passed, or from having been skipped where it may be; None: nothing."""
    if checks["FAILURE"] or checks["WARNING"]:
        return f"not passed: {sorted(ids(checks['FAILURE'] + checks['WARNING']))}"
    own = ids(checks["SUCCESS"]) - EVERYWHERE
    if scenario in MAY_SKIP:
        return f"runs its checks now and may be skipped no more: {sorted(own)}" if own else None
    if checks["SKIPPED"]:
        return f"skipped: {sorted(ids(checks['SKIPPED']))}"
    if missing := MUST_RUN.get(scenario, set()) - own:
        return f"not run: {sorted(missing)}"
    # One that could not be run has no checks, and does not pass.
    return None if own else "no check was run"


def main(wanted):
    furnish()
    ran = passed = failed = 0
    skipped = []
    for revision in REVISIONS:
        for scenario in scenarios(revision):
            if wanted and scenario not in wanted:
                continue
            checks, printed = run(revision, scenario)
            ran += 1
            if found := fault(scenario, checks):
                print(f"{printed}\nFAILED {revision} {scenario}: {found}", flush=True)
                failed += 1
            elif scenario in MAY_SKIP:
                because = checks["SKIPPED"][0]["errorMessage"] if checks["SKIPPED"] else "no reason"
                skipped.append(f"skipped by the suite: {revision} {scenario} because: {because}")
            else:
                passed += len(checks["SUCCESS"])
                print(f"ok {revision} {scenario}: {len(checks['SUCCESS'])} checks", flush=True)
    for line in skipped:
        print(line)
    print(
        f"MCP conformance suite: {ran - failed - len(skipped)} scenarios passed with {passed} checks, "
        f"{failed} failed, {len(skipped)} skipped by the suite"
    )
    return 1 if failed or not ran else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
