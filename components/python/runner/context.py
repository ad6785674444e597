"""`ctx`: what a tool says to its caller and asks of the client behind the call, in one place."""

from wit_world.imports.client import Abilities

from . import capabilities, content, host, questions

_ABILITIES = {
    "elicitation": Abilities.ELICITATION,
    "elicitation_url": Abilities.ELICITATION_URL,
    "sampling": Abilities.SAMPLING,
    "sampling_tools": Abilities.SAMPLING_TOOLS,
    "roots": Abilities.ROOTS,
    "tasks": Abilities.TASKS,
}


def _abilities(names):
    if not names:
        raise TypeError(f"which of them: {', '.join(_ABILITIES)}?")
    for name in names:
        if name not in _ABILITIES:
            raise ValueError(f"there is no ability {name!r}; there are {', '.join(_ABILITIES)}")
    abilities = Abilities(0)
    for name in names:
        abilities |= _ABILITIES[name]
    return abilities


class Context:
    """The call, as its tool sees it. There is one: the global `ctx`."""

    __slots__ = ("_asking", "_log")

    ClientError = questions.ClientError
    text = staticmethod(content.text)
    image = staticmethod(content.image)
    audio = staticmethod(content.audio)
    link = staticmethod(content.link)
    resource = staticmethod(content.resource)
    result = staticmethod(content.result)
    form = staticmethod(questions.form)
    address = staticmethod(questions.address)
    sampling = staticmethod(questions.sampling)
    folders = staticmethod(questions.folders)

    def __init__(self):
        self._asking = questions.Asking()
        self._log = capabilities.Log()

    def progress(self, done, total=None, message=None):
        """Tells the caller how far the call is; `done` must grow from report to report."""
        capabilities.progress(done, total, message)
        return questions.NOTHING

    def debug(self, message, *args):
        self._log.debug(message, *args)
        return questions.NOTHING

    def info(self, message, *args):
        self._log.info(message, *args)
        return questions.NOTHING

    def warning(self, message, *args):
        self._log.warning(message, *args)
        return questions.NOTHING

    def error(self, message, *args):
        self._log.error(message, *args)
        return questions.NOTHING

    def can(self, *abilities):
        """Whether the client of this call can do all of this."""
        wanted = _abilities(abilities)
        host.require_call("ctx")
        return wanted in host.client_can()

    def require(self, *abilities):
        """Goes on only if the client can do all of this; otherwise the call ends, and the client is told why."""
        wanted = _abilities(abilities)
        host.require_call("ctx")
        host.client_require(wanted)
        return questions.NOTHING

    def elicit(self, message, fields, key=None):
        """Asks the person to fill in a form."""
        return self._asking.one(questions.form(message, fields), key)

    def visit(self, message, url, id, key=None):
        """Asks the person to visit an address; `id` names the matter."""
        return self._asking.one(questions.address(message, url, id), key)

    def sample(self, messages, *, system=None, max_tokens=1000, key=None, **more):
        """Lets the model of the client answer."""
        return self._asking.one(questions.sampling(messages, system=system, max_tokens=max_tokens, **more), key)

    def roots(self, key=None):
        """Asks which folders the client works on."""
        return self._asking.one(questions.folders(), key)

    def ask(self, asked):
        """Asks several questions at once: a dict by their keys, and so are the answers."""
        return self._asking.all(asked)

    def become_task(self):
        """Says that what follows takes long: the call is a task from here on, if the client follows tasks."""
        host.require_call("ctx")
        host.become_task()
        return questions.NOTHING

    def __repr__(self):
        return "<ctx>"
