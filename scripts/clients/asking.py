"""One conversation, as each of the Python clients has it: a tool asks, another one says how far it is, and a third
one is stopped. The tools are of a component; who they ask answers as `WHO`."""

import asyncio

import fastmcp
from mcp import Client
from mcp_types import ElicitResult

WHO = {"username": "ada", "email": "ada@example.com"}
ASKS = "suite__test_elicitation"
REPORTS = "suite__test_tool_with_progress"
MESSAGE = "Who are you?"


class Heard:
    """What the person and the program of a client saw."""

    def __init__(self):
        self.asked = []
        self.progress = asyncio.Queue()

    async def hear(self, progress, total, message):
        await self.progress.put((progress, total))

    async def official(self, context, params):
        self.asked.append(params.message)
        return ElicitResult(action="accept", content=WHO)

    async def fast(self, message, response_type, params, context):
        self.asked.append(message)
        return WHO


async def converse(client, heard, waits, call, text):
    """Asks, hears and cancels; `waits` is the tool that never ends, `call` makes a call that reports progress."""
    told = text(await client.call_tool(ASKS, {"message": MESSAGE}))
    assert heard.asked == [MESSAGE], heard.asked
    assert told.startswith("User response: action=accept") and WHO["email"] in told, told
    await call(REPORTS)
    assert [await heard.progress.get() for _ in range(3)] == [(0, 100), (50, 100), (100, 100)]
    waiting = asyncio.create_task(call(waits))
    assert [await heard.progress.get() for _ in range(2)] == [(1, 2), (2, 2)]
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def with_the_official_client(target, mode, version, waits):
    """At an address, over a transport, or to a process."""
    heard = Heard()
    async with Client(target, mode=mode, elicitation_callback=heard.official) as client:
        assert client.protocol_version == version, f"{mode} speaks {client.protocol_version}"

        async def call(name):
            return await client.call_tool(name, {}, progress_callback=heard.hear)

        await converse(client, heard, waits, call, lambda result: result.content[0].text)


async def with_fastmcp(target, mode, waits):
    """At an address."""
    heard = Heard()
    async with fastmcp.Client(target, mode=mode, elicitation_handler=heard.fast) as client:

        async def call(name):
            return await client.call_tool(name, {}, progress_handler=heard.hear)

        await converse(client, heard, waits, call, lambda result: result.content[0].text)
