"""Pieces of content: how they are made, and what becomes of a result that has some."""

import base64
import unittest

from host import GuestError, describe, run, value

PNG = b"\x89PNG\r\n\x1a\n"


def plain(value):
    """What the host got, as a dict."""
    if hasattr(value, "tag"):
        return {value.tag: plain(value.payload)}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, (bytes, str, int, float, type(None))):
        return value
    return {name: plain(one) for name, one in vars(value).items()}


def pieces(source, arguments=None):
    return plain(run(source, arguments).outcome.content)


def made(expression):
    [one] = pieces(f"import datetime\ndef main(): return {expression}")
    return one


def refused(source, arguments=None):
    try:
        run(source, arguments)
    except GuestError as error:
        return error
    raise AssertionError("it was accepted")


class Pieces(unittest.TestCase):
    def test_each_kind_reaches_the_host(self):
        hints = {"audience": ["user"], "priority": 0.5, "last-modified": "2026-01-31T00:00:00Z"}
        table = {
            "ctx.text('a \\ud800')": {"text": {"text": "a ?", "annotations": None}},
            "ctx.text('a', audience='user', priority=0.5, last_modified='2026-01-31T00:00:00Z')": {"text": {"text": "a", "annotations": hints}},
            f"ctx.image({PNG!r})": {"image": {"data": PNG, "mime-type": "image/png", "annotations": None}},
            "ctx.audio(bytearray(b'x'), 'audio/x')": {"audio": {"data": b"x", "mime-type": "audio/x", "annotations": None}},
            "ctx.link('https://a.example/', 'a', title='A', description='d', mime_type='text/html', size=7)": {
                "resource-link": {"uri": "https://a.example/", "name": "a", "title": "A", "description": "d", "mime-type": "text/html",
                                  "size": 7, "annotations": None}},
            "ctx.resource('a:b', 'text', 'text/plain')": {
                "resource": {"uri": "a:b", "mime-type": "text/plain", "body": "text", "annotations": None}},
            "ctx.resource('a:b', memoryview(b'bytes'))": {
                "resource": {"uri": "a:b", "mime-type": None, "body": b"bytes", "annotations": None}},
        }
        for expression, expected in table.items():
            with self.subTest(expression):
                self.assertEqual(made(expression), expected)

    def test_pictures_and_sounds_are_known_by_their_bytes(self):
        table = {
            "image": {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff\xe0": "jpeg", b"GIF89a": "gif", b"GIF87a": "gif", b"RIFF\0\0\0\0WEBP": "webp"},
            "audio": {b"RIFF\0\0\0\0WAVE": "wav", b"ID3\4": "mpeg", b"\xff\xfb\x90": "mpeg", b"OggS": "ogg", b"fLaC": "flac"},
        }
        for kind, known in table.items():
            for data, name in known.items():
                with self.subTest(name):
                    for form in (data, base64.b64encode(data).decode(), base64.encodebytes(data).decode()):
                        self.assertEqual(made(f"ctx.{kind}({form!r})")[kind]["mime-type"], f"{kind}/{name}")
                        self.assertEqual(made(f"ctx.{kind}({form!r})")[kind]["data"], data)

    def test_hints_are_a_role_or_several_and_a_moment(self):
        given = made("ctx.text('a', audience=['user', 'assistant'], priority=1, last_modified=datetime.datetime(2026, 1, 31))")
        self.assertEqual(given["text"]["annotations"],
                         {"audience": ["user", "assistant"], "priority": 1.0, "last-modified": "2026-01-31T00:00:00+00:00"})

    def test_what_is_wrong_is_said_with_what_to_give(self):
        table = {
            "ctx.image(b'RIFF\\0\\0\\0\\0WAVE')": "TypeError: what kind of image this is cannot be told from its bytes (known are image/gif, image/jpeg, "
                                                  "image/png, image/webp); give mime_type",
            "ctx.audio(b'')": "known are audio/flac, audio/mpeg, audio/ogg, audio/wav",
            "ctx.image('not base64!')": "ValueError: image data that is a str is base64, and this is not; give bytes as they are",
            "ctx.image(7)": "TypeError: image data is bytes, or a str in base64, not int",
            "ctx.text(7)": "TypeError: text is a str, not int",
            "ctx.link('a:b', None)": "TypeError: name is a str, not NoneType",
            "ctx.link('a:b', 'a', size=-1)": "TypeError: size is the number of bytes",
            "ctx.resource('a:b', {})": "TypeError: a resource is a str or bytes, not dict",
            "ctx.text('a', audience='all')": "ValueError: audience is \"user\", \"assistant\" or a list of them, not 'all'",
            "ctx.text('a', priority=2)": "ValueError: priority is a number from 0 to 1, not 2",
            "ctx.text('a', priority=float('nan'))": "ValueError: priority is a number from 0 to 1",
            "ctx.text('a', priority='high')": "TypeError: priority is a number from 0 to 1, not str",
            "Content('a')": "TypeError: content is made by ctx.text",
        }
        for expression, message in table.items():
            with self.subTest(expression):
                self.assertIn(message, str(refused(f"def main(): return {expression}")))


class Results(unittest.TestCase):
    def test_what_stands_beside_a_piece_becomes_a_text(self):
        found = pieces("def main(): return ['a', ctx.text('b'), {'c': 1}, None]")
        self.assertEqual([one["text"]["text"] for one in found], ["a", "b", '{"c": 1}', "null"])
        self.assertEqual(len(pieces("async def main(): return (1, ctx.text('b'))")), 2)

    def test_a_result_without_a_piece_stays_json(self):
        guest = run("def main():\n    ctx.text('not used')\n    return ['a', ['b']]")
        self.assertEqual((guest.outcome.content, guest.result), (None, ["a", ["b"]]))

    def test_content_alone_has_nothing_structured(self):
        guest = run("def main(): return ctx.text('a')")
        self.assertEqual((guest.outcome.result, guest.structured), ("null", None))

    def test_a_piece_made_by_the_top_level_counts_too(self):
        self.assertEqual(len(run("A = ctx.text('a')\ndef main(): return A", early=True).outcome.content), 1)

    def test_a_result_has_content_and_a_value(self):
        for returns, structured, expected in (
            ("", "{'a': 1}", {"a": 1}),
            (" -> Content", "{'a': 1}", {"a": 1}),
            (" -> dict[str, int]", "{'a': 1}", {"a": 1}),
            (" -> list[int]", "[1]", {"result": [1]}),
        ):
            guest = run(f"def main(){returns}: return ctx.result(['x', ctx.text('y')], structured={structured})")
            self.assertEqual((guest.structured, len(guest.outcome.content)), (expected, 2))
        guest = run("def main(): return ctx.result('only text', {'a': 1})")
        self.assertEqual(plain(guest.outcome.content), [{"text": {"text": "only text", "annotations": None}}])

    def test_a_promise_is_kept(self):
        for returns in ("dict", "int"):
            error = refused(f"def main() -> {returns}: return ctx.text('a')")
            self.assertEqual(error.message, "main returned content alone, but its return annotation promises a value; "
                                            "return ctx.result(content, structured=…), or annotate `-> Content`")
        error = refused("def main(): return ctx.result('a', structured=[1])")
        self.assertIn("the structured value is list, not an object; give ctx.result a dict", error.message)
        self.assertIn("not an object", refused("def main() -> dict: return ctx.result('a', structured=[1])").message)

    def test_a_piece_within_a_value_is_refused(self):
        for expression, place in (("{'a': [ctx.text('b')]}", "'a'.0"), ("[[ctx.text('b')]]", "0.0"), ("{'a': ctx.result('b')}", "'a'"),
                                  ("[ctx.text('a'), {'b': ctx.text('c')}]", "'b'")):
            error = refused(f"def main(): return {expression}")
            self.assertIn("content, which is no JSON value; return it by itself, in a list, or by ctx.result(content, structured=…)", error.message)
            self.assertIn(f"(at {place})", error.message)

    def test_the_annotation_promises_nothing(self):
        for returns in ("Content", "list[Content]", "Content | str", "'Content'", "list['Content | None']", "Annotated[Content, 'x']", "Pieces"):
            source = f"from typing import Annotated\nPieces = list[Content]\ndef main() -> {returns}: return ctx.text('a')"
            self.assertIsNone(describe(source)[1], returns)
            self.assertEqual(len(pieces(source)), 1)

    def test_a_class_of_the_same_name_is_the_tools_own(self):
        source = "from dataclasses import dataclass\n@dataclass\nclass Content:\n    a: int\ndef main() -> Content: return Content(1)"
        self.assertEqual(describe(source)[1]["required"], ["a"])
        self.assertEqual(value(source), {"a": 1})
        self.assertIsNotNone(describe("from typing import Literal\ndef main() -> Literal['Content']: return 'Content'")[1])

    def test_much_of_it_is_no_matter(self):
        source = "def main(): return [ctx.text(str(n)) for n in range(2_000)] + [ctx.image(b'x' * 100_000, 'image/x')]"
        self.assertEqual(len(run(source).outcome.content), 2_001)


if __name__ == "__main__":
    unittest.main()
