"""What a tool says and asks by `ctx`."""

import json
import unittest

from host import GuestError, Host, describe, run, value
from wasmtime.component import Variant

ALL = ["elicitation", "elicitation-url", "sampling", "sampling-tools", "roots", "tasks"]


def accepts(**content):
    return Host(client=lambda *_: {"action": "accept", "content": content}, abilities=ALL)


def says(said):
    return Host(client=lambda *_: said, abilities=ALL)


def asked(source, arguments=None, **options):
    """The questions that a tool asked of somebody who answers nothing."""
    host = Host(client=lambda *_: {"action": "cancel"}, **options)
    run(source, arguments, host=host)
    return host.asked


def form(fields, before=""):
    """The schema of a form."""
    [(_, method, params)] = asked(f"{before}\ndef main(): ctx.elicit('m', {fields})")
    assert (method, params["message"]) == ("elicitation", "m")
    return params["requestedSchema"]


def refused(source, host=None):
    try:
        run(source, host=host or accepts())
    except GuestError as error:
        return error
    raise AssertionError("it was accepted")


class Parameter(unittest.TestCase):
    def test_it_is_no_argument(self):
        for parameter in ("ctx", "ctx=None", "ctx: Context", "c: Context", "c: 'Context'", "c: Context | None = None", "c: Optional[Context] = None",
                          "c: Annotated[Context, 'x']", "*, ctx", "*, c: Context", "ctx, /"):
            after = ", b: int = 2" if parameter.startswith("*") else ""
            source = f"from typing import Annotated, Optional\ndef main({'a: int, ' if not parameter.endswith('/') else ''}{parameter}{after}"
            source += f"{', a: int' if parameter.endswith('/') else ''}):\n    return [a, repr({'ctx' if 'ctx' in parameter else 'c'})]"
            with self.subTest(parameter):
                self.assertNotIn("c", describe(source)[0]["properties"])
                self.assertNotIn("ctx", describe(source)[0]["properties"])
                self.assertEqual(value(source, {"a": 1}), [1, "<ctx>"])

    def test_one_of_another_type_is_an_argument(self):
        self.assertEqual(value("def main(ctx: str): return ctx", {"ctx": "x"}), "x")
        source = "from dataclasses import dataclass\n@dataclass\nclass Context:\n    a: int\ndef main(c: Context): return c.a"
        self.assertEqual(value(source, {"c": {"a": 1}}), 1)
        self.assertEqual(value("from typing import Literal\ndef main(c: Literal['Context']): return c", {"c": "Context"}), "Context")
        self.assertIn("c", describe("from contextvars import Context\ndef main(c: Context): ...")[0]["properties"])

    def test_a_caller_cannot_give_it(self):
        self.assertEqual(value("def main(ctx, **rest): return [repr(ctx), rest]", {"ctx": "mine", "a": 1}), ["<ctx>", {"a": 1}])

    def test_the_global_is_the_same(self):
        self.assertEqual(value("top = ctx\ndef main(c: Context): return c is ctx is top and isinstance(c, Context)", early=True), True)

    def test_imports_of_others_are_told_of_it(self):
        error = refused("from fastmcp import Context\ndef main(ctx: Context): ...")
        self.assertIn("the global `ctx` and its type `Context` are there without an import", error.message)


class Saying(unittest.TestCase):
    def test_progress_and_lines_reach_the_host(self):
        host = Host()
        run("async def main():\n    await ctx.progress(1)\n    ctx.progress(2, 4, 'half')\n    await ctx.debug('a')\n    ctx.info('b %d', 2)\n"
            "    await ctx.warning('c')\n    await ctx.error('d')", host=host)
        self.assertEqual(host.progressed, [(1.0, None, None), (2.0, 4.0, "half")])
        self.assertEqual(host.logged, [("debug", "a"), ("info", "b 2"), ("warning", "c"), ("error", "d")])

    def test_they_give_nothing(self):
        self.assertEqual(value("async def main(): return [await ctx.info('a'), bool(ctx.progress(1)), repr(ctx.become_task())]"), [None, False, "None"])
        self.assertIsNone(value("def main(): return ctx.progress(1)"))

    def test_a_call_becomes_a_task(self):
        host = Host()
        run("def main(): ctx.become_task()", host=host)
        self.assertEqual(host.tasks, 1)

    def test_whether_the_client_can(self):
        source = "def main(): return [ctx.can('elicitation'), ctx.can('elicitation', 'roots'), ctx.can('tasks')]"
        self.assertEqual(value(source, host=Host(abilities=["elicitation", "roots"])), [True, True, False])
        self.assertEqual(value(source), [False, False, False])

    def test_what_it_has_to_be_able_to(self):
        host = Host()
        run("def main(): ctx.require('elicitation_url', 'sampling_tools')", host=host)
        self.assertEqual(host.required, [{"elicitation-url", "sampling-tools"}])

    def test_an_unknown_ability_is_an_error(self):
        for call in ("ctx.can('forms')", "ctx.require('tasks', 'forms')"):
            self.assertIn("there is no ability 'forms'; there are elicitation, elicitation_url, sampling,", refused(f"def main(): {call}").message)
        self.assertIn("which of them", refused("def main(): ctx.can()").message)


class Forms(unittest.TestCase):
    def test_fields_by_name(self):
        schema = form("{'count': int, 'price': float, 'express': bool, 'note': str | None, 'day': date, 'at': datetime.datetime, 'size': ['small', 'large'],"
                      " 'tags': [['a', 'b']], 'kind': Literal['x', 'y'], 'unit': Unit, 'units': set[Unit], 'named': 'integer',"
                      " 'email': {'type': 'string', 'format': 'email'}, 'level': {'type': 'integer', 'minimum': 1, 'default': 2},"
                      " 'said': Annotated[str, 'What was said.'], 'typed': Text, 'left': {'type': 'string', 'optional': True}}",
                      "from datetime import date\nfrom enum import Enum\nfrom typing import Annotated, Literal\ntype Text = str\n"
                      "class Unit(Enum):\n    C = 'celsius'\n    F = 'fahrenheit'")
        units = {"type": "string", "enum": ["celsius", "fahrenheit"]}
        self.assertEqual(schema["properties"], {
            "count": {"type": "integer"},
            "price": {"type": "number"},
            "express": {"type": "boolean"},
            "note": {"type": "string"},
            "day": {"type": "string", "format": "date"},
            "at": {"type": "string", "format": "date-time"},
            "size": {"type": "string", "enum": ["small", "large"]},
            "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            "kind": {"type": "string", "enum": ["x", "y"]},
            "unit": units,
            "units": {"type": "array", "items": units},
            "named": {"type": "integer"},
            "email": {"type": "string", "format": "email"},
            "level": {"type": "integer", "minimum": 1, "default": 2},
            "said": {"type": "string", "description": "What was said."},
            "typed": {"type": "string"},
            "left": {"type": "string"},
        })
        self.assertEqual(sorted(set(schema["properties"]) - set(schema["required"])), ["left", "level", "note"])

    def test_a_dataclass(self):
        before = '''
from dataclasses import dataclass, field
@dataclass
class Order:
    """An order.

    Args:
        count: How many.
    """
    count: int
    size: Literal["s", "l"] = "s"
    note: str | None = None
    tags: list[Literal["a", "b"]] = field(default_factory=list)
'''
        before = "from typing import Literal" + before
        self.assertEqual(form("Order", before), {
            "type": "object",
            "properties": {
                "count": {"type": "integer", "description": "How many."},
                "size": {"type": "string", "enum": ["s", "l"], "default": "s"},
                "note": {"type": "string"},
                "tags": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
            },
            "required": ["count"],
        })
        source = f"{before}\ndef main():\n    answer = ctx.elicit('m', Order)\n    return [isinstance(answer.content, Order), answer.content]"
        self.assertEqual(value(source, host=accepts(count=3)), [True, {"count": 3, "size": "s", "note": None, "tags": []}])
        self.assertEqual(value(source, host=accepts(count=3.0, size="l", note="n", tags=["b"]))[1], {"count": 3, "size": "l", "note": "n", "tags": ["b"]})

    def test_a_typed_dict(self):
        before = "from typing import NotRequired, TypedDict\nclass Order(TypedDict):\n    count: int\n    note: NotRequired[str]"
        self.assertEqual(form("Order", before)["required"], ["count"])
        self.assertEqual(value(f"{before}\ndef main(): return ctx.elicit('m', Order).content", host=accepts(count=1)), {"count": 1, "note": None})

    def test_a_whole_schema(self):
        schema = {"type": "object", "properties": {"a": {"type": "string", "oneOf": [{"const": "x", "title": "X"}]}, "b": {"type": "boolean"}}, "required": ["b"]}
        self.assertEqual(form({**schema, "title": "T", "additionalProperties": False}), schema)
        self.assertEqual(form("{'type': str}"), {"type": "object", "properties": {"type": {"type": "string"}}, "required": ["type"]})

    def test_what_no_form_has_is_refused_by_its_field(self):
        table = {
            "{'a': dict}": "the field 'a' is dict, which no form has; give a type",
            "{'a': list[str]}": "the field 'a' is list[str], which no form has",
            "{'a': int | str}": "the field 'a' is int | str, which no form has",
            "{'a': 3}": "the field 'a' is 3, which no form has",
            "{'a': 'text'}": "the field 'a' is 'text'; as a name of a type there is string, integer, number, boolean",
            "{'a': []}": "the choices of the field 'a' are a list of texts, at least one, each once",
            "{'a': ['x', 'x']}": "the choices of the field 'a'",
            "{'a': [1, 2]}": "the choices of the field 'a'",
            "{'a': Literal[1]}": "the choices of the field 'a'",
            "{'a': {'type': 'object'}}": "the field 'a' has the type 'object'; a form has string, integer, number, boolean, array",
            "{'a': {'type': 'string', 'pattern': 'x'}}": "the field 'a' has 'pattern', which no string of a form has",
            "{'a': {'type': 'string', 'format': 'ipv4'}}": "the field 'a' has the format 'ipv4'; a form has email, uri, date, date-time",
            "{'a': {'type': 'array'}}": "the field 'a' is an array without choices",
            "{'a': {'type': 'array', 'items': {'type': 'string'}}}": "the choices of the field 'a'",
            "{'a': {'type': 'integer', 'default': 'x'}}": "the default of the field 'a' does not fit it: expected an integer, not a string",
            "{'type': 'object', 'properties': {'a': str}}": "the field 'a' is str; give",
            "{'type': 'object', 'properties': {'a': {'type': 'string'}}, 'required': ['b']}": "the form requires 'b', which is none of its fields",
            "{}": "a form has at least one field",
            "{1: str}": "the name of a field is a str, not 1",
            "str": "the fields of a form are a dict, a dataclass, a TypedDict or a JSON Schema, not str",
            "Nested": "the field 'a' is",
        }
        before = "from dataclasses import dataclass\nfrom typing import Literal\n@dataclass\nclass Nested:\n    a: dict[str, int]"
        for fields, message in table.items():
            with self.subTest(fields):
                error = refused(f"{before}\ndef main(): ctx.elicit('m', {fields})")
                self.assertEqual(error.kind, "TypeError")
                self.assertIn(message, error.message)


class Answers(unittest.TestCase):
    def test_accepted(self):
        source = "def main():\n    answer = ctx.elicit('m', {'count': int})\n    return [bool(answer), answer.accepted, answer.action, answer.content]"
        self.assertEqual(value(source, host=accepts(count=3, more=1)), [True, True, "accept", {"count": 3}])
        for action in ("decline", "cancel"):
            self.assertEqual(value(source, host=says({"action": action, "content": {"count": 1}})), [False, False, action, None])

    def test_an_answer_can_be_awaited_and_returned(self):
        source = "async def main():\n    answer = await ctx.elicit('m', {'count': int})\n    if answer.action == 'accept':\n        return answer"
        self.assertEqual(value(source, host=accepts(count=3)), {"action": "accept", "content": {"count": 3}})
        self.assertEqual(value("def main(): return ctx.elicit('m', {'count': int})", host=accepts(count=3))["content"], {"count": 3})
        source = "import asyncio\nasync def main(): return [one.action for one in await asyncio.gather(ctx.visit('a', 'b:c', 'd'), ctx.visit('e', 'b:c', 'd'))]"
        self.assertEqual(value("import asyncio\nasync def main(): return await asyncio.gather(ctx.roots(), ctx.ask({'a': ctx.folders()}))", host=says({"roots": []})), [[], {"a": []}])
        self.assertEqual(value(source, host=says({"action": "accept"})), ["accept", "accept"])

    def test_values_have_their_types(self):
        source = ("from datetime import date\nfrom enum import Enum\nclass Unit(Enum):\n    C = 'c'\n"
                  "def main():\n    c = ctx.elicit('m', {'day': date, 'unit': Unit, 'units': set[Unit], 'left': int | None, 'kept': {'type': 'string', 'default': 'd'}}).content\n"
                  "    return [c['day'].year, c['unit'] is Unit.C, c['units'] == {Unit.C}, c['left'], c['kept']]")
        self.assertEqual(value(source, host=accepts(day="2026-01-31", unit="c", units=["c"])), [2026, True, True, None, "d"])

    def test_an_answer_that_does_not_fit_is_an_error(self):
        table = [
            ("{'a': int}", {}, "a: missing"),
            ("{'a': int}", {"a": "1"}, "a: expected an integer, not a string"),
            ("{'a': int}", {"a": True}, "a: expected an integer, not a boolean"),
            ("{'a': float}", {"a": [1]}, "a: expected a number, not an array"),
            ("{'a': ['x']}", {"a": "y"}, "a: 'y' is not one of 'x'"),
            ("{'a': [['x']]}", {"a": ["y"]}, "a: 'y' is not one of 'x'"),
            ("{'a': {'type': 'string', 'oneOf': [{'const': 'x', 'title': 'X'}]}}", {"a": "X"}, "a: 'X' is not one of 'x'"),
            ("{'a': {'type': 'integer', 'maximum': 3}}", {"a": 4}, "a: 4 is outside its maximum of 3"),
            ("{'a': {'type': 'string', 'minLength': 2}}", {"a": "x"}, "a: 'x' is outside its minLength of 2"),
            ("{'a': date}", {"a": "soon"}, "a: 'soon' is not a date (2026-01-31)"),
        ]
        for fields, content, message in table:
            with self.subTest(message):
                source = f"from datetime import date\ndef main():\n    try:\n        ctx.elicit('m', {fields}, key='k')\n    except ctx.ClientError as error:\n        return [error.reason, str(error)]"
                self.assertEqual(value(source, host=accepts(**content)), ["invalid", f"the client's answer to the question 'k' does not fit: {message}"])

    def test_visiting(self):
        [(_, method, params)] = asked("def main(): ctx.visit('Pay', 'https://pay.example/7', 'order-7')")
        self.assertEqual((method, params), ("elicitation", {"mode": "url", "message": "Pay", "url": "https://pay.example/7", "elicitationId": "order-7"}))
        self.assertEqual(value("def main(): return bool(ctx.visit('Pay', 'a:b', 'c'))", host=says({"action": "accept"})), True)

    def test_sampling(self):
        host = says({"role": "assistant", "model": "m", "stopReason": "endTurn", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]})
        source = ("async def main():\n    said = await ctx.sample(['hi', {'role': 'assistant', 'content': 'yes?'}, {'role': 'user', 'content': [ctx.image(b'x', 'image/x'), 'this']}],"
                  " system='Be short.', max_tokens=9, temperature=0.5, stop_sequences=['.'])\n    return [said.text, str(said), said.model, said.stop_reason, said.content]")
        self.assertEqual(value(source, host=host)[:4], ["ab", "ab", "m", "endTurn"])
        [(_, method, params)] = host.asked
        text = lambda said: {"type": "text", "text": said}
        self.assertEqual((method, params), ("sampling", {
            "messages": [
                {"role": "user", "content": text("hi")},
                {"role": "assistant", "content": text("yes?")},
                {"role": "user", "content": [{"type": "image", "data": "eA==", "mimeType": "image/x"}, text("this")]},
            ],
            "maxTokens": 9, "systemPrompt": "Be short.", "temperature": 0.5, "stopSequences": ["."],
        }))
        for messages in ("7", "[]", "[7]", "[{'role': 'system', 'content': 'x'}]", "[{'role': 'user'}]", "[ctx.link('a:b', 'c')]"):
            self.assertEqual(refused(f"def main(): ctx.sample({messages})").kind, "TypeError")

    def test_roots(self):
        host = says({"roots": [{"uri": "file:///a", "name": "A"}, {"uri": "file:///b"}]})
        self.assertEqual(value("async def main(): return [[one.uri, one.name] for one in await ctx.roots()]", host=host), [["file:///a", "A"], ["file:///b", None]])
        self.assertEqual(host.asked[0][1:], ("roots", {}))

    def test_several_at_once(self):
        answers = {"size": {"action": "accept", "content": {"n": 1}}, "go": {"action": "decline"}, "where": {"roots": []}, "said": {"model": "m", "content": {"text": "x"}}}
        host = Host(client=lambda key, *_: answers[key])
        source = ("async def main():\n    got = await ctx.ask({'size': ctx.form('m', {'n': int}), 'go': ctx.address('m', 'a:b', 'c'), 'where': ctx.folders(), 'said': ctx.sampling('hi')})\n"
                  "    return [got['size'].content['n'], bool(got['go']), got['where'], got['said'].text, list(got)]")
        self.assertEqual(value(source, host=host), [1, False, [], "x", ["size", "go", "where", "said"]])
        self.assertIn("the question 'a' is made by ctx.form", refused("def main(): ctx.ask({'a': 'who?'})").message)
        self.assertIn("takes a dict of questions", refused("def main(): ctx.ask([ctx.folders()])").message)


class Keys(unittest.TestCase):
    def test_a_key_is_given_as_it_is(self):
        found = asked("def main():\n    ctx.elicit('m', {'a': int}, key='mine')\n    ctx.visit('m', 'a:b', 'c', key='mine-2')")
        self.assertEqual([key for key, *_ in found], ["mine", "mine-2"])
        self.assertEqual(refused("def main(): ctx.elicit('m', {'a': int}, key=7)").kind, "TypeError")

    def test_a_key_stands_for_one_question(self):
        found = asked("def main():\n    for _ in range(2): ctx.elicit('m', {'a': int}, key='mine')")
        self.assertEqual([key for key, *_ in found], ["mine", "mine"])
        for other in ("ctx.elicit('n', {'a': int}, key='mine')", "ctx.ask({'mine': ctx.folders()})"):
            error = refused(f"def main():\n    ctx.elicit('m', {{'a': int}}, key='mine')\n    {other}", accepts(a=1))
            self.assertEqual(error.message, "the question cannot be put: the key 'mine' stands for two questions; give each its own")

    def test_one_that_is_derived_is_the_same_in_each_run_and_another_for_each_question(self):
        source = ("def main(who='Ada'):\n    for _ in range(2): ctx.elicit(f'Who is {who}?', {'a': int})\n    ctx.elicit('Other', {'a': int})\n"
                  "    ctx.elicit('Other', {'a': str})\n    ctx.visit('m', 'a:b', 'c')")
        first, again, other = asked(source), asked(source), asked(source, {"who": "Bob"})
        keys = [key for key, *_ in first]
        self.assertEqual(keys, [key for key, *_ in again])
        self.assertEqual(len(set(keys)), 5)
        self.assertEqual(keys[1], f"{keys[0]}-2")
        for key in keys:
            self.assertRegex(key, r"^(elicit|visit)-[0-9a-f]{16}(-2)?$")
        self.assertNotEqual(keys[0], other[0][0])
        self.assertEqual(keys[2:], [key for key, *_ in other[2:]])


class Failures(unittest.TestCase):
    def told(self, said):
        source = "def main():\n    try:\n        ctx.elicit('m', {'a': int}, key='k')\n    except ctx.ClientError as error:\n        return [error.reason, str(error)]"
        return value(source, host=Host(client=lambda *_: said))

    def test_each_has_its_reason(self):
        self.assertEqual(self.told("not now"), ["refused", "the client refused the question 'k': not now; catch ctx.ClientError to go on without an answer"])
        self.assertEqual(self.told(Variant("unsupported", "it lacks forms")),
                         ["unsupported", "it lacks forms; look with ctx.can(…) whether the client can, or say with ctx.require(…) that it has to"])
        self.assertEqual(self.told(Variant("unanswered", "nobody answered")), ["unanswered", "nobody answered; the call can be made again"])
        self.assertEqual(self.told(Variant("invalid", "too many")), ["invalid", "the question cannot be put: too many"])

    def test_one_that_is_not_caught_names_the_line(self):
        error = refused("def main():\n    ctx.sample('hi')", Host())
        self.assertEqual((error.kind, error.line), ("ClientError", 2))
        self.assertIn("nobody is there to be asked", error.message)
        self.assertEqual(error.traceback.splitlines()[-1], f"ClientError: {error.message}")

    def test_a_top_level_that_asks_needs_a_call(self):
        for top_level in ("ctx.can('tasks')", "ctx.elicit('m', {'a': int})", "ctx.progress(1)", "ctx.info('a')", "ctx.become_task()", "ctx.require('tasks')"):
            host = accepts(a=1)
            self.assertEqual(run(f"{top_level}\ndef main(): return 1", early=True, host=host).loaded, "needs-call")
            self.assertEqual((host.asked, host.logged, host.progressed, host.required, host.tasks), ([], [], [], [], 0))
        for top_level in ("f = ctx.form('m', {'a': int})", "p = ctx.text('a')", "try:\n    ctx.can('x')\nexcept ValueError: pass", "e = ctx.elicit"):
            self.assertEqual(run(f"{top_level}\ndef main(): return 1", early=True).loaded, "ready")

    def test_a_top_level_within_a_call_may_ask(self):
        self.assertEqual(value("A = ctx.elicit('m', {'a': int}).content\ndef main(): return A", host=accepts(a=1)), {"a": 1})


if __name__ == "__main__":
    unittest.main()
