"""A component in Python: tools that componentize-py turns into WebAssembly, with all of CPython.

For a tool in one file, MCPbox runs Python source as it is, and starts it faster; a component is for
those who want to choose the packages and the interpreter themselves. `wit_world` is generated from
the contract.
"""

import json
import statistics

from componentize_py_types import Err
from wit_world.exports.tools import (
    Tool,
    ToolAnnotations,
    ToolError_Failed,
    ToolError_InvalidArguments,
    ToolError_UnknownTool,
    ToolResult,
)
from wit_world.imports import http, log, secrets
from wit_world.imports.types import Content_Text, LogLevel, TextContent

READ_ONLY = ToolAnnotations(read_only=True, destructive=None, idempotent=None, open_world=None)


def describe(numbers: list) -> dict:
    if len(numbers) < 2:
        raise Err(ToolError_InvalidArguments("at least two numbers are needed"))
    return {"mean": statistics.fmean(numbers), "deviation": statistics.stdev(numbers)}


def fetch(url: str) -> dict:
    headers = []
    token = secrets.get("TOKEN")
    if token is not None:
        headers.append(("authorization", f"Bearer {token}"))
    try:
        # A request that was started runs on by itself: start several, then take each.
        response = http.take(http.start(http.Request("GET", url, headers, None, None)))
    except Err as error:
        raise Err(ToolError_Failed(f"{url}: {error.value.value}")) from None
    log.emit(LogLevel.INFO, f"{url} answered {response.status}")
    return {"status": response.status, "text": response.body.decode(errors="replace")}


def schema(properties: dict) -> str:
    return json.dumps({"type": "object", "properties": properties, "required": list(properties)})


NUMBER = {"type": "number"}
# For each tool its function and how it is described.
TOOLS = {
    "describe": (
        describe,
        "Mean and standard deviation of numbers.",
        schema({"numbers": {"type": "array", "items": NUMBER}}),
        schema({"mean": NUMBER, "deviation": NUMBER}),
    ),
    "fetch": (
        fetch,
        "Fetches a page.",
        schema({"url": {"type": "string", "description": "Its address."}}),
        schema({"status": {"type": "integer"}, "text": {"type": "string"}}),
    ),
}


class Tools:
    """The exported interface `tools`. Anything but `Err` that leaves these functions is a trap."""

    def list_tools(self) -> list[Tool]:
        return [
            Tool(name, None, description, input_schema, output_schema, READ_ONLY)
            for name, (_, description, input_schema, output_schema) in TOOLS.items()
        ]

    def call_tool(self, name: str, arguments: str) -> ToolResult:
        if name not in TOOLS:
            raise Err(ToolError_UnknownTool())
        try:
            result = json.dumps(TOOLS[name][0](**json.loads(arguments)))
        except Err:
            raise
        except Exception as error:
            raise Err(ToolError_Failed(f"{type(error).__name__}: {error}")) from None
        return ToolResult([Content_Text(TextContent(result, None))], result)
