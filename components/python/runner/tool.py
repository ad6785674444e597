"""The one tool of this instance: its module, its loading and its one call."""

import datetime
import inspect
import json
import linecache
import marshal
import random
import sys
import types

from wit_world.exports.runner import Loaded, Outcome

from . import capabilities, content, context, conversion, host, imports, loop, packages, result
from .errors import TOOL_FILE, AuthorError

MODULE = "tool"
# Bytes kept back for reporting that the memory is used up.
RESERVE = 128 * 1024
# While a tool loads early its arguments are not there, yet must not look empty to C code that asks
# only for the size; reading this, like anything else of them, is noticed.
_NOT_YET = {"": None}


class Tool:
    def __init__(self, http, secrets):
        self.http = http
        self.secrets = secrets
        self.reset()

    def reset(self):
        """Forgets the tool and makes ready for another.

        Only the build does this: what stands ready here is in the snapshot and costs a call nothing,
        and an instance serves one call.
        """
        self.source = ""
        self.plan = None
        self.reserve = bytes(RESERVE)
        self.arguments = capabilities.Arguments()
        self.context = context.Context()
        self.loop = loop.HostLoop()
        self.module = types.ModuleType(MODULE)
        self.module.__dict__.update(
            __builtins__=imports.BUILTINS,
            __import__=imports.imported,
            http=self.http,
            json=json,
            datetime=datetime,
            secrets=self.secrets,
            arguments=self.arguments,
            log=capabilities.Log(),
            progress=capabilities.progress,
            ctx=self.context,
            Context=context.Context,
            Content=content.Content,
        )
        sys.modules[MODULE] = self.module
        host.phase.early = host.phase.touched = content.made.any = False

    def load(self, code, source, early, arguments, allowed):
        self.source = source
        imports.GATE.open(allowed.modules, allowed.advice)
        if allowed.packages:
            packages.mount()
        sys.argv = [MODULE]
        linecache.cache[TOOL_FILE] = (len(source), None, source.splitlines(True), TOOL_FILE)
        self.plan, compiled = marshal.loads(code)
        random.seed()  # The snapshot's state is the same in every instance.
        self.arguments.fill(_NOT_YET if early else parsed(arguments or "{}"))
        host.phase.early = early
        try:
            exec(compiled, self.module.__dict__)
        except BaseException:
            if not host.phase.touched:
                raise
        finally:
            host.phase.early = False
        return Loaded.NEEDS_CALL if host.phase.touched else Loaded.READY

    def release(self):
        """Lets go of everything that the tool holds, so that there is memory to report with.

        The reserve first: what follows needs a little itself.
        """
        self.reserve = None
        self.module.__dict__.clear()

    def call(self, arguments):
        if self.plan is None:
            raise AuthorError("NotLoaded", "the tool is called before it is loaded")
        given = parsed(arguments)
        self.arguments.fill(given)
        main = getattr(self.module, "main", None)
        if not callable(main):
            raise AuthorError("NoMain", "main is no function any more once the top level has run")
        for name in self.plan["none"]:
            given.setdefault(name, None)
        if self.plan["convert"]:
            conversion.convert_arguments(main, given, self.plan["convert"])
        for name in self.plan["context"]:
            given[name] = self.context
        returned = main(*self._positional(main, given), **given)
        if inspect.isawaitable(returned):
            returned = loop.run(returned, self.loop)
        return self._outcome(returned)

    def _positional(self, main, given):
        """Takes out of `given` what `main` accepts by position only."""
        names = self.plan["positional"]
        if not any(name in given for name in names):
            return ()
        parameters = inspect.signature(main).parameters
        values = []
        last = max(at for at, name in enumerate(names) if name in given)
        for name in names[: last + 1]:
            if name in given:
                values.append(given.pop(name))
            elif parameters[name].default is not inspect.Parameter.empty:
                values.append(parameters[name].default)
            else:
                raise AuthorError("TypeError", f"main() is missing the argument '{name}'")
        return values

    def _outcome(self, returned):
        found = content.found(returned)
        if found is not None:
            return self._with_content(found)
        text = result.encode(returned)
        is_object = text.startswith("{")
        form = self.plan["output"]
        if form == "wrapped":
            return Outcome(text, f'{{"result": {text}}}', None)
        if form == "object" and not is_object:
            raise AuthorError(
                "TypeError",
                f"main returned {type(returned).__name__}, but its return annotation promises an object; "
                "return one, or correct the annotation",
            )
        return Outcome(text, text if is_object else None, None)

    def _with_content(self, found):
        """Content as it is; what was structured beside it becomes what the annotation promises."""
        pieces = content.pieces(found, result.encode)
        form = self.plan["output"]
        if found.structured is None:
            if form is not None:
                raise AuthorError(
                    "TypeError",
                    "main returned content alone, but its return annotation promises a value; "
                    "return ctx.result(content, structured=…), or annotate `-> Content`",
                )
            return Outcome("null", None, pieces)
        text = result.encode(found.structured)
        if form == "wrapped":
            return Outcome(text, f'{{"result": {text}}}', pieces)
        if not text.startswith("{"):
            raise AuthorError(
                "TypeError",
                f"the structured value is {type(found.structured).__name__}, not an object; give ctx.result a dict, "
                "or annotate main with the type of the value",
            )
        return Outcome(text, text, pieces)


def parsed(arguments):
    """The call's arguments as a dict."""
    given = json.loads(arguments)
    if not isinstance(given, dict):
        raise AuthorError("TypeError", "the arguments of a call are a JSON object")
    return given
