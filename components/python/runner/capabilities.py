"""What a tool finds among its globals beside `http`: arguments, secrets, log and progress."""

import secrets as _standard
import sys
import types
from collections.abc import Mapping

from . import host


class Arguments(dict):
    """The call's arguments, to read. Filled by `fill` when a call begins."""

    def fill(self, values):
        dict.clear(self)
        dict.update(self, values)


def _reading(name):
    read = getattr(dict, name)

    def method(self, *args):
        host.require_call("arguments")
        return read(self, *args)

    method.__name__ = name
    return method


def _writing(name):
    def method(self, *args, **kwargs):
        raise TypeError("arguments is read-only; copy it with dict(arguments)")

    method.__name__ = name
    return method


for _name in ("__getitem__", "__contains__", "__iter__", "__len__", "__eq__", "__ne__", "__repr__", "__reversed__",
              "__or__", "__ror__", "get", "keys", "values", "items", "copy"):
    setattr(Arguments, _name, _reading(_name))
for _name in ("__setitem__", "__delitem__", "__ior__", "clear", "pop", "popitem", "setdefault", "update"):
    setattr(Arguments, _name, _writing(_name))


class MissingSecret(KeyError):
    """A secret that nobody has set."""

    def __str__(self):
        return self.args[0]


class Secrets(types.ModuleType):
    """The secrets of the tool's server: a mapping to read, by name.

    It stands in the place of the standard module `secrets` and carries its names too, so that
    `import secrets` in a tool keeps `secrets["API_KEY"]` and gives `secrets.token_hex` as well.
    """

    def __getitem__(self, name):
        value = self.get(name)
        if value is None:
            set_names = host.secret_names()
            others = f"set are: {', '.join(set_names)}" if set_names else "no secret is set"
            raise MissingSecret(f"the secret {name!r} has no value: a person must set it on this tool's server ({others})")
        return value

    def get(self, name, default=None):
        host.require_call("secrets")
        if not isinstance(name, str):
            raise TypeError(f"the name of a secret is a str, not {type(name).__name__}")
        value = host.secret_get(host.clean(name))
        return default if value is None else value

    def keys(self):
        host.require_call("secrets")
        return host.secret_names()

    def values(self):
        return [self[name] for name in self.keys()]

    def items(self):
        return [(name, self[name]) for name in self.keys()]

    def __contains__(self, name):
        return self.get(name) is not None

    def __iter__(self):
        return iter(self.keys())

    def __len__(self):
        return len(self.keys())

    def __getattr__(self, name):
        raise AttributeError(f"secrets has no attribute {name!r}; a secret is read by secrets[{name!r}]", name=name, obj=self)

    def __repr__(self):
        return "<secrets>"


Mapping.register(Secrets)


class Log:
    """Lines for the people who run this tool: `log.info("fetched %s", url)`."""

    def debug(self, message, *args):
        self._emit(host.LogLevel.DEBUG, message, args)

    def info(self, message, *args):
        self._emit(host.LogLevel.INFO, message, args)

    def warning(self, message, *args):
        self._emit(host.LogLevel.WARNING, message, args)

    def error(self, message, *args):
        self._emit(host.LogLevel.ERROR, message, args)

    def _emit(self, level, message, args):
        host.require_call("log")
        host.log_emit(level, host.clean(str(message) % args if args else str(message)))

    def __repr__(self):
        return "<log>"


def progress(progress, total=None, message=None):
    """Tells the caller how far the call is; `progress` must grow from report to report."""
    host.require_call("progress")
    host.progress_report(
        float(progress),
        None if total is None else float(total),
        None if message is None else host.clean(str(message)),
    )


def make_secrets():
    """The object that tools get, in place of the standard module."""
    made = Secrets("secrets", Secrets.__doc__)
    made.__dict__.update(_standard.__dict__)
    sys.modules["secrets"] = made
    return made
