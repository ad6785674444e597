"""What the host calls, and everything that is done once, at build time, before the snapshot."""

import sys

# First of all: what is imported from here on must be findable at run time, too.
from . import memory_import

_MEMORY = memory_import.Memory()
_MEMORY.collect("/python")
memory_import.bundle(_MEMORY, sys.path)
memory_import.install(_MEMORY)

import marshal  # noqa: E402

from componentize_py_types import Err  # noqa: E402

from . import process  # noqa: E402

process.complete_builtins()

from . import capabilities, errors, http_client, imports, loop, packages, schema, warmup  # noqa: E402
from .tool import Tool  # noqa: E402

process.preload()
loop.install()
imports.install()
TOOL = Tool(http_client.make(), capabilities.make_secrets())


class Runner:
    """The exported interface `runner`. Anything but `Err` that leaves these functions is a trap."""

    def describe(self, source):
        TOOL.source = source
        return _reporting(schema.describe, source)

    def load(self, code, source, early, arguments, imports):
        return _reporting(TOOL.load, code, source, early, arguments, imports)

    def compile_module(self, source, file):
        return packages.compiled(source, file)

    def call(self, arguments):
        outcome = _reporting(TOOL.call, arguments)
        process.flush()
        return outcome


def _reporting(function, *args):
    try:
        return function(*args)
    except BaseException as error:
        recorded = _record(error)  # First of all, because it makes room if there is no memory left.
        process.flush()
        raise Err(recorded) from None


def _record(error):
    try:
        if isinstance(error, MemoryError):
            TOOL.release()
            errors.free(error)
        return errors.record(error, TOOL.source)
    except BaseException:
        TOOL.release()
        return errors.LAST_RESORT


class WitWorld:
    """The world itself exports nothing beside `runner`."""


warmup.run(Runner(), TOOL)
process.settle()
