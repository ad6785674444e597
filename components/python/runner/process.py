"""The interpreter process: which modules are ready, its streams, environment and limits."""

import builtins
import gc
import importlib
import io
import linecache
import os
import sys

# Imported before the snapshot, so that a tool that imports them pays nothing.
READY = """
abc annotationlib array ast base64 binascii bisect calendar cmath codecs collections colorsys concurrent.futures
contextlib contextvars copy csv dataclasses datetime decimal difflib email.message email.utils enum fnmatch
fractions functools glob graphlib gzip hashlib heapq hmac html html.entities html.parser http.cookies importlib.metadata
importlib.resources inspect io ipaddress itertools json keyword linecache locale logging math mimetypes numbers
operator os pathlib pickle platform posixpath pprint queue quopri random re reprlib secrets shlex shutil signal sqlite3
stat statistics string string.templatelib struct tempfile textwrap threading time timeit token tokenize tomllib
traceback types typing unicodedata urllib.error urllib.parse uuid warnings weakref xml.etree.ElementTree
xml.sax.saxutils zipfile zlib zoneinfo _strptime
encodings.ascii encodings.cp1252 encodings.idna encodings.latin_1 encodings.punycode encodings.utf_8_sig
encodings.utf_16
""".split()

# Python's own default: endless recursion of any kind ends in a RecursionError.
RECURSION_LIMIT = 1_000
# What a tool may raise it to, on 2 MiB of wasm stack: recursion of plain functions still ends in a
# RecursionError there, recursion through C code may end the instance by a trap.
RECURSION_LIMIT_MAX = 4_000


def complete_builtins():
    """What Python gives to programs beside its builtins, and `site` is not there to add."""
    for name in ("exit", "quit"):
        if not hasattr(builtins, name):
            setattr(builtins, name, sys.exit)


def preload():
    for name in READY:
        importlib.import_module(name)


def flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # The tool put something else there.


def settle():
    """The last thing before the snapshot."""
    _open_streams()
    _limit_recursion()
    os.environ.clear()
    sys.path.clear()
    sys.dont_write_bytecode = True
    sys.path_importer_cache.clear()
    linecache.clearcache()
    for _ in range(3):
        gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 0)


def _open_streams():
    for number, name in ((1, "stdout"), (2, "stderr")):
        raw = io.BufferedWriter(io.FileIO(number, "w", closefd=False))
        stream = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", newline="\n", line_buffering=True)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _limit_recursion():
    set_limit = sys.setrecursionlimit
    set_limit(RECURSION_LIMIT)

    def setrecursionlimit(limit, /):
        """As in Python, but never above what the sandbox's stack bears."""
        set_limit(min(limit, RECURSION_LIMIT_MAX))

    sys.setrecursionlimit = setrecursionlimit
