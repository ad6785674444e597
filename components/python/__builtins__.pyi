# What a tool in Python finds beside the language and the standard library. Pyright and Pylance read a file of this name
# beside the source by themselves; other checkers have to be told. MCPbox itself reads annotations of `main` alone.
import datetime as datetime
import json as json
from collections.abc import Coroutine, Generator, Iterable, Mapping, Sequence
from http import HTTPMethod as _HTTPMethod
from http import HTTPStatus as _HTTPStatus
from random import SystemRandom as _SystemRandom
from typing import Any, Generic, Literal, Self, TypeVar, overload

_T = TypeVar("_T")
_Ability = Literal["elicitation", "elicitation_url", "sampling", "sampling_tools", "roots", "tasks"]
_Audience = Literal["user", "assistant"] | Sequence[Literal["user", "assistant"]]
_Pairs = Mapping[str, Any] | Iterable[tuple[str, Any]]
_Bytes = bytes | bytearray | memoryview

class _There:
    # Is there already: `await` gives it as it is.
    def __await__(self) -> Generator[Any, Any, Self]: ...

class _Nothing:
    def __await__(self) -> Generator[Any, Any, None]: ...

# --- the client of the call, and content ---

class Content:
    """One piece of a result, made by `ctx`."""

class _ClientError(Exception):
    """There is no answer."""

    reason: Literal["refused", "unsupported", "unanswered", "invalid"]

class _Answer(_There, Generic[_T]):
    """What a person answered: true when it was accepted."""

    action: Literal["accept", "decline", "cancel"]
    content: _T
    @property
    def accepted(self) -> bool: ...
    def __bool__(self) -> bool: ...

class _Sampled(_There):
    """What a model said."""

    content: Any
    model: str
    stop_reason: str | None
    @property
    def text(self) -> str: ...

class _Root:
    """A folder that the client works on."""

    uri: str
    name: str | None

class _Roots(list[_Root], _There): ...
class _Answers(dict[str, Any], _There): ...

class _Question:
    """One question, for `ctx.ask`."""

class Context:
    """The call, as its tool sees it; a parameter of `main` may have this type."""

    ClientError: type[_ClientError]
    def progress(self, done: float, total: float | None = None, message: str | None = None) -> _Nothing: ...
    def debug(self, message: object, *args: object) -> _Nothing: ...
    def info(self, message: object, *args: object) -> _Nothing: ...
    def warning(self, message: object, *args: object) -> _Nothing: ...
    def error(self, message: object, *args: object) -> _Nothing: ...
    def can(self, *abilities: _Ability) -> bool: ...
    def require(self, *abilities: _Ability) -> _Nothing: ...
    def become_task(self) -> _Nothing: ...
    @overload
    def elicit(self, message: str, fields: type[_T], key: str | None = None) -> _Answer[_T]: ...
    @overload
    def elicit(self, message: str, fields: Mapping[str, Any], key: str | None = None) -> _Answer[dict[str, Any]]: ...
    def visit(self, message: str, url: str, id: str, key: str | None = None) -> _Answer[None]: ...
    def sample(self, messages: Any, *, system: str | None = None, max_tokens: int = 1000, key: str | None = None, **more: Any) -> _Sampled: ...
    def roots(self, key: str | None = None) -> _Roots: ...
    def ask(self, asked: Mapping[str, _Question]) -> _Answers: ...
    @staticmethod
    def form(message: str, fields: type[Any] | Mapping[str, Any]) -> _Question: ...
    @staticmethod
    def address(message: str, url: str, id: str) -> _Question: ...
    @staticmethod
    def sampling(messages: Any, *, system: str | None = None, max_tokens: int = 1000, **more: Any) -> _Question: ...
    @staticmethod
    def folders() -> _Question: ...
    @staticmethod
    def text(text: str, *, audience: _Audience | None = None, priority: float | None = None, last_modified: datetime.datetime | str | None = None) -> Content: ...
    @staticmethod
    def image(data: _Bytes | str, mime_type: str | None = None, *, audience: _Audience | None = None, priority: float | None = None, last_modified: datetime.datetime | str | None = None) -> Content: ...
    @staticmethod
    def audio(data: _Bytes | str, mime_type: str | None = None, *, audience: _Audience | None = None, priority: float | None = None, last_modified: datetime.datetime | str | None = None) -> Content: ...
    @staticmethod
    def link(
        uri: str,
        name: str,
        *,
        title: str | None = None,
        description: str | None = None,
        mime_type: str | None = None,
        size: int | None = None,
        audience: _Audience | None = None,
        priority: float | None = None,
        last_modified: datetime.datetime | str | None = None,
    ) -> Content: ...
    @staticmethod
    def resource(uri: str, body: str | _Bytes, mime_type: str | None = None, *, audience: _Audience | None = None, priority: float | None = None, last_modified: datetime.datetime | str | None = None) -> Content: ...
    # Where the annotation of `main` promises a value, this is it.
    @staticmethod
    def result(content: Any, structured: Any = None) -> Any: ...

ctx: Context

# --- what else is there ---

class _Log:
    def debug(self, message: object, *args: object) -> None: ...
    def info(self, message: object, *args: object) -> None: ...
    def warning(self, message: object, *args: object) -> None: ...
    def error(self, message: object, *args: object) -> None: ...

class _Secrets(Mapping[str, str]):
    """The secrets of the tool's server, to read; also the names of the standard module `secrets`."""

    def __getitem__(self, name: str) -> str: ...
    DEFAULT_ENTROPY: int
    SystemRandom: type[_SystemRandom]
    def choice(self, seq: Sequence[_T]) -> _T: ...
    def compare_digest(self, a: _Bytes | str, b: _Bytes | str) -> bool: ...
    def randbelow(self, exclusive_upper_bound: int) -> int: ...
    def randbits(self, k: int) -> int: ...
    def token_bytes(self, nbytes: int | None = None) -> bytes: ...
    def token_hex(self, nbytes: int | None = None) -> str: ...
    def token_urlsafe(self, nbytes: int | None = None) -> str: ...

log: _Log
secrets: _Secrets
arguments: Mapping[str, Any]

def progress(progress: float, total: float | None = None, message: str | None = None) -> None: ...

# --- the network ---

class _Headers(Mapping[str, str]):
    """Names in any case."""

    def __getitem__(self, name: str) -> str: ...
    def get_list(self, name: str) -> list[str]: ...

class _Response:
    """Status, headers and the whole body."""

    method: str
    url: str
    status_code: int
    headers: _Headers
    content: bytes
    @property
    def status(self) -> int: ...
    @property
    def body(self) -> bytes: ...
    @property
    def ok(self) -> bool: ...
    @property
    def reason(self) -> str: ...
    @property
    def encoding(self) -> str: ...
    @property
    def text(self) -> str: ...
    def json(self, **options: Any) -> Any: ...
    def raise_for_status(self) -> Self: ...

class _Sync:
    """The methods of `http` for a plain `def main`."""

    def request(
        self,
        method: str,
        url: str,
        *,
        follow_redirects: bool = False,
        headers: _Pairs | None = None,
        params: _Pairs | None = None,
        json: Any = None,
        data: Any = None,
        content: str | _Bytes | None = None,
        timeout: float | None = None,
    ) -> _Response: ...
    # The options are those of `request`.
    def get(self, url: str, **options: Any) -> _Response: ...
    def post(self, url: str, **options: Any) -> _Response: ...
    def put(self, url: str, **options: Any) -> _Response: ...
    def patch(self, url: str, **options: Any) -> _Response: ...
    def delete(self, url: str, **options: Any) -> _Response: ...
    def head(self, url: str, **options: Any) -> _Response: ...
    def options(self, url: str, **options: Any) -> _Response: ...

class _Error(OSError):
    """Anything that went wrong with a request."""

class _StatusError(_Error):
    """`raise_for_status` met a status of 400 or more."""

    response: _Response
    @property
    def status_code(self) -> int: ...

class _Http:
    """Requests, through the host; also the names of the standard module `http`."""

    HTTPMethod: type[_HTTPMethod]
    HTTPStatus: type[_HTTPStatus]
    sync: _Sync
    Response: type[_Response]
    Headers: type[_Headers]
    Error: type[_Error]
    Denied: type[_Error]
    Invalid: type[_Error]
    Unreachable: type[_Error]
    TimedOut: type[_Error]
    TooLarge: type[_Error]
    StatusError: type[_StatusError]
    def basic_auth(self, user: str, password: str) -> str: ...
    def request(
        self,
        method: str,
        url: str,
        *,
        follow_redirects: bool = False,
        headers: _Pairs | None = None,
        params: _Pairs | None = None,
        json: Any = None,
        data: Any = None,
        content: str | _Bytes | None = None,
        timeout: float | None = None,
    ) -> Coroutine[Any, Any, _Response]: ...
    # The options are those of `request`.
    def get(self, url: str, **options: Any) -> Coroutine[Any, Any, _Response]: ...
    def post(self, url: str, **options: Any) -> Coroutine[Any, Any, _Response]: ...
    def put(self, url: str, **options: Any) -> Coroutine[Any, Any, _Response]: ...
    def patch(self, url: str, **options: Any) -> Coroutine[Any, Any, _Response]: ...
    def delete(self, url: str, **options: Any) -> Coroutine[Any, Any, _Response]: ...
    def head(self, url: str, **options: Any) -> Coroutine[Any, Any, _Response]: ...
    def options(self, url: str, **options: Any) -> Coroutine[Any, Any, _Response]: ...

http: _Http
