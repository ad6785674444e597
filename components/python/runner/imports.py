"""Which modules a tool may import: the host's list, judged where the tool's own code imports.

A tool's code has builtins of its own, whose `__import__` asks here. What a module of the standard
library or of a package imports for itself passes by, as it is not the tool's doing. The list is about
what a source says that it uses, which is what people look at; what keeps a tool from doing harm is
the sandbox.
"""

import ast
import builtins
import importlib
import importlib.util
import sys

from . import memory_import

_USE_HTTP = "use the global `http`, for example `response = await http.get(url)`"
_USE_CTX = "the global `ctx` and its type `Context` are there without an import"
_NO_NATIVE = "it is compiled code, and tools run pure Python"
_NO_THREADS = "tools have no threads and no processes; run things side by side with asyncio"
# What to do instead of asking for a module that could never work here, by its first name.
_INSTEAD = {
    **dict.fromkeys(("requests", "httpx", "aiohttp", "urllib3"), _USE_HTTP),
    **dict.fromkeys(("mcp", "fastmcp"), _USE_CTX),
    **dict.fromkeys(("numpy", "pandas", "scipy", "lxml", "cryptography"), _NO_NATIVE),
    **dict.fromkeys(("subprocess", "threading", "multiprocessing"), _NO_THREADS),
    "regex": "use `re`",
    "ssl": "the global `http` speaks https",
}


def _above(name):
    """The packages that a module lies in, from the outermost."""
    at = name.find(".")
    while at >= 0:
        yield name[:at]
        at = name.find(".", at + 1)


class ModuleNotAllowed(ImportError):
    """An import outside the list."""


ModuleNotAllowed.__module__ = "builtins"  # Printed without the place of its definition.


class Gate:
    """The list of this instance's tool, and what its author is told beside it."""

    def __init__(self):
        self.open((), "")

    def open(self, modules, advice):
        """Lets these modules pass, with what lies below them."""
        # `from __future__ import annotations` is a word to the compiler.
        self.modules = frozenset(modules) | {"__future__"}
        # Packages on the way to a module: `import urllib.parse` binds `urllib`.
        self.above = frozenset(above for name in self.modules for above in _above(name))
        self.advice = advice

    def allows(self, name):
        return name in self.modules or any(above in self.modules for above in _above(name))

    def judge(self, name, names=()):
        """Refuses `import name`, or `from name import names`, unless the list has it."""
        if self.allows(name):
            return
        if name not in self.above:
            raise self.refusal(name)
        for one in names or ():
            if not self.allows(f"{name}.{one}"):
                raise self.refusal(name if one == "*" else f"{name}.{one}")

    def refusal(self, name):
        first = name.partition(".")[0]
        # What is not of the standard library comes as a whole.
        asked = name if first in sys.stdlib_module_names else first
        todo = _INSTEAD.get(first) or self.advice.replace("{module}", asked)
        return ModuleNotAllowed(f"`{asked}` is not among the modules that this tool may import: {todo}", name=asked)


GATE = Gate()
_import = builtins.__import__
_import_module = importlib.import_module


def _stated(name, globals=None, locals=None, fromlist=(), level=0):
    """What import statements of the tool call, and C code that imports something on its behalf.

    The latter is told by its empty list of names (`PyImport_Import` in Python/import.c): such as
    `_strptime` for `datetime.strptime`, which is not the tool's doing.
    """
    if type(fromlist) is list and not fromlist and globals is locals is not None:
        return _import(name, globals, locals, fromlist, level)
    return imported(name, globals, locals, fromlist, level)


def imported(name, globals=None, locals=None, fromlist=(), level=0):
    """As `__import__` in Python, for a tool: judged."""
    if level == 0 and isinstance(name, str):
        GATE.judge(name, fromlist)
    try:
        return _import(name, globals, locals, fromlist, level)
    except ModuleNotFoundError as error:
        first = str(name).partition(".")[0]
        if error.name == first and first not in sys.stdlib_module_names:
            why = _INSTEAD.get(first, "no package that provides it is installed here; a person has to install one")
            raise ModuleNotFoundError(f"`{first}` may be imported, but cannot: {why}", name=first) from None
        raise


BUILTINS = {**builtins.__dict__, "__import__": _stated}


def _import_module_guarded(name, package=None):
    """As in Python; judged when the tool's own code calls it."""
    if sys._getframe(1).f_builtins is BUILTINS:
        GATE.judge(importlib.util.resolve_name(name, package) if name.startswith(".") else name)
    return _import_module(name, package)


def _import_function_guarded(name, globals=None, locals=None, fromlist=(), level=0):
    """As in Python; judged when the tool's own code calls it."""
    judged = sys._getframe(1).f_builtins is BUILTINS
    return (imported if judged else _import)(name, globals, locals, fromlist, level)


def install():
    """The functions of `importlib` that import, for tools that may use them."""
    importlib.import_module = _import_module_guarded
    importlib.__import__ = _import_function_guarded


def named(tree):
    """The modules that the import statements of a source name, in order."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            for alias in node.names:
                below = f"{node.module}.{alias.name}"
                found.add(below if memory_import.holds(below) else node.module)
    return sorted(found - {"__future__"})
