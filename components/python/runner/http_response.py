"""The answer to a request."""

import json
from collections.abc import Mapping
from email.message import Message
from http import HTTPStatus

from .http_errors import StatusError

# Headers that say why a server refuses and when to come back; shown by `raise_for_status`.
_TELLING = ("retry-after", "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "www-authenticate")


class Headers(Mapping):
    """Header fields by name in any case; a name that came more than once is joined by ", "."""

    __slots__ = ("_fields", "_pairs")

    def __init__(self, pairs):
        self._pairs = [(name.lower(), value) for name, value in pairs]
        self._fields = {}
        for name, value in self._pairs:
            self._fields.setdefault(name, []).append(value)

    def __getitem__(self, name):
        try:
            return ", ".join(self._fields[name.lower()])
        except KeyError:
            raise KeyError(name) from None

    def __contains__(self, name):
        return isinstance(name, str) and name.lower() in self._fields

    def __iter__(self):
        return iter(self._fields)

    def __len__(self):
        return len(self._fields)

    def get_list(self, name):
        """Every value of a name, in the order they came (`set-cookie`)."""
        return list(self._fields.get(name.lower(), ()))

    def __repr__(self):
        return f"Headers({dict(self)!r})"


class Response:
    """Status, headers and the whole body."""

    __slots__ = ("method", "url", "status_code", "headers", "content")

    def __init__(self, method, url, status, headers, content):
        self.method = method
        self.url = url
        self.status_code = status
        self.headers = Headers(headers)
        self.content = content

    @property
    def status(self):
        return self.status_code

    @property
    def body(self):
        return self.content

    @property
    def ok(self):
        return self.status_code < 400

    @property
    def reason(self):
        """The usual phrase for the status, such as "Not Found"; empty if there is none."""
        try:
            return HTTPStatus(self.status_code).phrase
        except ValueError:
            return ""

    @property
    def encoding(self):
        """The charset that the server names, otherwise UTF-8."""
        message = Message()
        message["content-type"] = self.headers.get("content-type", "")
        return message.get_content_charset("utf-8")

    @property
    def text(self):
        content_type = self.headers.get("content-type", "")
        if "charset" in content_type:
            try:
                return self.content.decode(self.encoding, "replace")
            except LookupError:
                pass  # A charset that Python does not know.
        return self.content.decode("utf-8", "replace")

    def json(self, **options):
        try:
            return json.loads(self.content, **options)
        except ValueError as error:
            error.add_note(f"{self._summary()} is not JSON; it begins: {self.text[:200]!r}")
            raise

    def raise_for_status(self):
        """Raises `http.StatusError` for a status of 400 or more, otherwise returns the response."""
        if self.ok:
            return self
        lines = [self._summary()]
        lines += [f"{name}: {self.headers[name]}" for name in _TELLING if name in self.headers]
        if self.content:
            lines.append(self.text[:300])
        raise StatusError("\n".join(lines), self)

    def _summary(self):
        return f"{self.status_code} {self.reason} for {self.method} {self.url}".replace("  ", " ")

    def __repr__(self):
        return f"<Response {self.status_code} {self.reason}>".replace(" >", ">")
