"""Pieces of content that a tool makes by `ctx`: texts, pictures, sounds, links and resources."""

import base64
import datetime
import math

from wit_world.imports import types as _wit

from . import host

_ROLES = {"user": _wit.Role.USER, "assistant": _wit.Role.ASSISTANT}
# What files begin with, by the MIME type that is told from it.
_IMAGES = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}
_SOUNDS = {
    b"ID3": "audio/mpeg",
    b"\xff\xfb": "audio/mpeg",
    b"\xff\xf3": "audio/mpeg",
    b"\xff\xf2": "audio/mpeg",
    b"OggS": "audio/ogg",
    b"fLaC": "audio/flac",
}
# The same within a RIFF file, from its ninth byte on.
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}


class Made:
    """Whether this call made a piece: one that did not pays nothing for looking at its result."""

    __slots__ = ("any",)

    def __init__(self):
        self.any = False


made = Made()


class Content:
    """One piece of a result. Made by `ctx.text`, `ctx.image`, `ctx.audio`, `ctx.link` and `ctx.resource`."""

    __slots__ = ("piece",)

    def __init__(self, piece):
        if not isinstance(piece, _wit.Content):
            raise TypeError("content is made by ctx.text, ctx.image, ctx.audio, ctx.link and ctx.resource")
        made.any = True
        self.piece = piece

    def __repr__(self):
        return f"<Content: {type(self.piece).__name__.removeprefix('Content_')}>"


class Result:
    """Content together with a structured value. Made by `ctx.result`."""

    __slots__ = ("pieces", "structured")

    def __init__(self, content, structured):
        made.any = True
        self.pieces = content if isinstance(content, list | tuple) else (content,)
        self.structured = structured

    def __repr__(self):
        return f"<Result of {len(self.pieces)} pieces>"


def text(text, *, audience=None, priority=None, last_modified=None):
    """A text with hints about it; one without is a text as it is."""
    hints = _hints(audience, priority, last_modified)
    return Content(_wit.Content_Text(_wit.TextContent(_text("text", text), hints)))


def image(data, mime_type=None, *, audience=None, priority=None, last_modified=None):
    """A picture of bytes, or of text in base64."""
    blob = _blob("image", _IMAGES, data, mime_type, _hints(audience, priority, last_modified))
    return Content(_wit.Content_Image(blob))


def audio(data, mime_type=None, *, audience=None, priority=None, last_modified=None):
    """A sound of bytes, or of text in base64."""
    blob = _blob("audio", _SOUNDS, data, mime_type, _hints(audience, priority, last_modified))
    return Content(_wit.Content_Audio(blob))


def link(uri, name, *, title=None, description=None, mime_type=None, size=None,
         audience=None, priority=None, last_modified=None):
    """A resource to read elsewhere."""
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or not 0 <= size < 2**64):
        raise TypeError("size is the number of bytes")
    made_link = _wit.ResourceLink(
        _text("uri", uri),
        _text("name", name),
        _optional("title", title),
        _optional("description", description),
        _optional("mime_type", mime_type),
        size,
        _hints(audience, priority, last_modified),
    )
    return Content(_wit.Content_ResourceLink(made_link))


def resource(uri, body, mime_type=None, *, audience=None, priority=None, last_modified=None):
    """A resource that is in the result: text, or bytes."""
    if isinstance(body, str):
        held = _wit.ResourceBody_Text(host.clean(body))
    elif isinstance(body, bytes | bytearray | memoryview):
        held = _wit.ResourceBody_Blob(bytes(body))
    else:
        raise TypeError(f"a resource is a str or bytes, not {type(body).__name__}")
    hints = _hints(audience, priority, last_modified)
    return Content(_wit.Content_Resource(_wit.EmbeddedResource(_text("uri", uri), _optional("mime_type", mime_type), held, hints)))


def result(content, structured=None):
    """Content for people and models to see, and a value for programs to read."""
    return Result(content, structured)


def found(returned):
    """What `main` returned as a `Result`, if there is content in it; otherwise None."""
    if not made.any:
        return None
    if isinstance(returned, Result):
        return returned
    if isinstance(returned, Content):
        return Result((returned,), None)
    if isinstance(returned, list | tuple) and any(isinstance(one, Content) for one in returned):
        return Result(returned, None)
    return None


def pieces(result, encode):
    """The pieces for the host; what is none becomes a text: a str as it is, anything else by `encode`."""
    return [one.piece if isinstance(one, Content) else _plain_text(one, encode) for one in result.pieces]


def block(content):
    """A piece as MCP writes it, for what is said to a model."""
    piece = content.piece
    if isinstance(piece, _wit.Content_Text):
        return {"type": "text", "text": piece.value.text}
    if isinstance(piece, _wit.Content_Image | _wit.Content_Audio):
        kind = "image" if isinstance(piece, _wit.Content_Image) else "audio"
        data = base64.b64encode(piece.value.data).decode()
        return {"type": kind, "data": data, "mimeType": piece.value.mime_type}
    raise TypeError("a message to a model holds texts, pictures and sounds; write a link or a resource as text")


def _plain_text(value, encode):
    said = host.clean(value) if isinstance(value, str) else encode(value)
    return _wit.Content_Text(_wit.TextContent(said, None))


def _text(what, value):
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    return host.clean(value)


def _optional(what, value):
    return None if value is None else _text(what, value)


def _blob(what, known, data, mime_type, hints):
    if isinstance(data, str):
        try:
            data = base64.b64decode("".join(data.split()), validate=True)
        except ValueError:
            raise ValueError(f"{what} data that is a str is base64, and this is not; give bytes as they are") from None
    elif isinstance(data, bytes | bytearray | memoryview):
        data = bytes(data)
    else:
        raise TypeError(f"{what} data is bytes, or a str in base64, not {type(data).__name__}")
    return _wit.BlobContent(data, _optional("mime_type", mime_type) or _sniffed(what, known, data), hints)


def _sniffed(what, known, data):
    riff = _RIFF.get(data[8:12], "") if data[:4] == b"RIFF" else ""
    if riff.startswith(f"{what}/"):
        return riff
    for begins, mime_type in known.items():
        if data.startswith(begins):
            return mime_type
    of = sorted({*known.values(), *(one for one in _RIFF.values() if one.startswith(what))})
    raise TypeError(f"what kind of {what} this is cannot be told from its bytes (known are {', '.join(of)}); give mime_type")


def _hints(audience, priority, last_modified):
    if audience is None and priority is None and last_modified is None:
        return None
    return _wit.ContentAnnotations(_audience(audience), _priority(priority), _moment(last_modified))


def _audience(audience):
    names = () if audience is None else (audience,) if isinstance(audience, str) else tuple(audience)
    for name in names:
        if name not in _ROLES:
            raise ValueError(f'audience is "user", "assistant" or a list of them, not {name!r}')
    return [_ROLES[name] for name in names]


def _priority(priority):
    if priority is None:
        return None
    if isinstance(priority, bool) or not isinstance(priority, int | float):
        raise TypeError(f"priority is a number from 0 to 1, not {type(priority).__name__}")
    if math.isnan(priority) or not 0 <= priority <= 1:
        raise ValueError(f"priority is a number from 0 to 1, not {priority}")
    return float(priority)


def _moment(moment):
    if isinstance(moment, datetime.datetime):
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=datetime.UTC)).isoformat()
    return _optional("last_modified", moment)
