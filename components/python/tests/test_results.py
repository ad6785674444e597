"""What becomes of the value that `main` returns."""

import json
import unittest

from host import GuestError, run, value


def refused(source):
    try:
        run(source)
    except GuestError as error:
        return error
    raise AssertionError("it was accepted")


class Values(unittest.TestCase):
    def test_each_kind_of_value_has_its_json(self):
        head = """
import dataclasses, datetime as dt, decimal, enum, pathlib, uuid, collections
from types import MappingProxyType
@dataclasses.dataclass
class D:
    a: int
    b: object = None
class E(enum.Enum):
    X = "x"
class I(enum.IntEnum):
    ONE = 1
class S(enum.StrEnum):
    RED = "red"
P = collections.namedtuple("P", "x y")
def main(): return """
        table = {
            "None": None,
            "True": True,
            "'text'": "text",
            "10**30": 10**30,
            "1.5": 1.5,
            "[1, (2, {3})]": [1, [2, [3]]],
            "{'a': {'b': []}}": {"a": {"b": []}},
            "D(1, D(2))": {"a": 1, "b": {"a": 2, "b": None}},
            "[E.X, I.ONE, S.RED]": ["x", 1, "red"],
            "dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC)": "2026-01-31T12:00:00+00:00",
            "[dt.date(2026, 1, 31), dt.time(12, 30)]": ["2026-01-31", "12:30:00"],
            "dt.timedelta(minutes=1.5)": 90.0,
            "[decimal.Decimal('1.5'), decimal.Decimal('2.00'), decimal.Decimal('0.1')]": [1.5, 2, 0.1],
            "[decimal.Decimal('0.12345678901234567890'), decimal.Decimal('NaN')]": ["0.12345678901234567890", "NaN"],
            "[b'hi', bytearray(b'hi'), memoryview(b'hi')]": ["aGk=", "aGk=", "aGk="],
            "uuid.UUID(int=1)": "00000000-0000-0000-0000-000000000001",
            "pathlib.Path('a') / 'b'": "a/b",
            "[frozenset({1}), collections.deque([1]), range(2), {'k': 1}.keys()]": [[1], [1], [0, 1], ["k"]],
            "[collections.Counter('a'), MappingProxyType({'a': 1})]": [{"a": 1}, {"a": 1}],
            "P(1, 2)": [1, 2],
            "{1: 'a', 2.5: 'b', None: 'c', True: 'd'}": {"1": "d", "2.5": "b", "null": "c"},
            "dict(arguments)": {},
            "arguments": {},
            "'\\ud800 é'": "? é",
        }
        for expression, expected in table.items():
            with self.subTest(expression):
                self.assertEqual(value(head + expression), expected)

    def test_text_is_json_and_not_escaped_needlessly(self):
        self.assertEqual(run("def main(): return {'a': True, 'b': None, 'c': 'é'}").outcome.result, '{"a": true, "b": null, "c": "é"}')
        self.assertEqual(run("def main(): return 'x'").outcome.result, '"x"')

    def test_what_is_not_json_is_refused_with_advice(self):
        table = {
            "object()": "main returned an object, which is not JSON; return a dict, a list, a str, a number, a bool or None",
            "{'a': [1, object()]}": "which is not JSON",
            "float('nan')": "main returned nan, and JSON has no such number; return None or a str instead",
            "[float('-inf')]": "main returned -inf, and JSON has no such number",
            "{(1, 2): 3}": "a dict with a key that is no str",
            "(i for i in [])": "main returned a generator, which is not JSON; return list(…) of it",
            "[asyncio.sleep(0)]": "a coroutine, which is not JSON; `await` it first",
            "len": "a builtin_function_or_method, which is not JSON",
            "1j": "a complex, which is not JSON",
            "http.sync.get('https://example.com')": "a Response, which is not JSON; return response.json() or response.text",
        }
        for expression, message in table.items():
            with self.subTest(expression):
                error = refused(f"import asyncio\ndef main(): return {expression}")
                self.assertIn(message, error.message)
                self.assertIn(error.kind, ("TypeError", "ValueError"))

    def test_a_refusal_says_where_in_the_value_it_is(self):
        self.assertIn("(at 'rows'.1.'x')", refused("def main(): return {'rows': [1, {'x': object()}]}").message)

    def test_a_value_that_contains_itself_is_refused(self):
        self.assertIn("contains itself", refused("def main():\n    a = []\n    a.append(a)\n    return a").message)

    def test_a_value_may_be_nested_deep(self):
        self.assertEqual(len(run("def main():\n    a = []\n    for _ in range(900): a = [a]\n    return a").outcome.result), 1802)


class Structured(unittest.TestCase):
    def test_an_object_is_structured_with_and_without_a_promise(self):
        for returns in ("", " -> dict", " -> dict[str, int]"):
            guest = run(f"def main(){returns}: return {{'a': 1}}")
            self.assertEqual(guest.structured, {"a": 1})

    def test_what_is_promised_wrapped_is_wrapped(self):
        self.assertEqual(run("def main() -> int: return 1").structured, {"result": 1})
        self.assertEqual(run("def main() -> dict | None: return None").structured, {"result": None})
        self.assertEqual(run("def main() -> dict | None: return {'a': 1}").structured, {"result": {"a": 1}})
        self.assertEqual(json.loads(run("def main() -> int: return 1").outcome.result), 1)

    def test_nothing_else_is_structured(self):
        self.assertIsNone(run("def main(): return [1]").structured)
        self.assertIsNone(run("def main() -> None: ...").structured)

    def test_a_broken_promise_of_an_object_is_an_error(self):
        error = refused("def main() -> dict: return [1]")
        self.assertIn("main returned list, but its return annotation promises an object", error.message)


if __name__ == "__main__":
    unittest.main()
