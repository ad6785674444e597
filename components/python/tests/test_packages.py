"""Packages out of a set: what ordinary packages do when they are imported works."""

import pathlib
import unittest

from host import Guest, GuestError, packages, run, value

FILES = {
    "greeter/__init__.py": "from importlib.metadata import version\nfrom .words import hello\n__version__ = version('the-greeter')\n",
    "greeter/words.py": (
        "import os, pkgutil\nfrom importlib import resources\nHERE = os.path.dirname(__file__)\n"
        "WORD = resources.files('greeter').joinpath('data/word.txt').read_text().strip()\n"
        "AGAIN = pkgutil.get_data('greeter', 'data/word.txt').decode().strip()\n"
        "def hello(name): return f'{WORD} {name}'\n"
    ),
    "greeter/data/word.txt": "hei\n",
    "greeter/old.py": "print 'for Python 2'\n",
    "space/inner/leaf.py": "LEAF = __name__\n",
    "single.py": "import greeter.words\nTWICE = 2 * greeter.words.WORD\n",
    "the_greeter-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: the-greeter\nVersion: 1.2\n",
}
MODULES = ["greeter", "space", "single", "importlib", "sys"]


class Packages(unittest.TestCase):
    def test_a_package_is_imported_with_its_data_and_metadata(self):
        source = """
import greeter, single
from greeter import words
def main():
    return [greeter.hello("you"), greeter.__version__, words.HERE, words.AGAIN, words.__file__, single.TWICE]
"""
        expected = ["hei you", "1.2", "/packages/greeter", "hei", "/packages/greeter/words.py", "heihei"]
        with packages(FILES) as folder:
            for early in (False, True):
                self.assertEqual(value(source, folder=folder, modules=MODULES, early=early), expected)

    def test_a_package_without_a_file_of_its_own_is_one(self):
        with packages(FILES) as folder:
            self.assertEqual(value("from space.inner import leaf\ndef main(): return leaf.LEAF", folder=folder, modules=MODULES), "space.inner.leaf")

    def test_what_does_not_compile_is_left_out(self):
        self.assertIsNone(Guest().compile_module(b"print 'x'\n", "a.py"))
        self.assertIsNone(Guest().compile_module(b"a = \0\n", "a.py"))
        self.assertIsNone(Guest().compile_module(b"(" * 100_000, "a.py"))
        guest = Guest()
        for n in range(50):
            self.assertTrue(guest.compile_module(f"# coding: latin-1\nA = {n}\n".encode(), "a.py"))
        with packages(FILES) as folder:
            with self.assertRaises(GuestError) as caught:
                run("import greeter.old\ndef main(): ...", folder=folder, modules=MODULES)
            self.assertEqual(caught.exception.kind, "ModuleNotFoundError")

    def test_the_standard_library_comes_first(self):
        with packages({"json/__init__.py": "FAKE = 1\n"}) as folder:
            self.assertFalse(value("import json\ndef main(): return hasattr(json, 'FAKE')", folder=folder, modules=["json"]))

    def test_nothing_of_the_set_can_be_written(self):
        with packages(FILES) as folder:
            for call in ("open('/packages/set', 'r+')", "open('/packages/new', 'w')"):
                with self.assertRaises(GuestError):
                    run(f"def main(): {call}", folder=folder)

    def test_code_of_another_python_is_told_and_not_run(self):
        with packages(FILES) as folder:
            file = pathlib.Path(folder) / "set"
            magic = Guest().compile_module(b"", "a.py")[:4]
            file.write_bytes(file.read_bytes().replace(magic, b"\0\0\r\n"))
            with self.assertRaises(GuestError) as caught:
                run("import greeter\ndef main(): ...", folder=folder, modules=MODULES)
            self.assertEqual(caught.exception.kind, "ImportError")
            self.assertIn("install them again", caught.exception.message)

    def test_without_a_set_there_are_no_packages(self):
        with self.assertRaises(GuestError) as caught:
            run("import greeter\ndef main(): ...", modules=MODULES)
        self.assertEqual(caught.exception.kind, "ModuleNotFoundError")


if __name__ == "__main__":
    unittest.main()
