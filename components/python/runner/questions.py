"""What a tool asks of the client behind its call: how a question is put, and how its answer is read."""

import hashlib
import json
from collections import Counter
from dataclasses import dataclass

from wit_world.imports import client as _wit

from . import content, conversion, host
from .forms import Form

_ADVICE = {
    "refused": "the client refused the question {key!r}: {text}; catch ctx.ClientError to go on without an answer",
    "unsupported": "{text}; look with ctx.can(…) whether the client can, or say with ctx.require(…) that it has to",
    "unanswered": "{text}; the call can be made again",
    "invalid": "the question cannot be put: {text}",
    "unfit": "the client's answer to the question {key!r} does not fit: {text}",
}
_REASONS = {
    _wit.AskError_Unsupported: "unsupported",
    _wit.AskError_Invalid: "invalid",
    _wit.AskError_Unanswered: "unanswered",
}


class ClientError(Exception):
    """There is no answer. `reason` is "refused", "unsupported", "unanswered" or "invalid"."""

    def __init__(self, reason, text, key=None):
        super().__init__(_ADVICE[reason].format(text=text, key=key))
        self.reason = "invalid" if reason == "unfit" else reason


ClientError.__module__ = "builtins"  # Printed without the place of its definition.


class Given:
    """Is there already: `await` gives it as it is. Each is itself, because `asyncio.gather` keeps them by hash."""

    __slots__ = ()

    def __await__(self):
        return self
        yield


class Nothing:
    """What a function without a result answers, so that it may be awaited."""

    __slots__ = ()

    def __await__(self):
        return None
        yield

    def __bool__(self):
        return False

    def __repr__(self):
        return "None"


NOTHING = Nothing()


@dataclass(slots=True, eq=False)
class Answer(Given):
    """What a person answered: true when it was accepted."""

    action: str
    content: object = None

    @property
    def accepted(self):
        return self.action == "accept"

    def __bool__(self):
        return self.accepted


@dataclass(slots=True, eq=False)
class Sampled(Given):
    """What a model said. `content` is MCP's content block, or a list of them."""

    content: object
    model: str = ""
    stop_reason: str | None = None

    @property
    def text(self):
        blocks = self.content if isinstance(self.content, list) else [self.content]
        return "".join(one["text"] for one in blocks if isinstance(one, dict) and isinstance(one.get("text"), str))

    def __str__(self):
        return self.text


@dataclass(slots=True)
class Root:
    """A folder that the client works on."""

    uri: str
    name: str | None = None


class Roots(list, Given):
    """Its folders."""

    __hash__ = object.__hash__


class Answers(dict, Given):
    """Answers by the keys of their questions."""

    __hash__ = object.__hash__


@dataclass(slots=True, eq=False, repr=False)
class Question:
    """One question. Made by `ctx.form`, `ctx.address`, `ctx.sampling` and `ctx.folders`."""

    kind: str
    method: _wit.Method
    params: str
    # From the client's answer, read from JSON, to what the tool gets.
    read: object

    def __repr__(self):
        return f"<Question: {self.kind}>"


def form(message, fields):
    """A form for the person; its fields are a dict, a dataclass, a TypedDict or a JSON Schema."""
    asked = Form(fields)
    params = {"message": _text("message", message), "requestedSchema": asked.schema}

    def read(said):
        accepted = said["action"] == "accept"
        return Answer(said["action"], asked.read(said.get("content") or {}) if accepted else None)

    return Question("elicit", _wit.Method.ELICITATION, _json(params), read)


def address(message, url, id):
    """An address for the person to visit; `id` names the matter."""
    params = {"mode": "url", "message": _text("message", message), "url": _text("url", url), "elicitationId": _text("id", id)}
    return Question("visit", _wit.Method.ELICITATION, _json(params), lambda said: Answer(said["action"]))


def sampling(messages, *, system=None, max_tokens=1000, **more):
    """Something for the model to answer; more parameters are MCP's, in snake case."""
    said = [messages] if isinstance(messages, str | dict | content.Content) else messages
    if not isinstance(said, list | tuple) or not said:
        raise TypeError('messages are a str, or a list of str and of {"role": …, "content": …}')
    params = {"messages": [_message(one) for one in said], "maxTokens": max_tokens}
    if system is not None:
        params["systemPrompt"] = _text("system", system)
    for name, value in more.items():
        first, *rest = name.split("_")
        params[first + "".join(map(str.capitalize, rest))] = value
    return Question("sample", _wit.Method.SAMPLING, _json(params), _sampled)


def folders():
    """Which folders the client works on."""
    return Question("roots", _wit.Method.ROOTS, "{}", _folders)


class Asking:
    """The questions of one call, in the order in which they are asked."""

    def __init__(self):
        self.derived = Counter()
        # By their keys, to know one that stands for two.
        self.asked = {}

    def one(self, question, key=None):
        """Asks one question; without a key it gets one that is the same when the tool runs again."""
        [answer] = self._put([(self._key(question) if key is None else _text("key", key), question)])
        return answer

    def all(self, questions):
        """Asks several at once; answers by their keys."""
        if not isinstance(questions, dict):
            raise TypeError("ctx.ask takes a dict of questions by their keys: {'size': ctx.form(…)}")
        for key, question in questions.items():
            _text("key", key)
            if not isinstance(question, Question):
                raise TypeError(
                    f"the question {key!r} is made by ctx.form, ctx.address, ctx.sampling or ctx.folders, "
                    f"not {type(question).__name__}"
                )
        return Answers(zip(questions, self._put(list(questions.items()))))

    def _key(self, question):
        """From what is asked, and how often the same was asked before."""
        base = f"{question.kind}-{hashlib.sha256(question.params.encode()).hexdigest()[:16]}"
        self.derived[base] += 1
        count = self.derived[base]
        return base if count == 1 else f"{base}-{count}"

    def _put(self, asked):
        host.require_call("ctx")
        for key, one in asked:
            if self.asked.setdefault(key, one).params != one.params or self.asked[key].method != one.method:
                raise ClientError("invalid", f"the key {key!r} stands for two questions; give each its own")
        try:
            answers = host.client_ask([_wit.Question(host.clean(key), one.method, one.params) for key, one in asked])
        except host.Err as error:
            raise ClientError(_REASONS[type(error.value)], error.value.value) from None
        return [_read(key, one, answer) for (key, one), answer in zip(asked, answers)]


def _read(key, question, answer):
    if isinstance(answer, _wit.Answer_Refused):
        raise ClientError("refused", answer.value, key)
    try:
        return question.read(json.loads(answer.value))
    except conversion.Misfit as error:
        raise ClientError("unfit", f"{error.place}: {error.expected}", key) from None


def _message(message):
    if not isinstance(message, dict):
        return {"role": "user", "content": _block(message)}
    if message.get("role") not in ("user", "assistant") or "content" not in message:
        raise TypeError('a message is {"role": "user" or "assistant", "content": …}')
    said = message["content"]
    return {**message, "content": [_block(one) for one in said] if isinstance(said, list | tuple) else _block(said)}


def _block(said):
    if isinstance(said, content.Content):
        return content.block(said)
    if isinstance(said, str):
        return {"type": "text", "text": said}
    if isinstance(said, dict):
        return said
    raise TypeError(f"what is said in a message is a str, a piece of content or MCP's block, not {type(said).__name__}")


def _sampled(said):
    return Sampled(said["content"], said.get("model") or "", said.get("stopReason"))


def _folders(said):
    return Roots(Root(one["uri"], one.get("name")) for one in said["roots"])


def _text(what, value):
    if not isinstance(value, str):
        raise TypeError(f"{what} is a str, not {type(value).__name__}")
    return value


def _json(params):
    return host.clean(json.dumps(params, ensure_ascii=False, allow_nan=False))
