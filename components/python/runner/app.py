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

from . import capabilities, errors, http_client, loop, process, schema, warmup  # noqa: E402
from .tool import Tool  # noqa: E402

process.preload()
loop.install()
TOOL = Tool(http_client.make(), capabilities.make_secrets())


class Runner:
    """The exported interface `runner`. Anything but `Err` that leaves these functions is a trap."""

    def describe(self, source):
        TOOL.source = source
        return self._reporting(schema.describe, source)

    def load(self, code, source, early, arguments):
        return self._reporting(TOOL.load, code, source, early, arguments)

    def call(self, arguments):
        return self._reporting(TOOL.call, arguments)

    def _reporting(self, function, *args):
        try:
            return function(*args)
        except BaseException as error:
            raise Err(_record(error)) from None
        finally:
            process.flush()


def _record(error):
    if isinstance(error, MemoryError):
        errors.free(error)
        TOOL.release()
    try:
        return errors.record(error, TOOL.source)
    except BaseException as second:
        errors.free(second)
        TOOL.release()
        return errors.LAST_RESORT


class WitWorld:
    """The world itself exports nothing beside `runner`."""


warmup.run(Runner(), TOOL)
process.settle()
