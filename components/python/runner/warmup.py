"""Runs typical tools before the snapshot, so that caches, inline caches and lazy imports are warm.

No host exists at build time: its functions are replaced for as long as the warm-up lasts.
"""

import contextlib
import io
import sys

from componentize_py_types import Err
from wit_world.exports.runner import Imports
from wit_world.imports.client import Abilities, Answer_Result, Method
from wit_world.imports.http import Error_Denied, Response

from . import host

ROUNDS = 30

_TYPICAL = '''
import asyncio, json, math, re, time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from datetime import UTC, timedelta
from enum import Enum
from typing import Annotated, Literal, Optional

class Unit(Enum):
    C = "celsius"
    F = "fahrenheit"

@dataclass
class Reading:
    """One measurement.

    Args:
        place: where it was taken
    """
    place: str
    degrees: float = 0.0
    tags: list[str] = field(default_factory=list)

WORD = re.compile(r"(\\w+)")

async def main(
    city: Annotated[str, "where"],
    unit: Literal["C", "F"] = "C",
    limit: int | None = None,
    kind: Unit = Unit.C,
    reading: Optional[Reading] = None,
    tags: set[str] = frozenset(),
) -> dict:
    """Says how warm it is.

    Args:
        unit: C or F
    """
    print("asked for", city)
    log.info("asked")
    progress(1, 2, "half")
    assert arguments["city"] == city and "KEY" in secrets and secrets["KEY"]
    answer = await http.get("https://example.com/a", params={"q": city}, headers={"accept": "text/html"})
    answer.raise_for_status()
    several = await asyncio.gather(*(http.post("https://example.com/b", json={"n": n}) for n in range(2)))
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.sleep(0.001))
    try:
        await http.get("https://denied.example")
    except http.Error as error:
        denied = str(error)
    words = Counter(WORD.findall(city))
    now = datetime.datetime.now(UTC) + timedelta(days=1)
    return {
        "city": city, "words": words, "reading": asdict(Reading(city, 1.5)), "object": Reading(city), "unit": Unit.F,
        "at": now.isoformat(), "root": math.sqrt(2), "text": answer.text[:10], "json": [one.json() for one in several],
        "denied": denied, "sorted": sorted(words.items(), key=lambda pair: -pair[1]), "f": f"{1.5:.2f} {city!r:>10}",
    }
'''

_PLAIN = '''
def main(a: int, b: int = 2) -> int:
    """Adds."""
    answer = http.sync.get("https://example.com/")
    return a + b
'''

_ASKING = '''
from dataclasses import dataclass

@dataclass
class Order:
    count: int
    express: bool = False

async def main(what: str, ctx: Context) -> Content:
    """Orders something."""
    if not ctx.can("elicitation", "sampling"):
        ctx.require("elicitation")
    answer = ctx.elicit(f"Order {what}?", Order)
    more = await ctx.elicit("Which?", {"size": ["small", "large"], "note": str | None, "n": {"type": "integer"}}, key="more")
    said = await ctx.sample(["hello"], system="short")
    ctx.progress(1, 2, "half")
    ctx.info("asked")
    ctx.become_task()
    picture = ctx.image(b"\\x89PNG\\r\\n\\x1a\\n", audience="user", priority=0.5)
    if answer and more:
        return ctx.result([picture, said.text, ctx.text("x"), {"a": 1}], structured={"count": answer.content.count})
    return [ctx.link("https://example.com/", "example"), ctx.resource("x:y", b"z"), ctx.audio(b"fLaC")]
'''

_SIMPLE = '''
async def main(name: str = "you"):
    return f"hello {name}"
'''

_FAILING = '''
def inner(value):
    return 1 / value

def main():
    try:
        inner(0)
    except ZeroDivisionError as error:
        raise ValueError("no") from error
'''

# (source, arguments, what comes of it: None for a result, otherwise the kind of the exception)
_CASES = [
    (_TYPICAL, '{"city": "Oslo", "kind": "celsius", "reading": {"place": "x"}, "tags": ["a"]}', None),
    (_PLAIN, '{"a": 1}', None),
    (_SIMPLE, '{"name": "Ada"}', None),
    (_ASKING, '{"what": "tea"}', None),
    (_FAILING, "{}", "ValueError"),
    (_PLAIN, "{}", "TypeError"),
    ("def main(:", "{}", "SyntaxError"),
]


_SAID = {
    Method.ELICITATION: '{"action": "accept", "content": {"count": 2, "express": true, "size": "small", "n": 1}}',
    Method.SAMPLING: '{"role": "assistant", "model": "m", "content": {"type": "text", "text": "hi"}}',
    Method.ROOTS: '{"roots": [{"uri": "file:///a"}]}',
}
_MODULES = "asyncio json math re time collections dataclasses datetime enum typing urllib.parse".split()


class _PretendedHost:
    """Answers at once."""

    _started = 0

    def start(self, request):
        if "denied" in request.url:
            raise Err(Error_Denied("no grant"))
        self._started += 1
        return self._started

    def wait(self, ids, timeout_ms):
        return ids

    def take(self, request):
        return Response(200, [("Content-Type", "application/json; charset=utf-8")], b'{"a": [1, 2.5, "x", null]}')

    def cancel(self, request):
        pass

    def secret_names(self):
        return ["KEY"]

    def secret_get(self, name):
        return "value"

    def log_emit(self, level, message):
        pass

    def progress_report(self, progress, total, message):
        pass

    def client_can(self):
        return Abilities.SAMPLING

    def client_require(self, abilities):
        pass

    def client_ask(self, questions):
        return [Answer_Result(_SAID[one.method]) for one in questions]

    def become_task(self):
        pass


@contextlib.contextmanager
def _pretending():
    pretended = _PretendedHost()
    names = [name for name in dir(_PretendedHost) if not name.startswith("_")]
    real = {name: getattr(host, name) for name in names}
    out, err = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
    try:
        for name in names:
            setattr(host, name, getattr(pretended, name))
        yield
    finally:
        for name, function in real.items():
            setattr(host, name, function)
        sys.stdout, sys.stderr = out, err


def run(runner, tool):
    """A case that ends otherwise than it should fails the build."""
    with _pretending():
        for turn in range(ROUNDS):
            for source, arguments, expected in _CASES:
                error = _one(runner, source, arguments, early=turn % 2 == 0)
                if (error and error.kind) != expected:
                    raise RuntimeError(f"a warm-up case ended with {error} instead of {expected}")
                tool.reset()


def _one(runner, source, arguments, early):
    try:
        described = runner.describe(source)
        runner.load(described.code, source, early, None if early else arguments, Imports(_MODULES, "ask", False))
        runner.call(arguments)
    except Err as error:
        return error.value
    return None
