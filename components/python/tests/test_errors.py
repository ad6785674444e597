"""What an author reads about an exception."""

import unittest

from host import Guest, GuestError, run


def failed(source, arguments=None, **options):
    try:
        run(source, arguments, **options)
    except GuestError as error:
        return error
    raise AssertionError("nothing was raised")


class Exceptions(unittest.TestCase):
    def test_kind_message_line_traceback_and_excerpt(self):
        source = "import json\n\ndef inner(n):\n    return 1 / n\n\n\ndef main(n):\n    return json.loads('1') + inner(n)\n"
        error = failed(source, {"n": 0})
        self.assertEqual((error.kind, error.message, error.line), ("ZeroDivisionError", "division by zero", 4))
        self.assertEqual(error.excerpt, "  2 |\n  3 | def inner(n):\n> 4 |     return 1 / n\n  5 |\n  6 |")
        self.assertEqual(
            error.traceback,
            'Traceback (most recent call last):\n'
            '  File "<tool>", line 8, in main\n    return json.loads(\'1\') + inner(n)\n'
            "                             ~~~~~^^^\n"
            '  File "<tool>", line 4, in inner\n    return 1 / n\n           ~~^~~\n'
            "ZeroDivisionError: division by zero\n",
        )

    def test_only_the_authors_frames_are_shown(self):
        error = failed("import json\nasync def main():\n    return json.loads('nonsense')\n")
        self.assertEqual((error.kind, error.line), ("JSONDecodeError", 3))
        self.assertEqual(error.traceback.count("File "), 1)

    def test_the_top_level(self):
        error = failed("x = 1\ny = undefined\ndef main(): ...\n")
        self.assertEqual((error.kind, error.message, error.line), ("NameError", "name 'undefined' is not defined", 2))
        error = failed("x = 1\ny = undefined\ndef main(): ...\n", early=True)
        self.assertEqual((error.kind, error.line), ("NameError", 2))

    def test_a_suggestion_is_part_of_the_message(self):
        self.assertEqual(
            failed("def main():\n    value = 1\n    return vaule").message,
            "name 'vaule' is not defined. Did you mean: 'value'?",
        )

    def test_causes_are_chained(self):
        error = failed(
            "def main():\n    try:\n        {}['a']\n    except KeyError as e:\n        raise ValueError('no a') from e\n"
        )
        self.assertEqual((error.kind, error.line), ("ValueError", 5))
        self.assertIn("KeyError: 'a'", error.traceback)
        self.assertIn("direct cause", error.traceback)

    def test_exceptions_of_the_tool_itself(self):
        error = failed("class Broken(Exception): pass\ndef main(): raise Broken('é', 1)")
        self.assertEqual((error.kind, error.message), ("Broken", "('é', 1)"))

    def test_an_exception_group_says_what_is_in_it(self):
        error = failed("""
import asyncio
async def bad(n):
    raise ValueError(f"bad {n}")
async def main():
    async with asyncio.TaskGroup() as group:
        group.create_task(bad(1))
        group.create_task(bad(2))
""")
        self.assertEqual((error.kind, error.line), ("ExceptionGroup", 4))
        self.assertIn("(2 sub-exceptions): ValueError: bad 1; ValueError: bad 2", error.message)
        self.assertIn("bad 2", error.traceback)

    def test_leaving_is_an_exception(self):
        for statement, message in {
            "import sys; sys.exit('enough')": "enough",
            "import sys; sys.exit(3)": "the tool ended itself with exit code 3",
            "exit()": "the tool ended itself with exit code 0",
            "raise SystemExit": "the tool ended itself with exit code 0",
        }.items():
            with self.subTest(statement):
                error = failed(f"def main():\n    {statement}\n")
                self.assertEqual((error.kind, error.message, error.line), ("SystemExit", message, 2))
                self.assertEqual(failed(f"async def main():\n    {statement}\n").kind, "SystemExit")
        self.assertEqual(failed("def main(): raise KeyboardInterrupt").kind, "KeyboardInterrupt")
        self.assertEqual(failed("import sys\nsys.exit(1)\ndef main(): ...").kind, "SystemExit")

    def test_an_exception_without_text(self):
        error = failed("class E(Exception):\n    def __str__(self): raise ValueError\ndef main(): raise E")
        self.assertEqual(error.kind, "E")

    def test_lone_surrogates_cross_to_the_host(self):
        self.assertEqual(failed("def main(): raise ValueError('a\\ud800')").message, "a?")

    def test_long_texts_are_bounded(self):
        error = failed("def main(): raise ValueError('x' * 1_000_000)")
        self.assertLessEqual(len(error.message), 4_100)
        self.assertLessEqual(len(error.traceback), 20_100)

    def test_modules_that_are_missing_come_with_advice(self):
        self.assertIn("may import: use the global `http`", failed("import requests\ndef main(): ...").message)
        self.assertIn("tools run pure Python", failed("from numpy import array\ndef main(): ...").message)
        self.assertIn("ask for nonsense", failed("import nonsense\ndef main(): ...").message)

    def test_the_tool_can_print_its_own_traceback(self):
        guest = run("import traceback\ndef main():\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        return traceback.format_exc()")
        self.assertIn("    1 / 0\n", guest.result)


class Limits(unittest.TestCase):
    def test_endless_recursion_is_an_error(self):
        for source in (
            "def main(): return main()",
            "def a(): return b()\ndef b(): return a()\ndef main(): return a()",
            "class A:\n    def __getattr__(self, name): return getattr(self, name + 'x')\ndef main(): return A().b",
            "def main(n=0): return sorted([1], key=lambda _: main())",
            "class A:\n    def __repr__(self): return repr(self)\ndef main(): return str(A())",
            "import functools\n@functools.cache\ndef f(n): return f(n + 1)\ndef main(): return f(0)",
            "import re\ndef main(): return re.sub('a', lambda m: main(), 'a')",
            "async def main(): return await main()",
        ):
            with self.subTest(source):
                error = failed(source)
                self.assertEqual(error.kind, "RecursionError")
                self.assertRegex(error.message, "(maximum recursion depth exceeded|Stack overflow).*: a function calls itself")
                self.assertLessEqual(len(error.traceback), 20_100)

    def test_the_recursion_limit_can_be_raised_as_far_as_the_stack_bears(self):
        raised = "import sys\nsys.setrecursionlimit(10**9)\ndef deep(n): return n and deep(n - 1)\n"
        self.assertEqual(run(raised + "def main(): return deep(3_500)").result, 0)
        self.assertEqual(failed(raised + "def main(): return deep(10**9)").kind, "RecursionError")
        self.assertEqual(failed("import sys\ndef main(): sys.setrecursionlimit(-1)").kind, "ValueError")

    def test_too_much_memory_is_an_error(self):
        for source in (
            "def main():\n    return len(bytearray(1_000_000_000))",
            "def main():\n    kept = []\n    while True: kept.append(bytearray(1_000_000))",
            "def main():\n    kept = []\n    while True: kept.append(str(len(kept)) * 10)",
            "kept = []\ndef main():\n    while True: kept.append(bytearray(1_000_000))",
            "kept = []\nasync def main():\n    while True: kept.append([0] * 1000)",
        ):
            with self.subTest(source):
                error = failed(source, memory=128 * 1024 * 1024)
                self.assertEqual(error.kind, "MemoryError")
                self.assertIn("more memory than it may use", error.message)

    def test_memory_errors_can_be_caught(self):
        source = "def main():\n    try:\n        bytearray(10**9)\n    except MemoryError:\n        return 'caught'"
        self.assertEqual(run(source, memory=128 * 1024 * 1024).result, "caught")


class Describing(unittest.TestCase):
    def test_a_warning_at_compile_time_is_no_error(self):
        Guest().describe("def main(): return '\\d' is 'x'")


if __name__ == "__main__":
    unittest.main()
