"""What a tool's signature, annotations and docstring become."""

import unittest

from host import Guest, GuestError, describe

HEAD = """
from __future__ import annotations
import datetime as dt
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum, auto
from typing import *
from uuid import UUID
"""


def parameter(annotation, before=""):
    """The schema of one parameter."""
    return describe(f"{HEAD}{before}\ndef main(x: {annotation}): ...")[0]["properties"]["x"]


def returned(annotation, before=""):
    """The output schema of one return annotation."""
    return describe(f"{HEAD}{before}\ndef main() -> {annotation}: ...")[1]


class Parameters(unittest.TestCase):
    def test_each_annotation_has_its_schema(self):
        table = {
            "str": {"type": "string"},
            "int": {"type": "integer"},
            "float": {"type": "number"},
            "bool": {"type": "boolean"},
            "None": {"type": "null"},
            "bytes": {"type": "string", "contentEncoding": "base64"},
            "Any": {},
            "object": {},
            "SomethingElse": {},
            "list": {"type": "array"},
            "list[str]": {"type": "array", "items": {"type": "string"}},
            "List[list[int]]": {"type": "array", "items": {"type": "array", "items": {"type": "integer"}}},
            "Sequence[float]": {"type": "array", "items": {"type": "number"}},
            "tuple": {"type": "array"},
            "tuple[int, ...]": {"type": "array", "items": {"type": "integer"}},
            "tuple[int, str]": {
                "type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "minItems": 2, "maxItems": 2,
            },
            "set[str]": {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
            "dict": {"type": "object"},
            "dict[str, Any]": {"type": "object"},
            "dict[str, int]": {"type": "object", "additionalProperties": {"type": "integer"}},
            "Mapping[int, str]": {"type": "object", "additionalProperties": {"type": "string"}},
            "Literal['a', 'b']": {"type": "string", "enum": ["a", "b"]},
            "Literal[1, -2]": {"type": "integer", "enum": [1, -2]},
            "Literal['a', 1, None]": {"enum": ["a", 1, None]},
            "int | None": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "Optional[int]": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "Union[int, str, int]": {"anyOf": [{"type": "integer"}, {"type": "string"}]},
            "Optional[int | str]": {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]},
            "Union[int]": {"type": "integer"},
            "int | Any": {},
            "Annotated[int, 'how many']": {"type": "integer", "description": "how many"},
            "Annotated[list[Annotated[str, 'one']], 5, 'all']": {
                "type": "array", "items": {"type": "string", "description": "one"}, "description": "all",
            },
            "dt.date": {"type": "string", "format": "date"},
            "datetime.datetime": {"type": "string", "format": "date-time"},
            "dt.time": {"type": "string", "format": "time"},
            "Decimal": {"type": ["number", "string"]},
            "UUID": {"type": "string", "format": "uuid"},
            "'int'": {"type": "integer"},
            "'list[\"int\"]'": {"type": "array", "items": {"type": "integer"}},
            "Final[int]": {"type": "integer"},
        }
        for annotation, schema in table.items():
            with self.subTest(annotation):
                self.assertEqual(parameter(annotation), schema)

    def test_a_signature_becomes_an_object_schema(self):
        schema, output, summary = describe(
            "def main(a, /, b: int, c: str = 'x', *rest, d: bool, e: float = 1.5, f=compute(), g=None): ..."
        )
        self.assertEqual(summary, "")
        self.assertIsNone(output)
        self.assertEqual(schema, {
            "type": "object",
            "properties": {
                "a": {}, "b": {"type": "integer"}, "c": {"type": "string", "default": "x"}, "d": {"type": "boolean"},
                "e": {"type": "number", "default": 1.5}, "f": {}, "g": {"default": None},
            },
            "required": ["a", "b", "d"],
            "additionalProperties": False,
        })

    def test_without_parameters_there_is_nothing_to_give(self):
        self.assertEqual(
            describe("async def main(): ...")[0], {"type": "object", "properties": {}, "additionalProperties": False}
        )

    def test_keyword_arguments_allow_additional_properties(self):
        self.assertNotIn("additionalProperties", describe("def main(**options): ...")[0])
        self.assertEqual(describe("def main(**options: int): ...")[0]["additionalProperties"], {"type": "integer"})

    def test_optional_without_a_default_is_not_required(self):
        self.assertNotIn("required", describe("def main(a: int | None, b: 'Optional[str]'): ...")[0])

    def test_the_last_main_counts_wherever_the_top_level_defines_it(self):
        source = "def main(a): ...\nif True:\n    def main(b): ...\nelse:\n    pass"
        self.assertEqual(list(describe(source)[0]["properties"]), ["b"])


class Classes(unittest.TestCase):
    def test_a_dataclass_is_an_object(self):
        before = '''
@dataclass
class Item:
    """One thing to buy.

    Args:
        name: what it is called
    """
    name: str
    count: int = 1
    tags: list[str] = field(default_factory=list)
    hidden: int = field(init=False, default=0)
    total: ClassVar[int] = 0
'''
        self.assertEqual(parameter("Item", before), {
            "type": "object",
            "properties": {
                "name": {"type": "string", "description": "what it is called"},
                "count": {"type": "integer", "default": 1},
                "tags": {"type": "array", "items": {"type": "string"}},
            },
            "required": ["name"],
            "additionalProperties": False,
            "description": "One thing to buy.",
        })

    def test_a_dataclass_inherits_fields(self):
        before = "@dataclass\nclass A:\n    a: int\n    b: int = 0\n@dataclass(slots=True)\nclass B(A):\n    b: str = ''\n    c: bool = True\n"
        schema = parameter("B", before)
        self.assertEqual(list(schema["properties"]), ["a", "b", "c"])
        self.assertEqual(schema["properties"]["b"], {"type": "string", "default": ""})

    def test_a_typed_dict_says_what_is_required(self):
        before = "class T(TypedDict, total=False):\n    a: Required[int]\n    b: str\nclass U(TypedDict):\n    c: int\n    d: NotRequired[T]\n"
        schema = parameter("U", before)
        self.assertEqual(schema["required"], ["c"])
        self.assertEqual(schema["properties"]["d"]["required"], ["a"])

    def test_a_named_tuple_is_an_array(self):
        schema = parameter("P", "class P(NamedTuple):\n    x: float\n    y: float = 0.0\n")
        self.assertEqual(schema["prefixItems"], [{"type": "number"}, {"type": "number"}])
        self.assertEqual((schema["minItems"], schema["maxItems"]), (1, 2))

    def test_enums_list_their_values(self):
        before = (
            "class A(Enum):\n    X = 'x'\n    Y = 'y'\nclass B(IntEnum):\n    P = auto()\n    Q = auto()\n"
            "class C(StrEnum):\n    RED = auto()\n    GREEN = 'g'\nclass D(A2 := Enum):\n    pass\n"
        )
        self.assertEqual(parameter("A", before), {"type": "string", "enum": ["x", "y"]})
        self.assertEqual(parameter("B", before), {"type": "integer", "enum": [1, 2]})
        self.assertEqual(parameter("C", before), {"type": "string", "enum": ["red", "g"]})
        self.assertEqual(parameter("Literal[A.X]", before), {"type": "string", "enum": ["x"]})

    def test_a_class_used_twice_and_a_class_of_itself_stand_in_defs(self):
        schema = describe(f"{HEAD}@dataclass\nclass N:\n    next: N | None = None\ndef main(a: N): ...")[0]
        self.assertEqual(schema["properties"]["a"], {"$ref": "#/$defs/N"})
        self.assertEqual(
            schema["$defs"]["N"]["properties"]["next"],
            {"anyOf": [{"$ref": "#/$defs/N"}, {"type": "null"}], "default": None},
        )
        schema = describe(f"{HEAD}@dataclass\nclass P:\n    x: int\ndef main(a: P, b: list[P]): ...")[0]
        self.assertEqual(schema["properties"]["b"], {"type": "array", "items": {"$ref": "#/$defs/P"}})
        self.assertEqual(list(schema["$defs"]), ["P"])

    def test_mutually_recursive_classes_end(self):
        before = "@dataclass\nclass A:\n    b: B | None\n@dataclass\nclass B:\n    a: list[A]\n"
        schema = describe(f"{HEAD}{before}\ndef main(a: A): ...")[0]
        self.assertEqual(list(schema["$defs"]), ["A"])

    def test_aliases_are_followed(self):
        before = "Ids = list[int]\ntype Names = dict[str, Ids]\nUserId = NewType('UserId', int)\nLoop = 'Loop'\n"
        self.assertEqual(parameter("Ids", before), {"type": "array", "items": {"type": "integer"}})
        self.assertEqual(
            parameter("Names", before),
            {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "integer"}}},
        )
        self.assertEqual(parameter("UserId", before), {"type": "integer"})
        self.assertEqual(parameter("Loop", before), {})

    def test_other_classes_allow_everything(self):
        self.assertEqual(parameter("Thing", "class Thing:\n    a: int = 1\n"), {})


class Output(unittest.TestCase):
    def test_objects_stand_as_they_are(self):
        self.assertEqual(returned("dict"), {"type": "object"})
        self.assertEqual(returned("dict[str, Any]"), {"type": "object"})
        self.assertEqual(returned("dict[str, int]"), {"type": "object", "additionalProperties": {"type": "integer"}})
        schema = returned("R", "@dataclass\nclass R:\n    a: int\n    inner: list[R]\n")
        self.assertEqual(schema["type"], "object")
        self.assertEqual(schema["properties"]["inner"]["items"], {"$ref": "#/$defs/R"})
        self.assertEqual(returned("T", "class T(TypedDict):\n    a: int\n")["required"], ["a"])

    def test_everything_else_is_wrapped(self):
        for annotation, inner in {
            "int": {"type": "integer"},
            "str": {"type": "string"},
            "list[dict]": {"type": "array", "items": {"type": "object"}},
            "dict | None": {"anyOf": [{"type": "object"}, {"type": "null"}]},
        }.items():
            with self.subTest(annotation):
                self.assertEqual(
                    returned(annotation), {"type": "object", "properties": {"result": inner}, "required": ["result"]}
                )

    def test_nothing_is_promised_without_an_annotation(self):
        self.assertIsNone(describe("def main(): ...")[1])
        self.assertIsNone(returned("Any"))
        self.assertIsNone(returned("None"))


class Docstrings(unittest.TestCase):
    def descriptions(self, docstring):
        source = f'async def main(city, days=1, **rest):\n    """{docstring}"""'
        schema, _, summary = describe(source)
        return summary, {name: one.get("description") for name, one in schema["properties"].items()}

    def test_the_first_paragraph_is_the_summary(self):
        self.assertEqual(self.descriptions("Says\n    hello.\n\n    More.")[0], "Says hello.")

    def test_google(self):
        found = self.descriptions("""Weather.

    Args:
        city (str): where,
            exactly
        days: how many

    Returns:
        days: nothing""")
        self.assertEqual(found, ("Weather.", {"city": "where, exactly", "days": "how many"}))

    def test_sphinx(self):
        found = self.descriptions("""Weather.

    :param city: where,
        exactly
    :param int days: how many
    :returns: nothing""")
        self.assertEqual(found, ("Weather.", {"city": "where, exactly", "days": "how many"}))

    def test_numpy(self):
        found = self.descriptions("""Weather.

    Parameters
    ----------
    city : str
        where,
        exactly
    days : int, optional
        how many

    Returns
    -------
    days : int
        nothing""")
        self.assertEqual(found, ("Weather.", {"city": "where, exactly", "days": "how many"}))

    def test_annotated_wins_over_the_docstring(self):
        source = 'def main(a: Annotated[int, "here"]):\n    """X.\n\n    Args:\n        a: there\n    """'
        self.assertEqual(describe(source)[0]["properties"]["a"]["description"], "here")


class Refusals(unittest.TestCase):
    def refused(self, source):
        with self.assertRaises(GuestError) as caught:
            Guest().describe(source)
        return caught.exception

    def test_a_tool_without_main(self):
        for source in ("x = 1", "class main: ...", "main = print", "def other():\n    def main(): ..."):
            error = self.refused(source)
            self.assertEqual(error.kind, "NoMain")
            self.assertIn("the tool defines no main(); write `async def main(...)`", error.message)
            self.assertIsNone(error.line)

    def test_a_syntax_error_shows_its_place(self):
        error = self.refused("def main():\n    x = (1 +\n    return x\n")
        self.assertEqual((error.kind, error.line), ("SyntaxError", 2))
        self.assertIn("'(' was never closed", error.message)
        self.assertEqual(error.excerpt, "  1 | def main():\n> 2 |     x = (1 +\n    |         ^\n  3 |     return x")
        self.assertIn("SyntaxError: '(' was never closed", error.traceback)

    def test_an_indentation_error(self):
        error = self.refused("def main():\nreturn 1")
        self.assertEqual((error.kind, error.line), ("IndentationError", 2))

    def test_null_bytes_and_deep_nesting_are_errors_and_no_traps(self):
        self.assertEqual(self.refused("def main(): ...\0").kind, "SyntaxError")
        self.assertIn(self.refused("x = " + "(" * 5000 + ")" * 5000).kind, ("SyntaxError", "MemoryError", "RecursionError"))
        self.assertIn(self.refused("x = " + "-" * 50_000 + "1").kind, ("SyntaxError", "MemoryError", "RecursionError"))

    def test_none_of_the_source_runs(self):
        guest = Guest()
        guest.describe("print('ran')\nraise SystemExit\ndef main(a=print('ran')): ...")
        self.assertEqual(guest.stdout, "")

    def test_a_byte_order_mark_does_no_harm(self):
        self.assertEqual(describe("\ufeffdef main(): ...")[2], "")


if __name__ == "__main__":
    unittest.main()
