"""The global `http`: requests through the host, the only network that a tool has.

`http` is awaited (`await http.get(url)`), and `http.sync` is the same for a plain `def main`. It
stands in the place of the standard module `http` and carries its names too, so that a tool with
`import http` or `from http import HTTPStatus` gets both.
"""

import asyncio
import base64
import http as _standard
import json as _json
import math
import sys
import types
from collections.abc import Mapping
from urllib.parse import urlencode, urljoin, urlsplit, urlunsplit

from . import host, http_errors
from .http_response import Headers, Response

MAX_REDIRECTS = 10
_U32_MAX = 2**32 - 1


class Methods:
    """The methods that `http` and `http.sync` share; `request` is theirs."""

    def get(self, url, **options):
        return self.request("GET", url, **options)

    def post(self, url, **options):
        return self.request("POST", url, **options)

    def put(self, url, **options):
        return self.request("PUT", url, **options)

    def patch(self, url, **options):
        return self.request("PATCH", url, **options)

    def delete(self, url, **options):
        return self.request("DELETE", url, **options)

    def head(self, url, **options):
        return self.request("HEAD", url, **options)

    def options(self, url, **options):
        return self.request("OPTIONS", url, **options)


class SyncClient(Methods):
    """`http.sync`: each method blocks until the response is there."""

    def request(self, method, url, *, follow_redirects=False, **options):
        """As `http.request`, without `await`."""
        request = prepare(method, url, **options)
        for _ in range(MAX_REDIRECTS + 1):
            response = _take(_start(request), request)
            following = redirected(request, response) if follow_redirects else None
            if following is None:
                return response
            request = following
        raise http_errors.Error(f"more than {MAX_REDIRECTS} redirects from {url}")

    def __repr__(self):
        return "<http.sync>"


class Client(Methods, types.ModuleType):
    """`http`: each method gives an awaitable of the response."""

    def request(self, method, url, *, follow_redirects=False, **options):
        """Begins when it is awaited.

        headers: a mapping or pairs. params: added to the query. json: sent as JSON. data: a mapping
        is sent as a form, text and bytes as they are. content: text or bytes. timeout: seconds.
        follow_redirects: each hop is a request of its own and needs its own grant.
        """
        return self._request(prepare(method, url, **options), url, follow_redirects)

    async def _request(self, request, url, follow_redirects):
        for _ in range(MAX_REDIRECTS + 1):
            started = _start(request)
            await asyncio.get_running_loop().ended(started)
            response = _take(started, request)
            following = redirected(request, response) if follow_redirects else None
            if following is None:
                return response
            request = following
        raise http_errors.Error(f"more than {MAX_REDIRECTS} redirects from {url}")

    # What Python's warning about a forgotten `await` says.
    _request.__qualname__ = "http.request"

    def __repr__(self):
        return "<http>"


def prepare(method, url, *, headers=None, params=None, json=None, data=None, content=None, timeout=None):
    """What the host is asked for."""
    host.require_call("http")
    pairs = [(host.clean(str(name)), host.clean(str(value))) for name, value in _items(headers)]
    body, content_type = _body(json, data, content)
    if content_type is not None and not any(name.lower() == "content-type" for name, _ in pairs):
        pairs.append(("content-type", content_type))
    url = host.clean(with_params(str(url), params))
    return host.Request(host.clean(method.upper()), url, pairs, body, _milliseconds(timeout))


def with_params(url, params):
    """The URL with `params` added to its query; None is left out, a list repeats its name."""
    if not params:
        return url
    pairs = []
    for name, value in _items(params):
        for one in value if isinstance(value, (list, tuple)) else (value,):
            if one is not None:
                pairs.append((name, str(one).lower() if isinstance(one, bool) else one))
    parts = urlsplit(url)
    query = "&".join(filter(None, (parts.query, urlencode(pairs))))
    return urlunsplit(parts._replace(query=query))


def redirected(request, response):
    """The next request if the response is a redirect, otherwise None."""
    location = response.headers.get("location")
    if response.status_code not in (301, 302, 303, 307, 308) or not location:
        return None
    url = urljoin(request.url, location)
    method, body, headers = request.method, request.body, request.headers
    if response.status_code == 303 or (response.status_code in (301, 302) and method == "POST"):
        method, body = ("HEAD" if method == "HEAD" else "GET"), None
        headers = [pair for pair in headers if not pair[0].lower().startswith("content-")]
    if urlsplit(url)[:2] != urlsplit(request.url)[:2]:
        # Credentials are meant for the host that they were given for.
        headers = [pair for pair in headers if pair[0].lower() not in ("authorization", "cookie")]
    return host.Request(method, url, headers, body, request.timeout_ms)


def _items(value):
    if value is None:
        return ()
    return value.items() if isinstance(value, Mapping) else value


def _body(json, data, content):
    """The bytes to send and their content type; None for each that is unknown."""
    if sum(part is not None for part in (json, data, content)) > 1:
        raise TypeError("give only one of json, data and content")
    if json is not None:
        return _json.dumps(json, ensure_ascii=False).encode("utf-8", "replace"), "application/json"
    if isinstance(data, (Mapping, list, tuple)):
        return urlencode(data, doseq=True).encode(), "application/x-www-form-urlencoded"
    raw = content if data is None else data
    if isinstance(raw, str):
        return raw.encode("utf-8", "replace"), "text/plain; charset=utf-8"
    return (None if raw is None else bytes(raw)), None


def _milliseconds(timeout):
    if timeout is None:
        return None
    if timeout <= 0:
        raise ValueError("timeout must be more than 0 seconds")
    return min(math.ceil(timeout * 1000), _U32_MAX)


def _start(request):
    try:
        return host.start(request)
    except host.Err as error:
        raise http_errors.from_host(error.value) from None


def _take(started, request):
    try:
        answer = host.take(started)
    except host.Err as error:
        raise http_errors.from_host(error.value) from None
    return Response(request.method, request.url, answer.status, answer.headers, answer.body)


def basic_auth(user, password):
    """The value of an `Authorization` header for a name and a password."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def make():
    """The object that tools get, in place of the standard module."""
    client = Client("http", Client.request.__doc__)
    client.__dict__.update(_standard.__dict__)
    client.sync = SyncClient()
    client.Response, client.Headers, client.basic_auth = Response, Headers, basic_auth
    for name in ("Error", "Denied", "Invalid", "Unreachable", "TimedOut", "TooLarge", "StatusError"):
        setattr(client, name, getattr(http_errors, name))
    sys.modules["http"] = client
    return client
