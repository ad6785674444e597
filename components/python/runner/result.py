"""What `main` returned, as JSON (RFC 8259)."""

import base64
import dataclasses
import datetime
import decimal
import enum
import inspect
import json
import pathlib
import types
import uuid
from collections import deque
from collections.abc import Mapping, Set

from . import host
from .content import Content, Result
from .errors import AuthorError
from .http_response import Response

_USE = "return a dict, a list, a str, a number, a bool or None"


class NotJson(TypeError):
    """A value that has no JSON form."""


def encode(value):
    """The JSON text; refuses what has no JSON form in words that the author can act on."""
    try:
        return host.clean(json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain))
    except NotJson as error:
        raise AuthorError("TypeError", _at(f"main returned {error}", error)) from None
    except (TypeError, ValueError, RecursionError) as error:
        raise AuthorError(type(error).__name__, _at(_reason(error), error)) from None


def _reason(error):
    text = str(error)
    if text.startswith("Circular"):
        return "main returned a value that contains itself; JSON cannot"
    if text.startswith("Out of range float"):
        return f"main returned {text.rpartition(' ')[2]}, and JSON has no such number; return None or a str instead"
    if text.startswith("keys must be"):
        return f"main returned a dict with a key that is no str: {text}"
    if isinstance(error, RecursionError):
        return "main returned a value that is nested too deep"
    return f"main returned a value that is not JSON: {text}"


def _at(message, error):
    """Adds where in the value it is; json notes that from the inside out."""
    path = []
    for note in reversed(getattr(error, "__notes__", ())):
        _, _, place = note.partition("serializing ")
        path.append(place.removeprefix("dict item ").removeprefix("list item "))
    return f"{message} (at {'.'.join(path)})" if path else message


def _plain(value):
    """One step towards JSON for what `json` does not know."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return _number(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(value).decode()
    if isinstance(value, uuid.UUID | pathlib.PurePath):
        return str(value)
    if isinstance(value, Mapping) and not isinstance(value, types.ModuleType):
        return dict(value)
    if isinstance(value, Set | deque | range):
        return list(value)
    raise NotJson(_named(value))


def _number(value):
    """An int or a float if that is exactly the same number, otherwise text."""
    if not value.is_finite():
        return str(value)
    if value == value.to_integral_value() and abs(value) < 2**53:
        return int(value)
    return float(value) if decimal.Decimal(repr(float(value))) == value else str(value)


def _named(value):
    name = type(value).__name__
    what = f"{'an' if name[:1] in 'AEIOUaeiou' else 'a'} {name}, which is not JSON; "
    if inspect.isawaitable(value):
        return f"{what}`await` it first"
    if isinstance(value, Content | Result):
        return "content, which is no JSON value; return it by itself, in a list, or by ctx.result(content, structured=…)"
    if isinstance(value, Response):
        return f"{what}return response.json() or response.text"
    if inspect.isgenerator(value) or isinstance(value, map | filter | zip):
        return f"{what}return list(…) of it"
    return what + _USE
