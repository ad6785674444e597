"""What a tool cannot reach, and the standard library that it has.

The letters are the probes by which other products were seen to fail.
"""

import hmac
import unittest

from host import GuestError, run, value

BUILD_FOLDERS = ("/0", "/python", "/world", "/bundled")


def failed(source):
    try:
        run(source)
    except GuestError as error:
        return error
    raise AssertionError("it worked")


class NothingToReach(unittest.TestCase):
    def test_a_no_process_can_be_started(self):
        error = failed("import asyncio\nasync def main(): await asyncio.create_subprocess_exec('id')")
        self.assertEqual((error.kind, error.message), ("NotImplementedError", "a tool cannot start processes"))
        self.assertEqual(failed("import asyncio\nasync def main(): await asyncio.create_subprocess_shell('id')").kind, "NotImplementedError")
        self.assertIn("processes", failed("import subprocess\ndef main(): subprocess.run(['id'])").message)
        for call in ("os.system('id')", "os.fork()", "os.execv('/bin/id', ['id'])", "os.posix_spawn('/bin/id', ['id'], {})"):
            with self.subTest(call):
                self.assertIn(failed(f"import os\ndef main(): return {call}").kind, ("AttributeError", "OSError"))

    def test_b_a_walk_by_str_format_finds_no_environment(self):
        source = """
def main():
    walk = "{0.__class__.__init__." + "__globals__[sys].modules[os].environ}"
    return walk.format(http)
"""
        try:
            self.assertIn(value(source), ("environ({})", "{}"))
        except GuestError as error:
            self.assertIn(error.kind, ("KeyError", "AttributeError"))

    def test_b_the_environment_is_empty(self):
        self.assertEqual(
            value("import os, posix, sys\ndef main(): return [dict(os.environ), posix.environ, os.getenv('PATH'), os.getenv('HOME'), sys.argv]"),
            [{}, {}, None, None, ["tool"]],
        )

    def test_c_reaching_object_and_all_classes_reaches_nothing(self):
        source = """
import operator
def main():
    base = operator.attrgetter("__cla" + "ss__.__ba" + "se__")(())
    assert base is object
    found = {c.__name__: c for c in base.__subclasses__()}
    return found["Popen"](["id"])
"""
        self.assertIn("processes", failed(source).message)

    def test_f_arguments_is_a_global(self):
        self.assertEqual(value("async def main(a): return arguments['a']", {"a": 1}), 1)

    def test_g_classes_can_be_defined(self):
        self.assertEqual(value("class A: pass\ndef main():\n    class B(A): x = 1\n    return B().x"), 1)

    def test_h_regular_expressions_have_their_flags(self):
        self.assertEqual(value("import re\ndef main(): return re.sub(r'(\\w) # a letter', r'<\\1>', 'a b', flags=re.VERBOSE | re.I)"), "<a> <b>")

    def test_j_submodules_are_reached_by_their_dotted_name(self):
        self.assertEqual(value("import urllib.parse\ndef main(): return urllib.parse.quote('a b/é')"), "a%20b/%C3%A9")
        self.assertEqual(value("import xml.etree.ElementTree as E, os.path\ndef main(): return E.fromstring('<a b=\"c\"/>').get('b')"), "c")

    def test_k_a_dict_comes_back_as_json(self):
        self.assertEqual(run("def main(): return {'a': True, 'b': None}").outcome.result, '{"a": true, "b": null}')

    def test_no_file_of_the_host_can_be_opened(self):
        for path in ("/etc/passwd", "/proc/self/environ", "relative", "/0/mcpbox_runner/app.py", "/python/os.py", "../../etc/passwd", "/packages"):
            with self.subTest(path):
                self.assertIn(failed(f"def main(): open({path!r})").kind, ("FileNotFoundError", "PermissionError", "OSError"))
        self.assertIn(failed("def main(): open('/tmp/x', 'w')").kind, ("FileNotFoundError", "PermissionError", "OSError"))
        self.assertIn(failed("import tempfile\ndef main(): tempfile.TemporaryFile()").kind, ("FileNotFoundError", "PermissionError", "OSError"))
        self.assertIn(failed("import pathlib\ndef main(): pathlib.Path('/etc/hostname').read_text()").kind, ("FileNotFoundError", "PermissionError", "OSError"))

    def test_no_folder_of_the_host_can_be_listed(self):
        for folder in ("/", ".", "/etc", *BUILD_FOLDERS):
            with self.subTest(folder):
                source = f"import os\ndef main():\n    try:\n        return os.listdir({folder!r})\n    except OSError:\n        return []"
                self.assertEqual(value(source), [])
                self.assertEqual(value(f"import os\ndef main(): return os.path.exists({folder!r}) and os.listdir({folder!r})"), False)

    def test_no_socket_can_be_opened(self):
        for call in ("socket.create_connection(('127.0.0.1', 80), 1)", "socket.getaddrinfo('example.com', 80)",
                     "socket.socket().bind(('127.0.0.1', 0))", "socket.socket().connect(('169.254.169.254', 80))"):
            with self.subTest(call):
                self.assertIn(failed(f"import socket\ndef main(): return {call}").kind,
                              ("PermissionError", "OSError", "gaierror", "AttributeError", "BlockingIOError"))
        self.assertIn(failed("import urllib.request\ndef main(): urllib.request.urlopen('http://127.0.0.1/')").kind, ("URLError", "PermissionError"))
        self.assertIn(failed("import asyncio\nasync def main(): await asyncio.open_connection('127.0.0.1', 80)").kind,
                      ("PermissionError", "OSError", "gaierror", "NotImplementedError"))

    def test_no_thread_can_be_started(self):
        self.assertIn("can't start new thread", failed("import threading\ndef main(): threading.Thread(target=print).start()").message)
        self.assertIn("can't start new thread", failed("from concurrent.futures import ThreadPoolExecutor\ndef main(): ThreadPoolExecutor().submit(print)").message)

    def test_there_is_no_input(self):
        self.assertEqual(failed("def main(): input()").kind, "EOFError")

    def test_nothing_of_the_build_machine_is_in_the_interpreter(self):
        source = "import sys\ndef main(): return [sys.path, list(sys.path_importer_cache), sys.executable, [m for m in sys.modules if 'pip' in m or 'setuptools' in m]]"
        self.assertEqual(value(source), [[], [], "", []])


class StandardLibrary(unittest.TestCase):
    def test_modules_are_imported_out_of_memory(self):
        names = """
            argparse bisect calendar cmath codecs collections.abc colorsys compileall concurrent.futures configparser contextlib
            contextvars copy csv ctypes.util dataclasses dbm decimal difflib dis doctest email email.mime.text encodings.cp437 enum
            filecmp fileinput fnmatch fractions ftplib functools getopt gettext glob graphlib gzip hashlib heapq hmac html.parser
            http.cookiejar imaplib importlib.metadata importlib.resources inspect io ipaddress itertools json.tool keyword linecache
            locale logging.config logging.handlers mailbox marshal mimetypes netrc numbers operator optparse os.path pathlib pdb pickle
            pickletools pkgutil platform plistlib poplib pprint profile pstats py_compile queue quopri random re reprlib rlcompleter
            runpy sched secrets selectors shelve shlex shutil smtplib sqlite3 statistics string stringprep struct symtable tabnanny
            tarfile tempfile textwrap this timeit token tokenize tomllib trace traceback types typing unicodedata unittest.mock
            urllib.robotparser uuid warnings wave weakref webbrowser wsgiref.util xml.dom.minidom xml.sax xmlrpc.client zipapp zipfile
            zlib zoneinfo
        """.split()
        source = """
import importlib
def main(names):
    missing = []
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            missing.append(f"{name}: {error}")
    return missing
"""
        self.assertEqual([one for one in value(source, {"names": names}) if not one.startswith("ctypes")], [])

    def test_a_typical_choice_works(self):
        source = """
import base64, csv, datetime as dt, decimal, gzip, hashlib, hmac, html, io, ipaddress, sqlite3, statistics, string, textwrap, tomllib, uuid, zipfile, zlib
from email.message import EmailMessage
from zoneinfo import ZoneInfo, available_timezones
def main():
    db = sqlite3.connect(":memory:")
    db.execute("create table t (a)")
    db.executemany("insert into t values (?)", [(1,), (2,)])
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", "hello")
    mail = EmailMessage()
    mail["Subject"] = "é"
    return [
        db.execute("select sum(a), json('[1]') from t").fetchone(),
        zipfile.ZipFile(buffer).read("a.txt").decode(),
        hashlib.sha256(b"x").hexdigest()[:8], hmac.new(b"k", b"m", "sha256").hexdigest()[:8], hashlib.md5(b"").hexdigest()[:4],
        list(csv.DictReader(io.StringIO("a,b\\n1,2"))), gzip.decompress(gzip.compress(b"z")).decode(), html.unescape("&eacute;"),
        str(ipaddress.ip_network("10.0.0.0/30")[1]), statistics.median([3, 1, 2]), tomllib.loads("a = 1"), str(decimal.Decimal(1) / 3)[:5],
        dt.datetime(2026, 7, 1, 12, tzinfo=ZoneInfo("Europe/Oslo")).isoformat(), ZoneInfo("America/New_York").key, len(available_timezones()) > 400,
        dt.datetime.strptime("31 Jan 2026", "%d %b %Y").date(), mail["Subject"], dt.datetime.now().astimezone().utcoffset().seconds,
    ]
"""
        self.assertEqual(value(source), [
            [3, "[1]"], "hello", "2d711642", hmac.digest(b"k", b"m", "sha256").hex()[:8],
            "d41d", [{"a": "1", "b": "2"}], "z", "é", "10.0.0.1", 2, {"a": 1}, "0.333", "2026-07-01T12:00:00+02:00", "America/New_York", True,
            "2026-01-31", "é", 0,
        ])


if __name__ == "__main__":
    unittest.main()
