"""The names that a tool finds without importing them, and loading ahead of the call."""

import time
import unittest

from host import Guest, GuestError, Host, run, value


class Arguments(unittest.TestCase):
    def test_the_global_holds_what_the_call_was_given(self):
        source = "import json\nasync def main(a, b=2): return [arguments, arguments['a'], arguments.get('b', 'none'), 'a' in arguments, len(arguments), json.dumps(arguments), {**arguments}]"
        self.assertEqual(value(source, {"a": 1}), [{"a": 1}, 1, "none", True, 1, '{"a": 1}', {"a": 1}])

    def test_it_can_only_be_read(self):
        for statement in ("arguments['b'] = 1", "del arguments['a']", "arguments.update(b=1)", "arguments.pop('a')", "arguments |= {}",
                          "arguments.clear()", "arguments.setdefault('b', 1)"):
            with self.assertRaisesRegex(GuestError, "TypeError: arguments is read-only"):
                run(f"def main(a):\n    global arguments\n    {statement}", {"a": 1})
        self.assertEqual(value("def main(a):\n    copy = dict(arguments)\n    copy['b'] = 2\n    return copy", {"a": 1}), {"a": 1, "b": 2})

    def test_it_keeps_the_json_values_when_main_gets_built_ones(self):
        self.assertEqual(value("def main(a: set[int]): return [sorted(a), arguments['a']]", {"a": [2, 1]}), [[1, 2], [2, 1]])

    def test_the_top_level_of_a_load_within_a_call_may_read_it(self):
        self.assertEqual(value("CITY = arguments['city']\ndef main(city): return CITY", {"city": "Oslo"}), "Oslo")


class Secrets(unittest.TestCase):
    HOST = {"API_KEY": "k1", "OTHER": "k2"}

    def value(self, expression, before=""):
        return value(f"{before}\ndef main(): return {expression}", host=Host(self.HOST))

    def test_a_mapping_to_read(self):
        self.assertEqual(
            self.value("[secrets['API_KEY'], secrets.get('OTHER'), secrets.get('NO'), secrets.get('NO', 'd'), 'API_KEY' in secrets, "
                       "'NO' in secrets, list(secrets), len(secrets), dict(secrets), sorted(secrets.items()), sorted(secrets.values())]"),
            ["k1", "k2", None, "d", True, False, ["API_KEY", "OTHER"], 2, self.HOST, [["API_KEY", "k1"], ["OTHER", "k2"]], ["k1", "k2"]],
        )
        self.assertEqual(self.value("isinstance(secrets, Mapping)", "from collections.abc import Mapping"), True)

    def test_it_cannot_be_written(self):
        with self.assertRaisesRegex(GuestError, "TypeError"):
            run("def main(): secrets['A'] = 'b'")

    def test_a_missing_secret_says_which_and_who_must_act(self):
        with self.assertRaises(GuestError) as caught:
            self.value("secrets['TOKEN']")
        error = caught.exception
        self.assertEqual((error.kind, error.line), ("MissingSecret", 2))
        self.assertEqual(error.message, "the secret 'TOKEN' has no value: a person must set it on this tool's server (set are: API_KEY, OTHER)")
        self.assertEqual(value("def main():\n    try:\n        secrets['X']\n    except KeyError:\n        return 'a KeyError'"), "a KeyError")
        with self.assertRaisesRegex(GuestError, "no secret is set"):
            run("def main(): secrets['A']")

    def test_an_attribute_points_to_the_right_form(self):
        with self.assertRaisesRegex(GuestError, r"a secret is read by secrets\['API_KEY'\]"):
            self.value("secrets.API_KEY")

    def test_the_standard_module_of_that_name_works_beside_it(self):
        for before in ("", "import secrets", "import secrets as secrets"):
            found = self.value("[secrets['API_KEY'], len(secrets.token_hex(8)), secrets.choice([7]), secrets.randbelow(1), "
                               "secrets.compare_digest('a', 'a'), len(secrets.token_bytes(3)), len(secrets.token_urlsafe(3))]", before)
            self.assertEqual(found, ["k1", 16, 7, 0, True, 3, 4])
        self.assertEqual(self.value("[len(token_hex(2)), secrets['OTHER']]", "from secrets import token_hex"), [4, "k2"])
        self.assertEqual(self.value("[len(s.token_hex(2)), s['OTHER']]", "import secrets as s"), [4, "k2"])

    def test_its_repr_shows_nothing(self):
        self.assertEqual(self.value("repr(secrets) + str(secrets)"), "<secrets><secrets>")


class LogAndProgress(unittest.TestCase):
    def test_log_lines_reach_the_host(self):
        host = Host()
        run("def main():\n    log.debug('a')\n    log.info('b %s %d', 'x', 2)\n    log.warning({'c': 1})\n    log.error('\\ud800 100%')", host=host)
        self.assertEqual(host.logged, [("debug", "a"), ("info", "b x 2"), ("warning", "{'c': 1}"), ("error", "? 100%")])

    def test_progress_reaches_the_host(self):
        host = Host()
        run("def main():\n    progress(1)\n    progress(2, 4)\n    progress(3, total=4, message='soon')", host=host)
        self.assertEqual(host.progressed, [(1.0, None, None), (2.0, 4.0, None), (3.0, 4.0, "soon")])


class Output(unittest.TestCase):
    def test_print_goes_to_the_streams_of_the_instance(self):
        guest = run("import sys\nprint('top')\ndef main():\n    print('é', 1, end='')\n    print('x', file=sys.stderr)\n    sys.stdout.write('y')")
        self.assertEqual((guest.stdout, guest.stderr), ("top\né 1y", "x\n"))

    def test_lines_are_out_before_the_end(self):
        guest = Guest()
        source = "import os\ndef main():\n    print('before')\n    os.abort()"
        guest.load(guest.describe(source).code, source)
        with self.assertRaises(Exception):
            guest.call("{}")
        self.assertEqual(guest.stdout, "before\n")

    def test_what_was_printed_stays_when_main_fails(self):
        with self.assertRaises(GuestError) as caught:
            run("def main():\n    print('before', end='')\n    1 / 0")
        self.assertEqual(caught.exception.guest.stdout, "before")

    def test_text_without_utf_8_form_and_large_output(self):
        self.assertEqual(run("def main(): print('\\ud800')").stdout, "?\n")
        self.assertEqual(len(run("def main(): print('x' * 300_000)").stdout), 300_001)

    def test_streams_may_be_replaced_or_closed(self):
        source = "import contextlib, io\ndef main():\n    with contextlib.redirect_stdout(io.StringIO()) as out: print('in')\n    return out.getvalue()"
        self.assertEqual(value(source), "in\n")
        self.assertEqual(value("import sys\ndef main():\n    sys.stdout.close()\n    return 1"), 1)

    def test_logging_and_warnings_go_to_stderr(self):
        guest = run("import logging, warnings\nlogging.basicConfig(level='INFO', format='%(message)s')\ndef main():\n    logging.info('a')\n    warnings.warn('b')")
        self.assertIn("a\n", guest.stderr)
        self.assertIn("UserWarning: b", guest.stderr)


class Early(unittest.TestCase):
    def loaded(self, top_level, host=None):
        return run(f"{top_level}\ndef main(): return 1", early=True, host=host or Host({"K": "v"})).loaded

    def test_an_ordinary_top_level_is_ready_and_keeps_its_work(self):
        guest = run("import re\nclass A: pass\nN = len('abc')\nkey = secrets\nargs = arguments\nget = http.get\n"
                    "async def main(a): return [N, args['a'], key['K'], (await get('https://a.example')).status]",
                    {"a": 1}, early=True, host=Host({"K": "v"}))
        self.assertEqual((guest.loaded, guest.result), ("ready", [3, 1, "v", 200]))

    def test_whatever_belongs_to_a_call_needs_one(self):
        for top_level in (
            "secrets['K']", "secrets.get('K')", "'K' in secrets", "list(secrets)", "len(secrets)", "dict(secrets)", "import secrets\nsecrets['K']",
            "arguments['a']", "arguments.get('a')", "len(arguments)", "bool(arguments)", "list(arguments)", "dict(arguments)", "{**arguments}",
            "'a' in arguments", "arguments == {}", "json.dumps(arguments)", "repr(arguments)", "arguments.copy()", "for a in arguments: pass",
            "import copy\ncopy.deepcopy(arguments)",
            "http.get('https://a.example')", "http.sync.get('https://a.example')",
            "import asyncio\nasyncio.run(http.get('https://a.example'))",
            "log.info('x')", "progress(1)",
            "try:\n    secrets['K']\nexcept BaseException:\n    pass",
            "try:\n    arguments['a']\nexcept:\n    raise ValueError",
            "import contextlib\nwith contextlib.suppress(BaseException): log.info('x')",
        ):
            with self.subTest(top_level):
                host = Host({"K": "v"})
                self.assertEqual(self.loaded(top_level, host), "needs-call")
                self.assertEqual((host.requests, host.logged, host.progressed), ([], [], []))

    def test_the_same_top_level_runs_within_a_call(self):
        source = "KEY = secrets['K']\nSTATUS = http.sync.get('https://a.example').status\nlog.info('x')\ndef main(a): return [KEY, STATUS, arguments['a']]"
        self.assertEqual(value(source, {"a": 1}, host=Host({"K": "v"})), ["v", 200, 1])

    def test_names_that_need_no_call_are_free_to_use(self):
        self.assertEqual(self.loaded("class Mine(http.Error): pass\nimport secrets\nR = http.Response\nX = secrets.token_hex(4)"), "ready")

    def test_nothing_that_differs_from_call_to_call_is_frozen(self):
        source = """
import random, uuid, time, os, secrets
TOP = random.random()
def main():
    return [TOP, random.random(), str(uuid.uuid4()), time.time(), os.urandom(8), secrets.token_hex(8), random.SystemRandom().random(), str(uuid.uuid1())]
"""
        found = [value(source, early=True) for _ in range(3)]
        for place in range(len(found[0])):
            self.assertEqual(len({str(one[place]) for one in found}), 3, place)
        self.assertAlmostEqual(found[0][3], time.time(), delta=5)

    def test_a_seed_that_the_tool_sets_itself_holds(self):
        source = "import random\nrandom.seed(7)\ndef main(): return random.random()"
        self.assertEqual(value(source, early=True), value(source))


class OrdinaryPython(unittest.TestCase):
    def test_classes_dataclasses_enums_generators_and_matching(self):
        source = '''
from dataclasses import dataclass
from enum import Enum
from functools import cached_property, singledispatch
import abc, contextlib, typing
class Shape(abc.ABC):
    count = 0
    def __init_subclass__(cls): Shape.count += 1
    @abc.abstractmethod
    def area(self): ...
@dataclass(order=True)
class Square(Shape):
    side: float
    @property
    def area(self): return self.side ** 2
class Color(Enum):
    RED = 1
class Meta(type):
    def __call__(cls, *args): return super().__call__(*args)
class Thing[T](metaclass=Meta):
    __slots__ = ("value",)
    def __init__(self, value: T): self.value = value
    def __enter__(self): return self
    def __exit__(self, *args): return True
    def __getattr__(self, name): return name
@singledispatch
def kind(x): return "other"
@kind.register
def _(x: int): return "int"
def numbers():
    got = yield 1
    yield from [got, 3]
def main():
    generator = numbers()
    first = next(generator)
    with Thing(1) as thing:
        raise ValueError
    match {"a": [1, 2]}:
        case {"a": [x, *rest]}:
            matched = x
    nonlocal_ = 0
    def inner():
        nonlocal nonlocal_
        nonlocal_ += 1
    inner()
    return [Square(2).area, Shape.count, Color(1).name, thing.value, thing.foo, kind(1), kind("x"), first, generator.send(2), matched,
            nonlocal_, hasattr(thing, "x"), eval("1 + 1"), type(thing).__name__, vars(Square(1)), f"{first=}", t"{first}".values]
'''
        self.assertEqual(value(source), [4, 1, "RED", 1, "foo", "int", "other", 1, 2, 1, 1, True, 2, "Thing", {"side": 1}, "first=1", [1]])

    def test_pickle_copy_and_getattr_find_the_module(self):
        source = "import pickle, sys\nclass A:\n    def __eq__(self, o): return True\ndef main(): return [pickle.loads(pickle.dumps(A())) == A(), A.__module__, __name__, sys.modules[__name__].A is A]"
        self.assertEqual(value(source), [True, "tool", "tool", True])

    def test_a_main_guard_does_not_run(self):
        self.assertEqual(value("import asyncio\nasync def main(): return 1\nif __name__ == '__main__':\n    asyncio.run(main())"), 1)


if __name__ == "__main__":
    unittest.main()
