"""How `main` gets the call's arguments."""

import unittest

from host import GuestError, run, value

HEAD = """
import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, Flag
from pathlib import Path
from typing import *
from uuid import UUID
"""


def given(annotation, argument, before=""):
    """`repr` of what a parameter receives."""
    return value(f"{HEAD}{before}\ndef main(x: {annotation}): return repr(x)", {"x": argument})


def refused(annotation, argument, before=""):
    """The message that a wrong argument gets."""
    try:
        given(annotation, argument, before)
    except GuestError as error:
        assert error.kind == "TypeError", error
        return error.message
    raise AssertionError("it was accepted")


class Calls(unittest.TestCase):
    def test_sync_and_async_main(self):
        self.assertEqual(value("def main(a, b=2): return a + b", {"a": 1}), 3)
        self.assertEqual(value("async def main(a, b=2): return a + b", {"a": 1}), 3)

    def test_a_sync_main_that_returns_an_awaitable_is_awaited(self):
        self.assertEqual(value("async def inner(): return 5\ndef main(): return inner()"), 5)

    def test_a_missing_argument_is_named(self):
        with self.assertRaisesRegex(GuestError, "TypeError: main.. missing 1 required positional argument: 'city'"):
            run("def main(city): ...")

    def test_an_unknown_argument_is_named(self):
        with self.assertRaisesRegex(GuestError, "TypeError: main.. got an unexpected keyword argument 'town'"):
            run("def main(city=1): ...", {"town": 1})

    def test_keyword_arguments_take_the_rest(self):
        self.assertEqual(value("def main(a, **rest): return rest", {"a": 1, "b": 2}), {"b": 2})

    def test_positional_only_and_keyword_only(self):
        source = "def main(a, b=2, c=3, /, *, d, e=5): return [a, b, c, d, e]"
        self.assertEqual(value(source, {"a": 1, "d": 4}), [1, 2, 3, 4, 5])
        self.assertEqual(value(source, {"a": 1, "c": 30, "d": 4, "e": 50}), [1, 2, 30, 4, 50])
        with self.assertRaisesRegex(GuestError, "missing the argument 'a'"):
            run(source, {"b": 1, "d": 4})
        with self.assertRaisesRegex(GuestError, "missing 1 required positional argument: 'a'"):
            run(source, {"d": 4})

    def test_optional_without_a_default_is_none(self):
        self.assertEqual(value("def main(a: int | None, b=1): return [a, b]"), [None, 1])

    def test_a_decorated_main(self):
        source = """
import functools
def twice(function):
    @functools.wraps(function)
    async def wrapper(*args, **kwargs):
        return [await function(*args, **kwargs), await function(*args, **kwargs)]
    return wrapper
@twice
async def main(day: datetime.date):
    return day.year
"""
        self.assertEqual(value(source, {"day": "2026-01-31"}), [2026, 2026])

    def test_plain_json_types_are_handed_over_as_they_are(self):
        source = "def main(a: str, b: float, c: list[int], d: dict[str, int]): return [a, b, c, d]"
        self.assertEqual(value(source, {"a": 1, "b": 2, "c": ["x"], "d": None}), [1, 2, ["x"], None])

    def test_arguments_must_be_an_object(self):
        from host import Guest

        code = Guest().describe("def main(): ...").code
        for text in ("[]", "1", "nonsense"):
            guest = Guest()
            guest.load(code, "")
            with self.assertRaises(GuestError):
                guest.call(text)

    def test_a_call_without_a_load_is_refused(self):
        from host import Guest

        with self.assertRaisesRegex(GuestError, "NotLoaded"):
            Guest().call("{}")


class Conversion(unittest.TestCase):
    def test_types_are_built_from_json(self):
        table = [
            ("set[int]", [1, 2, 1], "{1, 2}"),
            ("set", ["a"], "{'a'}"),
            ("frozenset[str]", ["a"], "frozenset({'a'})"),
            ("tuple[int, ...]", [1, 2], "(1, 2)"),
            ("tuple[str, set[int]]", ["a", [1]], "('a', {1})"),
            ("tuple", [1], "(1,)"),
            ("tuple[()]", [], "()"),
            ("bytes", "aGk=", "b'hi'"),
            ("dt.date", "2026-01-31", "datetime.date(2026, 1, 31)"),
            ("dt.datetime", "2026-01-31T12:00:00Z", "datetime.datetime(2026, 1, 31, 12, 0, tzinfo=datetime.timezone.utc)"),
            ("datetime.date", "2026-01-31", "datetime.date(2026, 1, 31)"),
            ("dt.time", "12:30", "datetime.time(12, 30)"),
            ("dt.timedelta", 1.5, "datetime.timedelta(seconds=1, microseconds=500000)"),
            ("Decimal", 1.1, "Decimal('1.1')"),
            ("Decimal", "1.10", "Decimal('1.10')"),
            ("UUID", "12345678123456781234567812345678", "UUID('12345678-1234-5678-1234-567812345678')"),
            ("Path", "a/b", "PosixPath('a/b')"),
            ("dict[int, dt.date]", {"1": "2026-01-31"}, "{1: datetime.date(2026, 1, 31)}"),
            ("Optional[dt.date]", None, "None"),
            ("dt.date | str", "soon", "'soon'"),
            ("list[dt.date]", ["2026-01-31"], "[datetime.date(2026, 1, 31)]"),
            ("Sequence[set[int]]", [[1]], "[{1}]"),
            ("Annotated[dt.date, 'when']", "2026-01-31", "datetime.date(2026, 1, 31)"),
            ("'set[int]'", [1], "{1}"),
            ("Literal['a'] | set[int]", "a", "'a'"),
            ("set[int | float | str | bool | None]", [1, "a", None], "{1, 'a', None}"),
        ]
        for annotation, argument, expected in table:
            with self.subTest(annotation):
                shown = given(annotation, argument)
                same = shown == expected or (shown[0] == "{" and eval(shown) == eval(expected))
                self.assertTrue(same, shown)

    def test_enums(self):
        before = "class U(Enum):\n    C = 'celsius'\n    F = 1\nclass P(Flag):\n    R = 1\n    W = 2\n"
        self.assertEqual(given("U", "celsius", before), "<U.C: 'celsius'>")
        self.assertEqual(given("list[U]", [1], before), "[<U.F: 1>]")
        self.assertEqual(given("P", 3, before), "<P.R|W: 3>")
        self.assertEqual(given("Literal[U.C]", "celsius", before), "<U.C: 'celsius'>")
        self.assertEqual(refused("U", "kelvin", before), "main() argument 'x': 'kelvin' is not one of 'celsius', 1")

    def test_dataclasses(self):
        before = (
            "@dataclass\nclass Item:\n    day: dt.date\n    tags: set[str] = field(default_factory=set)\n"
            "@dataclass(frozen=True, kw_only=True)\nclass Order:\n    items: list[Item]\n    parent: 'Order | None' = None\n"
        )
        shown = given("Order", {"items": [{"day": "2026-01-31", "tags": ["a"]}], "parent": {"items": []}}, before)
        self.assertEqual(
            shown,
            "Order(items=[Item(day=datetime.date(2026, 1, 31), tags={'a'})], parent=Order(items=[], parent=None))",
        )
        self.assertEqual(
            refused("Order", {"items": [{"day": "never"}]}, before),
            "main() argument 'x.items[0].day': 'never' is not a date (2026-01-31)",
        )
        self.assertEqual(refused("Order", {"items": [{}]}, before), "main() argument 'x.items[0].day': missing")
        self.assertIn("'x.size': no field of Order; its fields are items, parent", refused("Order", {"size": 1}, before))
        self.assertIn("expected an object (Order), not an array", refused("Order", [], before))

    def test_what_a_dataclass_itself_refuses_points_into_the_source(self):
        source = (
            "from dataclasses import dataclass\n@dataclass\nclass A:\n    n: int\n    def __post_init__(self):\n"
            "        if self.n < 0: raise ValueError('negative')\ndef main(a: A): ..."
        )
        with self.assertRaises(GuestError) as caught:
            run(source, {"a": {"n": -1}})
        self.assertEqual((caught.exception.kind, caught.exception.line), ("ValueError", 6))

    def test_typed_dicts_and_named_tuples(self):
        before = "class T(TypedDict):\n    day: dt.date\n    n: NotRequired[set[int]]\nclass P(NamedTuple):\n    x: dt.date\n    y: int = 0\n"
        self.assertEqual(given("T", {"day": "2026-01-31"}, before), "{'day': datetime.date(2026, 1, 31)}")
        self.assertEqual(given("P", ["2026-01-31"], before), "P(x=datetime.date(2026, 1, 31), y=0)")
        self.assertEqual(refused("T", {}, before), "main() argument 'x.day': missing")
        self.assertIn("expected 2 items (x, y), not 3", refused("P", [1, 2, 3], before))

    def test_wrong_values_say_what_is_expected_and_where(self):
        table = [
            ("dt.date", "31.1.2026", "'31.1.2026' is not a date (2026-01-31)"),
            ("dt.date", 5, "expected a date (2026-01-31), not an integer"),
            ("set[int]", ["a"], "[0]': expected an integer, not a string"),
            ("set[int]", [True], "expected an integer, not a boolean"),
            ("set[str]", "abc", "expected an array, not a string"),
            ("tuple[int, str]", [1], "expected 2 items, not 1"),
            ("bytes", "%%%", "'%%%' is not base64"),
            ("UUID", "x", "'x' is not a UUID"),
            ("dict[int, str]", {"a": "b"}, "the key 'a' is no int"),
            ("dt.date | None", "x", "'x' is not a date"),
            ("Decimal", "x", "'x' is not a number"),
            ("Literal['a'] | set[str]", "b", "'b' is not one of 'a'; expected an array, not a string"),
        ]
        for annotation, argument, expected in table:
            with self.subTest(annotation):
                self.assertIn(expected, refused(annotation, argument))


if __name__ == "__main__":
    unittest.main()
