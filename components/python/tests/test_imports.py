"""The list of modules: what the tool's own code imports is judged, what others import for it is not."""

import unittest

from host import Guest, GuestError, packages, run, value


def refused(source, modules=(), **options):
    try:
        run(source, modules=modules, **options)
    except GuestError as error:
        return error
    raise AssertionError("it was imported")


class TheList(unittest.TestCase):
    def test_an_import_outside_the_list_says_what_to_ask_for(self):
        error = refused("import sqlite3\ndef main(): ...", ["json"])
        self.assertEqual(error.kind, "ModuleNotAllowed")
        self.assertEqual(error.message, "`sqlite3` is not among the modules that this tool may import: ask for sqlite3")
        self.assertEqual(error.line, 1)
        self.assertIn("\nModuleNotAllowed: `sqlite3`", error.traceback)
        self.assertIn("ask for os.path", refused("import os.path\ndef main(): ...").message)
        self.assertIn("ask for yaml", refused("import yaml.nodes\ndef main(): ...").message)
        self.assertIn("use the global `http`", refused("from requests import get\ndef main(): ...").message)

    def test_what_lies_below_a_listed_module_is_listed(self):
        source = "import xml.etree.ElementTree as E\nfrom email.mime.text import MIMEText\ndef main(): return E.fromstring('<a/>').tag"
        self.assertEqual(value(source, modules=["xml", "email"]), "a")

    def test_a_listed_module_opens_the_way_to_it_and_not_its_neighbours(self):
        parse = ["urllib.parse"]
        self.assertEqual(value("import urllib.parse\ndef main(): return urllib.parse.quote('a b')", modules=parse), "a%20b")
        self.assertEqual(value("from urllib import parse\ndef main(): return parse.quote('a b')", modules=parse), "a%20b")
        for line in ("import urllib.request", "from urllib import parse, request", "from urllib.request import urlopen"):
            with self.subTest(line):
                self.assertIn("urllib.request", refused(f"{line}\ndef main(): ...", parse).message)
        self.assertIn("ask for urllib", refused("from urllib import *\ndef main(): ...", parse).message)

    def test_what_the_library_imports_for_itself_is_free(self):
        source = "import asyncio, logging\nasync def main():\n    await asyncio.sleep(0)\n    return logging.__name__"
        self.assertEqual(value(source, modules=["asyncio", "logging"]), "logging")
        source = "import datetime as dt\ndef main(): return dt.datetime.strptime('31 Jan 2026', '%d %b %Y').year"
        self.assertEqual(value(source, modules=["datetime"]), 2026)

    def test_what_a_package_imports_for_itself_is_free(self):
        files = {
            "greeter/__init__.py": "import os, sqlite3\nfrom .words import hello\n",
            "greeter/words.py": "import subprocess\ndef hello(name): return f'hello {name}'\n",
        }
        with packages(files) as folder:
            source = "import greeter\ndef main(): return greeter.hello('you')"
            self.assertEqual(value(source, folder=folder, modules=["greeter"]), "hello you")
            self.assertEqual(refused(source, folder=folder).kind, "ModuleNotAllowed")

    def test_every_way_of_importing_is_judged(self):
        for line in (
            "__import__('os')",
            "__import__('os', globals(), globals(), [])",
            "exec('import os')",
            "eval('__import__(\"os\")')",
            "exec('import os', {})",
            "exec(compile('import os', 'x', 'exec'), {'__name__': 'x'})",
            "import importlib; importlib.import_module('os')",
            "import importlib; importlib.import_module('os.path')",
            "import importlib; importlib.import_module('.path', 'os')",
            "import importlib; importlib.__import__('os')",
            "from importlib import import_module as i; i('os')",
            "(lambda: __builtins__['__import__']('os'))()",
            "import types; types.FunctionType(compile('import os', 'x', 'exec'), {})()",
        ):
            with self.subTest(line):
                error = refused(f"def main():\n    {line}", ["importlib", "types"])
                self.assertEqual((error.kind, error.line), ("ModuleNotAllowed", 2), error.message)

    def test_a_refused_import_can_be_done_without(self):
        source = "try:\n    import orjson as json\nexcept ImportError:\n    import json\ndef main(): return json.dumps([1])"
        self.assertEqual(value(source, modules=["json"]), "[1]")

    def test_words_to_the_compiler_are_no_import(self):
        source = "from __future__ import annotations\ndef main(a: int) -> int: return a"
        self.assertEqual(value(source, {"a": 1}, modules=[]), 1)
        self.assertEqual(Guest().describe(source).modules, [])

    def test_what_is_given_needs_no_import(self):
        self.assertEqual(value("def main(): return [json.dumps(1), datetime.date(2026, 1, 2), callable(http.get)]", modules=[]),
                         ["1", "2026-01-02", True])

    def test_an_allowed_module_that_nobody_installed_says_so(self):
        error = refused("import greeter\ndef main(): ...", ["greeter"])
        self.assertEqual(error.kind, "ModuleNotFoundError")
        self.assertIn("`greeter` may be imported, but cannot: no package that provides it is installed", error.message)
        self.assertIn("compiled code", refused("import numpy\ndef main(): ...", ["numpy"]).message)

    def test_a_refused_import_of_the_top_level_is_no_use_of_the_call(self):
        code = Guest().describe("import os\ndef main(): ...").code
        with self.assertRaises(GuestError) as caught:
            Guest().load(code, "import os\ndef main(): ...", True, None, [])
        self.assertEqual(caught.exception.kind, "ModuleNotAllowed")


class Named(unittest.TestCase):
    def test_a_description_names_what_the_source_imports(self):
        source = """
import yaml.nodes, os.path as path
from xml.etree import ElementTree
from urllib import parse, request
from collections import Counter
from . import sibling
def main():
    import sqlite3
    try:
        from orjson import dumps
    except ImportError:
        pass
"""
        self.assertEqual(Guest().describe(source).modules, [
            "collections", "orjson", "os.path", "sqlite3", "urllib.parse", "urllib.request", "xml.etree.ElementTree", "yaml.nodes",
        ])
        self.assertEqual(Guest().describe("def main(): ...").modules, [])


if __name__ == "__main__":
    unittest.main()
