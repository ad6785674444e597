"""Asks a host everything that its OpenAPI document allows and much that it forbids, and holds the answers to it.

usage: fuzz.py SCHEMATHESIS. MCPBOX_URL and MCPBOX_DATA_DIR say which host; run.sh starts it. The seed is fixed,
and so is the number of requests: what fails here fails everywhere.
"""

import json
import os
import pathlib
import secrets
import subprocess
import sys
import tempfile
import urllib.request
import xml.etree.ElementTree

URL = os.environ["MCPBOX_URL"]
SEED = "20260728"

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
    "use_after_free",
    "ensure_resource_availability",
    "ignored_auth",
)

# What is not asked, and why. Every other operation is.
LEFT_OUT = {
    "sessions.logout": "it ends the session that all requests show",
    "sessions.revoke": "the list of sessions names that one",
    "sessions.change_password": "so does this one, should the password ever be guessed",
}

SOURCE = 'def main(city: str = "Oslo", days: int = 2) -> dict:\n    return {"city": city, "days": days}\n'


def ask(method, path, body=None, token=None):
    """The JSON of an answer, which has to be a success."""
    headers = {"content-type": "application/json"} | ({"authorization": f"Bearer {token}"} if token else {})
    request = urllib.request.Request(URL + path, json.dumps(body or {}).encode(), headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=60) as response:
        return json.loads(response.read() or b"null")


def log_in():
    code = (pathlib.Path(os.environ["MCPBOX_DATA_DIR"]) / "setup-code").read_text().strip()
    account = {"username": "fuzzer", "password": secrets.token_urlsafe(16)}
    ask("POST", "/auth/setup", {**account, "setup_code": code})
    return ask("POST", "/auth/login", account)["access_token"]


def furnish(token):
    """Lists that are not empty: a server with a tool that was called, a draft that waits, a secret, a key."""
    server = ask("POST", "/api/servers", {"name": "weather"}, token)["id"]
    for name in ("forecast", "waiting"):
        tool = ask("POST", f"/api/servers/{server}/tools", {"name": name, "python_code": SOURCE}, token)["id"]
        action = "approve" if name == "forecast" else "submit"
        ask("POST", f"/api/approvals/tools/{tool}/action", {"action": action}, token)
        if name == "forecast":
            ask("POST", "/api/tools/test-code", {"tool_id": tool, "arguments": {}}, token)
    ask("POST", f"/api/servers/{server}/secrets", {"key_name": "KEY", "value": "sesame"}, token)
    ask("POST", f"/api/servers/{server}/allowed-hosts", {"host": "api.example"}, token)
    ask("POST", "/api/api-keys", {"name": "laptop"}, token)


def main(schemathesis):
    token = log_in()
    furnish(token)
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.xml"
        command = [
            schemathesis, "run", f"{URL}/api/openapi.json",
            "--header", f"Authorization: Bearer {token}",
            "--checks", ",".join(CHECKS),
            "--phases", "examples,coverage,fuzzing,stateful",
            "--max-examples", os.environ.get("MCPBOX_FUZZ_EXAMPLES", "50"),
            "--seed", SEED,
            "--continue-on-failure",
            "--warnings", "off",
            "--no-color",
            "--generation-database", "none",
            "--report", "junit",
            "--report-junit-path", str(report),
        ]  # fmt: skip
        for operation in LEFT_OUT:
            command += ["--exclude-operation-id", operation]
        done = subprocess.run(command, cwd=folder)
        cases = list(xml.etree.ElementTree.parse(report).iter("testcase")) if report.exists() else []
    failed = sum(any(part.tag in ("failure", "error") for part in case) for case in cases)
    # A run that broke off has failed, whatever it counted.
    if done.returncode and not failed:
        failed = 1
    print(f"Operations of the API under schemathesis: {len(cases) - failed} passed, {failed} failed")
    return 1 if failed or not cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
