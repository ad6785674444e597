"""The global `http`."""

import json
import time
import unittest

from host import GuestError, Host, failure, reply, run, value


def asked(expression):
    """The one request that `await http.<expression>` makes."""
    host = Host()
    run(f"async def main():\n    await http.{expression}", host=host)
    (request,) = host.requests
    return request


def answered(expression, answer, before=""):
    """The value of an expression about the response `r`."""
    return value(f"{before}\nasync def main():\n    r = await http.get('https://example.com/x')\n    return {expression}",
                 host=Host(internet=lambda request: answer))


class Requests(unittest.TestCase):
    def test_each_method(self):
        for name in ("get", "post", "put", "patch", "delete", "head", "options"):
            self.assertEqual(asked(f"{name}('https://example.com')").method, name.upper())
        self.assertEqual(asked("request('purge', 'https://example.com')").method, "PURGE")

    def test_params_are_added_to_the_query(self):
        self.assertEqual(
            asked("get('https://a.example/p?x=1#f', params={'q': 'a b', 'n': 1, 'l': [1, 2], 'no': None, 'yes': True})").url,
            "https://a.example/p?x=1&q=a+b&n=1&l=1&l=2&yes=true#f",
        )
        self.assertEqual(asked("get('https://a.example', params=[('a', 'é')])").url, "https://a.example?a=%C3%A9")

    def test_bodies(self):
        sent = asked("post('https://a.example', json={'a': 'é'})")
        self.assertEqual((json.loads(sent.body), sent.headers), ({"a": "é"}, [("content-type", "application/json")]))
        sent = asked("post('https://a.example', data={'a': 'b c', 'n': [1, 2]})")
        self.assertEqual(sent.body, b"a=b+c&n=1&n=2")
        self.assertEqual(sent.headers, [("content-type", "application/x-www-form-urlencoded")])
        sent = asked("post('https://a.example', content='é')")
        self.assertEqual((sent.body, sent.headers), ("é".encode(), [("content-type", "text/plain; charset=utf-8")]))
        sent = asked("post('https://a.example', data=b'\\x00\\xff')")
        self.assertEqual((sent.body, sent.headers), (b"\x00\xff", []))
        sent = asked("post('https://a.example', json=[], headers={'Content-Type': 'application/ld+json'})")
        self.assertEqual(sent.headers, [("Content-Type", "application/ld+json")])
        self.assertIsNone(asked("post('https://a.example')").body)
        with self.assertRaisesRegex(GuestError, "only one of json, data and content"):
            asked("post('https://a.example', json=1, data=b'')")

    def test_headers_and_timeout(self):
        sent = asked("get('https://a.example', headers={'X-A': 1}, timeout=1.5)")
        self.assertEqual((sent.headers, getattr(sent, "timeout-ms")), ([("X-A", "1")], 1500))
        self.assertIsNone(getattr(asked("get('https://a.example')"), "timeout-ms"))
        self.assertEqual(asked("get('https://a.example', headers=[('a', 'b'), ('a', 'c')])").headers, [("a", "b"), ("a", "c")])

    def test_an_unknown_option_is_named(self):
        with self.assertRaisesRegex(GuestError, "unexpected keyword argument 'verify'"):
            asked("get('https://a.example', verify=False)")

    def test_lone_surrogates_cross_to_the_host(self):
        self.assertEqual(asked("get('https://a.example/\\ud800', headers={'a': '\\ud800'})").url, "https://a.example/?")


class Responses(unittest.TestCase):
    def test_status_body_and_json(self):
        answer = reply(201, {"a": [1]})
        self.assertEqual(answered("[r.status_code, r.status, r.ok, r.reason, r.json()['a'], r.url, repr(r)]", answer),
                         [201, 201, True, "Created", [1], "https://example.com/x", "<Response 201 Created>"])
        self.assertEqual(answered("[r.content == r.body == b'hi', r.text]", reply(body=b"hi")), [True, "hi"])
        self.assertEqual(answered("[r.status, r.ok, r.reason, repr(r)]", reply(599)), [599, False, "", "<Response 599>"])

    def test_headers_in_any_case(self):
        answer = reply(headers=[("Content-Type", "a/b"), ("Set-Cookie", "a=1"), ("set-cookie", "b=2")])
        self.assertEqual(
            answered("[r.headers['content-TYPE'], r.headers.get('x', 'none'), 'SET-COOKIE' in r.headers, r.headers['set-cookie'], "
                     "r.headers.get_list('Set-Cookie'), dict(r.headers), len(r.headers)]", answer),
            ["a/b", "none", True, "a=1, b=2", ["a=1", "b=2"], {"content-type": "a/b", "set-cookie": "a=1, b=2"}, 2],
        )

    def test_text_in_the_charset_of_the_server(self):
        for charset, body, text in (("iso-8859-1", b"\xe9", "é"), ("nonsense", "é".encode(), "é"), ("utf-8", b"\xff", "\ufffd")):
            answer = reply(body=body, headers=[("content-type", f'text/plain; charset="{charset}"')])
            self.assertEqual(answered("r.text", answer), text)

    def test_a_body_that_is_not_json_is_shown(self):
        with self.assertRaises(GuestError) as caught:
            answered("r.json()", reply(502, "<html>bad gateway"))
        self.assertEqual(caught.exception.kind, "JSONDecodeError")
        self.assertIn("502 Bad Gateway for GET https://example.com/x is not JSON; it begins: '<html>bad", caught.exception.traceback)

    def test_raise_for_status(self):
        self.assertEqual(answered("r.raise_for_status().status", reply(204)), 204)
        answer = reply(429, "slow down " * 100, headers=[("Retry-After", "5")])
        with self.assertRaises(GuestError) as caught:
            answered("r.raise_for_status()", answer)
        error = caught.exception
        self.assertEqual((error.kind, error.line), ("StatusError", 4))
        self.assertTrue(error.message.startswith("429 Too Many Requests for GET https://example.com/x\nretry-after: 5\nslow down"))
        self.assertLess(len(error.message), 450)
        source = """
async def main():
    try:
        (await http.get("https://example.com")).raise_for_status()
    except http.StatusError as error:
        return [error.status_code, error.response.text, isinstance(error, http.Error)]
"""
        self.assertEqual(value(source, host=Host(internet=lambda _: reply(404, "no"))), [404, "no", True])


class Failures(unittest.TestCase):
    KINDS = {
        "denied": ("Denied", "PermissionError"),
        "invalid": ("Invalid", "ValueError"),
        "unreachable": ("Unreachable", "ConnectionError"),
        "timed-out": ("TimedOut", "TimeoutError"),
        "too-large": ("TooLarge", "OSError"),
    }

    def test_each_error_of_the_host_is_an_exception_with_its_text(self):
        for case, (name, also) in self.KINDS.items():
            for refused_at_once in (True, False):
                answer = (case, "the host's words") if refused_at_once else failure(case, "the host's words")
                host = Host(internet=lambda request: answer)
                source = f"""
async def main():
    try:
        await http.get("https://example.com")
    except http.{name} as error:
        return [str(error), isinstance(error, {also}), isinstance(error, OSError), isinstance(error, http.Error)]
"""
                with self.subTest(case, refused_at_once=refused_at_once):
                    self.assertEqual(value(source, host=host), ["the host's words", True, True, True])

    def test_uncaught_it_points_to_the_line(self):
        with self.assertRaises(GuestError) as caught:
            run("async def main():\n    await http.get('https://a.example')", host=Host(internet=lambda _: ("denied", "ask for a.example")))
        error = caught.exception
        self.assertEqual((error.kind, error.message, error.line), ("Denied", "ask for a.example", 2))
        self.assertNotIn("http_client", error.traceback)


    def test_a_forgotten_await_is_explained(self):
        with self.assertRaisesRegex(GuestError, "AttributeError: 'coroutine' object has no attribute 'json'; `await` it first"):
            run("def main(): return http.get('https://a.example').json()")
        guest = run("async def main():\n    http.get('https://a.example')")
        self.assertIn("coroutine 'http.request' was never awaited", guest.stderr)


class Together(unittest.TestCase):
    def test_requests_run_side_by_side(self):
        host = Host(internet=lambda request: reply(body=request.url[-1], after=0.15))
        source = """
import asyncio
async def main():
    answers = await asyncio.gather(*(http.get(f"https://example.com/{n}") for n in range(5)))
    return [answer.text for answer in answers]
"""
        began = time.monotonic()
        self.assertEqual(value(source, host=host), ["0", "1", "2", "3", "4"])
        self.assertLess(time.monotonic() - began, 0.5)

    def test_a_timeout_cancels_the_request_at_the_host(self):
        host = Host(internet=lambda request: reply(after=30))
        source = """
import asyncio
async def main():
    try:
        await asyncio.wait_for(http.get("https://example.com"), 0.02)
    except TimeoutError:
        return "late"
"""
        self.assertEqual(value(source, host=host), "late")
        self.assertEqual(host.cancelled, [1])

    def test_the_first_of_several(self):
        host = Host(internet=lambda request: reply(body=request.url[-1], after=0.01 if request.url.endswith("b") else 30))
        source = """
import asyncio
async def main():
    tasks = [asyncio.create_task(http.get(f"https://example.com/{n}")) for n in "ab"]
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    return [task.result().text for task in done]
"""
        self.assertEqual(value(source, host=host), ["b"])
        self.assertEqual(host.cancelled, [1])  # What is left over is cancelled when main returns.


class Sync(unittest.TestCase):
    def test_the_same_methods_without_await(self):
        host = Host(internet=lambda request: reply(body=f"{request.method} {request.url}"))
        source = """
def main():
    return [getattr(http.sync, name)("https://a.example").text for name in ("get", "post", "put", "patch", "delete", "head", "options")]
"""
        self.assertEqual(value(source, host=host)[1], "POST https://a.example")
        self.assertEqual(len(host.requests), 7)

    def test_its_errors(self):
        with self.assertRaisesRegex(GuestError, "TimedOut: too slow"):
            run("def main(): http.sync.get('https://a.example')", host=Host(internet=lambda _: failure("timed-out", "too slow")))


class Redirects(unittest.TestCase):
    @staticmethod
    def internet(request):
        answers = {
            "https://a.example/start": reply(302, headers=[("Location", "/next")]),
            "https://a.example/next": reply(307, headers=[("location", "https://b.example/end")]),
            "https://a.example/loop": reply(301, headers=[("location", "loop")]),
        }
        return answers.get(request.url) or reply(body="end")

    def test_a_redirect_is_an_answer(self):
        host = Host(internet=self.internet)
        self.assertEqual(value("async def main(): return (await http.get('https://a.example/start')).headers['location']", host=host), "/next")
        self.assertEqual(len(host.requests), 1)

    def test_following_asks_the_host_for_each_hop(self):
        for call in ("await http.post", "http.sync.post"):
            host = Host(internet=self.internet)
            source = f"""
async def main():
    r = {call}("https://a.example/start", json=1, headers={{"Authorization": "x", "X-A": "y"}}, follow_redirects=True)
    return [r.url, r.text]
"""
            self.assertEqual(value(source, host=host), ["https://b.example/end", "end"])
            self.assertEqual([one.method for one in host.requests], ["POST", "GET", "GET"])
            self.assertIsNone(host.requests[1].body)
            self.assertIn(("Authorization", "x"), host.requests[1].headers)
            self.assertEqual(host.requests[2].headers, [("X-A", "y")])

    def test_a_loop_of_redirects_ends(self):
        with self.assertRaisesRegex(GuestError, "more than 10 redirects"):
            run("async def main(): await http.get('https://a.example/loop', follow_redirects=True)", host=Host(internet=self.internet))


class BesideTheStandardModule(unittest.TestCase):
    def test_import_http_keeps_the_client_and_gives_the_standard_names(self):
        source = """
import http
import http.cookies, http.client
from http import HTTPStatus, HTTPMethod
async def main():
    r = await http.get("https://example.com")
    cookie = http.cookies.SimpleCookie("a=b")
    return [r.status, http.HTTPStatus.NOT_FOUND, HTTPStatus(200).phrase, cookie["a"].value, http.client.OK, HTTPMethod.GET]
"""
        self.assertEqual(value(source), [200, 404, "OK", "b", 200, "GET"])

    def test_basic_auth(self):
        self.assertEqual(value("def main(): return http.basic_auth('Aladdin', 'open sesame')"), "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")


if __name__ == "__main__":
    unittest.main()
