"""The host's functions, in one place, so that the warm-up and the tests can put others here.

Also keeps whether a call has begun. While a tool is loaded early there is none, and what belongs to
a call (http, secrets, arguments, log, progress, ctx) must not be used: `require_call` notes the attempt,
even if the tool swallows the exception, and the host loads the tool again within a call.
"""

from componentize_py_types import Err
from wit_world.imports import client as _client
from wit_world.imports import http as _http
from wit_world.imports import log as _log
from wit_world.imports import progress as _progress
from wit_world.imports import secrets as _secrets
from wit_world.imports.types import LogLevel

Request = _http.Request
start = _http.start
wait = _http.wait
take = _http.take
cancel = _http.cancel
secret_names = _secrets.names
secret_get = _secrets.get
log_emit = _log.emit
progress_report = _progress.report
client_can = _client.can
client_require = _client.require
client_ask = _client.ask
become_task = _client.become_task

__all__ = ["Err", "LogLevel", "Request"]


class NeedsCall(BaseException):
    """Raised where a tool's top level uses what exists only within a call."""


class Phase:
    """Of the one tool that this instance runs. An object, because assigning to a class is slow."""

    __slots__ = ("early", "touched")

    def __init__(self):
        self.early = False
        self.touched = False


phase = Phase()


def require_call(what):
    if phase.early:
        phase.touched = True
        raise NeedsCall(f"{what} exists only within a call")


def clean(text):
    """Text that can cross to the host: lone surrogates have no UTF-8 form."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text
