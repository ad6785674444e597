"""The main job, end to end: a model writes a tool over MCP, a person approves it, clients call it.

The clients are the official Python one, fastmcp, the official TypeScript ones of both majors and the official
Inspector, in both eras of the protocol where they speak both.
MCPBOX_URL, MCPBOX_DATA_DIR and MCPBOX_BIN say which host; scripts/with-host.sh starts it. Each step
stands on the one before, so the first that fails ends the journey.
"""

import asyncio
import json
import os
import pathlib
import secrets
import sys
import traceback

import asking
import fastmcp
from mcp import Client
from mcp.client.sse import sse_client
from programs import URL, http, inspector, mcpbox, process, typescript

COMPONENT = pathlib.Path(__file__).parent.parent.parent / "guest-sdk/dist/conformance.wasm"
DATABASE = "PostgreSQL" if os.environ.get("DATABASE_URL") else "SQLite"
ERAS = {"legacy": "2025-11-25", "auto": "2026-07-28"}

MANAGEMENT = {
    f"mcpbox_{verb}"
    for verb in (
        "list_servers get_server create_server delete_server start_server stop_server list_server_secrets "
        "create_server_secret get_server_modules list_tools get_tool get_tool_status validate_code create_tool "
        "update_tool delete_tool list_tool_versions rollback_tool request_module request_network_access "
        "request_publish list_pending_requests test_code get_tool_logs help list_external_sources "
        "add_external_source discover_external_tools import_external_tools"
    ).split()
}

SOURCE = '''
from dataclasses import dataclass

@dataclass
class Forecast:
    city: str
    degrees: list[int]

async def main(city: str, days: int = 2) -> Forecast:
    """Tells the weather.

    Args:
        city: Where.
        days: For how many days.
    """
    print("asked for", city)
    return Forecast(city, [10 + day for day in range(days)])
'''


ROUTE = '''
import getopt

async def main(city: str) -> str:
    """Says how to get there."""
    _, (place,) = getopt.getopt([city], "")
    return f"WORD {place}"
'''


WAITS = '''
import asyncio

async def main():
    """Says how far it is, then waits for an hour."""
    progress(1, 2)
    progress(2, 2)
    await asyncio.sleep(3600)
'''


class Journey:
    """What the steps know of each other."""

    username = "astrid"
    password = secrets.token_urlsafe(16)
    name = "weather__forecast"

    def __init__(self):
        self.token = None
        self.server_id = None
        self.tool_id = None
        self.route_id = None
        self.waits_id = None
        self.waited = 0

    def decide(self, what, action, reason=None):
        body = {"action": action, "reason": reason}
        status, answer = http("POST", f"/api/approvals/{what}/action", body, token=self.token)
        assert status == 200, (status, answer)

    async def write_route(self, word):
        await manage("update_tool", tool_id=self.route_id, python_code=ROUTE.replace("WORD", word))

    async def was_cancelled(self, who):
        """That the call that waits was; its row follows the call by a moment."""
        async with Client(URL + "/mcp") as client:
            for _ in range(1_000):
                arguments = {"tool_id": self.waits_id, "limit": 50}
                logs = (await client.call_tool("mcpbox_get_tool_logs", arguments)).structured_content["logs"]
                if len(logs) > self.waited:
                    self.waited = len(logs)
                    assert logs[0]["outcome"] == "cancelled", f"{who}: {logs[0]}"
                    return
        raise AssertionError(f"the call left no row: {logs}")

    async def routed(self):
        return (await call("weather__route", {"city": "Oslo"}))["result"]

    # --- the first visit

    async def both_eras_see_the_management_tools(self):
        for mode, version in ERAS.items():
            async with Client(URL + "/mcp", mode=mode) as client:
                assert client.protocol_version == version, f"{mode} speaks {client.protocol_version}"
                listed = {tool.name: tool for tool in (await client.list_tools()).tools}
                assert MANAGEMENT <= set(listed), f"missing: {sorted(MANAGEMENT - set(listed))}"
                for tool in listed.values():
                    assert tool.description and tool.input_schema["type"] == "object", f"{tool.name} says too little"

    async def a_model_makes_a_server(self):
        server = await manage("create_server", name="weather", description="Forecasts")
        self.server_id = server["id"]
        servers = (await manage("list_servers"))["servers"]
        assert [one["name"] for one in servers] == ["weather"], servers
        assert (await manage("get_server", server_id=self.server_id))["name"] == "weather"

    async def a_second_server_of_the_name_is_refused_with_words(self):
        words = await manage_refused("create_server", name="weather")
        assert "weather" in words, words

    async def a_model_checks_its_code(self):
        check = await manage("validate_code", code=SOURCE)
        assert check["valid"] and check["has_main"], check
        assert check["input_schema"]["required"] == ["city"], check
        broken = await manage("validate_code", code="async def main(:\n    pass\n")
        assert not broken["valid"] and broken["error"], broken

    async def a_model_makes_a_tool(self):
        tool = await manage("create_tool", server_id=self.server_id, name="forecast", python_code=SOURCE)
        self.tool_id = tool["id"]
        assert tool["approval_status"] == "draft", tool
        tools = (await manage("list_tools", server_id=self.server_id))["tools"]
        assert [one["name"] for one in tools] == ["forecast"], tools
        found = await manage("get_tool", tool_id=self.tool_id)
        assert found["python_code"] == SOURCE and found["gateway_name"] == self.name, found

    async def a_draft_is_neither_listed_nor_callable(self):
        assert self.name not in await listed_names()
        await refused(self.name, {"city": "Oslo"})
        await manage_refused("test_code", tool_id=self.tool_id, arguments={"city": "Oslo"})

    async def a_tool_that_waits_is_neither_listed_nor_callable(self):
        tool = await manage("request_publish", tool_id=self.tool_id, notes="Please")
        assert tool["approval_status"] == "pending_review", tool
        assert self.name not in await listed_names()
        await refused(self.name, {"city": "Oslo"})

    # --- a person

    async def a_model_cannot_decide(self):
        status, _ = http("POST", f"/api/approvals/tools/{self.tool_id}/action", {"action": "approve"})
        assert status == 401, status

    async def a_wrong_setup_code_makes_nobody(self):
        body = {"username": self.username, "password": self.password, "setup_code": "wrong"}
        status, answer = http("POST", "/auth/setup", body)
        assert 400 <= status < 500, (status, answer)

    async def a_person_sets_up_with_the_code(self):
        code = (pathlib.Path(os.environ["MCPBOX_DATA_DIR"]) / "setup-code").read_text().strip()
        body = {"username": self.username, "password": self.password, "setup_code": code}
        status, answer = http("POST", "/auth/setup", body)
        assert status in (200, 201), (status, answer)
        status, answer = http("POST", "/auth/setup", {**body, "username": "mallory"})
        assert 400 <= status < 500, f"the code worked twice: {status} {answer}"

    async def a_person_logs_in(self):
        status, answer = http("POST", "/auth/login", {"username": self.username, "password": self.password})
        assert status == 200 and answer["access_token"], (status, answer)
        self.token = answer["access_token"]
        status, _ = http("POST", "/auth/login", {"username": self.username, "password": "wrong"})
        assert status == 401, status

    async def a_person_approves_over_the_api(self):
        status, answer = http(
            "POST", f"/api/approvals/tools/{self.tool_id}/action", {"action": "approve"}, token=self.token
        )
        assert status == 200, (status, answer)

    # --- calls

    async def both_eras_call_the_tool(self):
        for mode in ERAS:
            async with Client(URL + "/mcp", mode=mode) as client:
                tool = {tool.name: tool for tool in (await client.list_tools()).tools}[self.name]
                assert tool.input_schema["properties"]["days"]["default"] == 2, tool
                assert tool.input_schema["properties"]["city"]["description"] == "Where.", tool
                assert tool.output_schema["properties"]["degrees"]["type"] == "array", tool
                result = await client.call_tool(self.name, {"city": "Oslo", "days": 3})
                assert not result.is_error, result
                expected = {"city": "Oslo", "degrees": [10, 11, 12]}
                assert result.structured_content == expected, result
                assert json.loads(result.content[0].text) == expected, result

    async def arguments_that_do_not_fit_are_told_apart(self):
        async with Client(URL + "/mcp") as client:
            result = await client.call_tool(self.name, {"city": "Oslo", "days": "many"})
            assert result.is_error and "days" in result.content[0].text, result

    async def the_inspector_lists_and_calls_in_both_eras(self):
        for era in ("legacy", "modern"):
            tools = inspector(era, "--method", "tools/list")["tools"]
            assert self.name in {tool["name"] for tool in tools}, tools
            result = inspector(
                era, "--method", "tools/call", "--tool-name", self.name, "--tool-arg", "city=Rome", "days=1"
            )
            assert result["structuredContent"] == {"city": "Rome", "degrees": [10]}, result

    async def a_process_that_a_client_starts_serves_both_eras(self):
        for mode, version in ERAS.items():
            async with Client(process(), mode=mode) as client:
                assert client.protocol_version == version, f"{mode} speaks {client.protocol_version}"
                result = await client.call_tool(self.name, {"city": "Oslo", "days": 1})
                assert result.structured_content == {"city": "Oslo", "degrees": [10]}, result

    async def a_client_of_the_oldest_transport_calls_the_tool(self):
        async with Client(sse_client(URL + "/sse"), mode="legacy") as client:
            assert self.name in {tool.name for tool in (await client.list_tools()).tools}
            result = await client.call_tool(self.name, {"city": "Oslo", "days": 1})
            assert not result.is_error and json.loads(result.content[0].text)["degrees"] == [10], result

    async def a_tool_that_waits_for_an_hour_is_approved(self):
        tool = await manage("create_tool", server_id=self.server_id, name="waits", python_code=WAITS)
        self.waits_id = tool["id"]
        await manage("request_publish", tool_id=self.waits_id)
        self.decide(f"tools/{self.waits_id}", "approve")

    async def a_component_whose_tools_ask_is_approved(self):
        status, server = http("POST", "/api/servers", {"name": "suite"}, token=self.token)
        assert status == 201, (status, server)
        path = f"/api/servers/{server['id']}/components?name=suite"
        status, tool = http("POST", path, COMPONENT.read_bytes(), token=self.token)
        assert status == 201, (status, tool)
        self.decide(f"tools/{tool['id']}", "approve")

    async def the_python_client_is_asked_hears_of_progress_and_cancels_in_both_eras(self):
        for mode, version in ERAS.items():
            await asking.with_the_official_client(URL + "/mcp", mode, version, "weather__waits")
            await self.was_cancelled(mode)

    async def a_process_that_a_client_starts_asks_in_both_eras(self):
        for mode, version in ERAS.items():
            await asking.with_the_official_client(process(), mode, version, "weather__waits")
            await self.was_cancelled(mode)

    async def a_client_of_the_oldest_transport_is_asked(self):
        stream = sse_client(URL + "/sse")
        await asking.with_the_official_client(stream, "legacy", ERAS["legacy"], "weather__waits")
        await self.was_cancelled("sse")

    async def the_typescript_clients_list_call_answer_hear_of_progress_and_cancel(self):
        for which, version in (("v1", "2025-11-25"), ("legacy", "2025-11-25"), ("auto", "2026-07-28")):
            seen = typescript(which, self.name, {"city": "Lima", "days": 1}, "weather__waits")
            assert seen["version"] == version, seen
            assert self.name in seen["tools"] and seen["result"] == {"city": "Lima", "degrees": [10]}, seen
            assert seen["asked"] == [asking.MESSAGE] and asking.WHO["email"] in seen["told"], seen
            assert seen["progress"] == [[1, 2], [2, 2]] and seen["cancelled"] is True, seen
            await self.was_cancelled(which)

    async def fastmcp_lists_calls_answers_hears_of_progress_and_cancels_in_both_eras(self):
        for mode in ERAS:
            async with fastmcp.Client(URL + "/mcp", mode=mode) as client:
                assert self.name in {tool.name for tool in await client.list_tools()}
                result = await client.call_tool(self.name, {"city": "Lima", "days": 1})
                assert result.structured_content == {"city": "Lima", "degrees": [10]}, result
            await asking.with_fastmcp(URL + "/mcp", mode, "weather__waits")
            await self.was_cancelled(mode)

    async def one_server_is_served_by_itself(self):
        async with Client(URL + "/mcp/servers/weather") as client:
            assert {tool.name for tool in (await client.list_tools()).tools} == {"forecast", "waits"}
            result = await client.call_tool("forecast", {"city": "Lima", "days": 1})
            assert result.structured_content == {"city": "Lima", "degrees": [10]}, result

    async def a_long_list_gives_way_to_a_search(self):
        async with Client(URL + "/mcp?tools=search") as client:
            assert self.name not in {tool.name for tool in (await client.list_tools()).tools}
            found = await client.call_tool("mcpbox_search_tools", {"query": "weather forecast"})
            assert found.structured_content["tools"][0]["name"] == self.name, found
            through = {"name": self.name, "arguments": {"city": "Lima", "days": 1}}
            result = await client.call_tool("mcpbox_call_tool", through)
            assert result.structured_content == {"city": "Lima", "degrees": [10]}, result

    async def the_command_line_calls_the_tool(self):
        done = mcpbox("call", self.name, '{"city": "Bergen", "days": 1}')
        assert done.returncode == 0 and json.loads(done.stdout) == {"city": "Bergen", "degrees": [10]}, done

    async def a_model_tries_the_approved_tool(self):
        tried = await manage("test_code", tool_id=self.tool_id, arguments={"city": "Bergen", "days": 1})
        assert tried["success"] and tried["result"] == {"city": "Bergen", "degrees": [10]}, tried

    # --- a change

    async def a_change_waits_while_the_approved_version_answers(self):
        changed = SOURCE.replace("10 + day", "20 + day")
        tool = await manage("update_tool", tool_id=self.tool_id, python_code=changed)
        assert tool["current_version"] == 2 and tool["live_version"] == 1, tool
        assert (await call(self.name, {"city": "Oslo"}))["degrees"] == [10, 11]
        if tool["approval_status"] == "draft":
            await manage("request_publish", tool_id=self.tool_id)
        assert (await call(self.name, {"city": "Oslo"}))["degrees"] == [10, 11]

    async def a_wrong_password_approves_nothing(self):
        done = mcpbox("tool", "approve", self.name, "--username", self.username, "--yes", stdin="wrong\n")
        assert done.returncode == 1, done
        assert (await call(self.name, {"city": "Oslo"}))["degrees"] == [10, 11]

    async def a_person_approves_on_the_command_line(self):
        done = mcpbox("tool", "approve", self.name, "--username", self.username, "--yes", stdin=self.password + "\n")
        assert done.returncode == 0, done
        assert "20 + day" in done.stdout, "the person did not see what was approved"
        assert (await call(self.name, {"city": "Oslo"}))["degrees"] == [20, 21]

    # --- what a tool asks for, and a whole life of decisions

    async def a_model_asks_for_a_module_a_host_and_the_publication(self):
        tool = await manage("create_tool", server_id=self.server_id, name="route", python_code=ROUTE)
        self.route_id = tool["id"]
        assert tool["modules_to_request"] == ["getopt"], "a model is not told of its wrong import"
        assert "mcpbox_request_module" in tool["message"], tool
        because = "Addresses are read as options are"
        await manage("request_module", tool_id=self.route_id, module_name="getopt", justification=because)
        await manage("request_network_access", tool_id=self.route_id, host="maps.example", justification=because)
        await manage("request_publish", tool_id=self.route_id)
        summary = (await manage("list_pending_requests"))["summary"]
        assert summary == {"tools": 1, "modules": 1, "network": 1, "sources": 0, "total": 3}, summary

    async def a_person_rejects_with_a_reason_that_the_model_reads(self):
        self.decide(f"tools/{self.route_id}", "reject", "Say the word first")
        await refused("weather__route", {"city": "Oslo"})
        status = await manage("get_tool_status", tool_id=self.route_id)
        assert status["rejection_reason"] == "Say the word first", status

    async def what_was_mended_is_approved_with_what_it_asks_for(self):
        await self.write_route("first")
        await manage("request_publish", tool_id=self.route_id)
        for kind in ("modules", "network"):
            status, waiting = http("GET", f"/api/approvals/{kind}?status=pending", token=self.token)
            assert status == 200 and waiting["total"] == 1, (status, waiting)
            self.decide(f"{kind}/{waiting['items'][0]['id']}", "approve")
        self.decide(f"tools/{self.route_id}", "approve")
        assert await self.routed() == "first Oslo"

    async def an_edit_waits_while_the_old_version_answers(self):
        await self.write_route("second")
        assert await self.routed() == "first Oslo"
        self.decide(f"tools/{self.route_id}", "approve")
        assert await self.routed() == "second Oslo"

    async def a_version_comes_back_with_an_approval(self):
        versions = (await manage("list_tool_versions", tool_id=self.route_id))["versions"]
        await manage("rollback_tool", tool_id=self.route_id, version=versions[1]["version"])
        assert await self.routed() == "second Oslo"
        self.decide(f"tools/{self.route_id}", "approve")
        assert await self.routed() == "first Oslo"

    async def a_revoked_tool_is_refused(self):
        body = {"reason": "No longer wanted"}
        status, answer = http("POST", f"/api/approvals/tools/{self.route_id}/revoke", body, token=self.token)
        assert status == 200, (status, answer)
        assert "weather__route" not in await listed_names()
        await refused("weather__route", {"city": "Oslo"})

    # --- afterwards

    async def the_log_shows_the_calls(self):
        logs = (await manage("get_tool_logs", tool_id=self.tool_id, limit=50))["logs"]
        assert len(logs) >= 9, f"{len(logs)} rows"
        newest = logs[0]
        assert "asked for Oslo" in json.dumps(newest), newest
        assert "Oslo" in json.dumps(newest) and newest["success"], newest

    async def a_stopped_server_offers_nothing(self):
        await manage("stop_server", server_id=self.server_id)
        assert self.name not in await listed_names()
        await refused(self.name, {"city": "Oslo"})

    async def a_started_server_offers_its_tools_again(self):
        await manage("start_server", server_id=self.server_id)
        assert (await call(self.name, {"city": "Oslo"}))["degrees"] == [20, 21]


async def listed_names():
    async with Client(URL + "/mcp") as client:
        return {tool.name for tool in (await client.list_tools()).tools}


async def call(name, arguments):
    async with Client(URL + "/mcp") as client:
        result = await client.call_tool(name, arguments)
        assert not result.is_error, f"{name}: {result.content}"
        return result.structured_content


async def refused(name, arguments):
    """Calls what must not answer; returns the host's words."""
    async with Client(URL + "/mcp") as client:
        try:
            result = await client.call_tool(name, arguments)
        except Exception as error:
            return str(error)
        assert result.is_error, f"{name} answered {result.content}"
        return result.content[0].text


async def manage(verb, **arguments):
    return await call(f"mcpbox_{verb}", arguments)


async def manage_refused(verb, **arguments):
    return await refused(f"mcpbox_{verb}", arguments)


async def main():
    journey = Journey()
    helpers = {"decide", "write_route", "routed", "was_cancelled"}
    steps = [step for name, step in vars(Journey).items() if callable(step) and name not in helpers and name[0] != "_"]
    passed = 0
    for step in steps:
        sentence = step.__name__.replace("_", " ")
        try:
            await step(journey)
        except Exception:
            traceback.print_exc()
            print(f"FAILED {sentence}", flush=True)
            break
        print(f"ok {sentence}", flush=True)
        passed += 1
    failed = 0 if passed == len(steps) else 1
    skipped = len(steps) - passed - failed
    print(f"Journey of the clients on {DATABASE}: {passed} passed, {failed} failed, {skipped} not reached")
    return failed


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
