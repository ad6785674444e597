"""Builds the types that `main` is annotated with from the call's JSON values.

Only for parameters that need it: `schema` names them. Plain JSON types are handed over as they are.
"""

import base64
import binascii
import collections.abc
import dataclasses
import datetime
import decimal
import enum
import pathlib
import types
import typing
import uuid

from .errors import AuthorError


class Misfit(Exception):
    """A value that does not fit its type; says what was expected."""

    def __init__(self, expected, place=""):
        super().__init__(expected)
        self.expected = expected
        self.place = place

    def within(self, place):
        return Misfit(self.expected, place + self.place)


def convert_arguments(main, arguments, names):
    """Replaces the named arguments by what `main` is annotated with."""
    hints = typing.get_type_hints(main)
    for name in names:
        if name in arguments and name in hints:
            try:
                arguments[name] = convert(arguments[name], hints[name])
            except Misfit as error:
                raise AuthorError("TypeError", f"main() argument '{name}{error.place}': {error.expected}") from None


def convert(value, hint):
    """The value as `hint` says; raises `Misfit`."""
    if isinstance(hint, typing.TypeAliasType):
        return convert(value, hint.__value__)
    if isinstance(hint, typing.NewType):
        return convert(value, hint.__supertype__)
    if isinstance(hint, dataclasses.InitVar):
        return convert(value, hint.type)
    origin = typing.get_origin(hint)
    if origin is None:
        return _simple(value, hint)
    inner = typing.get_args(hint)
    if isinstance(origin, typing.TypeAliasType):
        return convert(value, origin.__value__)
    if origin in (typing.Union, types.UnionType):
        return _union(value, inner)
    if origin is typing.Literal:
        return _literal(value, inner)
    if origin in (typing.Annotated, typing.Required, typing.NotRequired, typing.ReadOnly, typing.Final):
        return convert(value, inner[0])
    if origin in _COLLECTIONS:
        return _COLLECTIONS[origin]([_at(item, inner[0], f"[{at}]") for at, item in enumerate(_list(value))])
    if origin is tuple:
        return _tuple(value, inner)
    if origin in (dict, collections.abc.Mapping, collections.abc.MutableMapping):
        if not isinstance(value, dict):
            raise Misfit(f"expected an object, not {kind(value)}")
        return {_key(key, inner[0]): _at(item, inner[1], f"[{key!r}]") for key, item in value.items()}
    return _simple(value, origin)


_COLLECTIONS = {
    list: list,
    set: set,
    frozenset: frozenset,
    collections.abc.Set: set,
    collections.abc.MutableSet: set,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Iterator: iter,
}


def _simple(value, hint):
    if hint is None or hint is types.NoneType:
        return _checked(value, value is None, "null")
    if not isinstance(hint, type):
        return value  # Any, a type variable, or something that only a type checker understands.
    if issubclass(hint, enum.Enum):
        return _enum(value, hint)
    if dataclasses.is_dataclass(hint):
        return _dataclass(value, hint)
    if typing.is_typeddict(hint):
        return _typed_dict(value, hint)
    if issubclass(hint, tuple) and hasattr(hint, "_fields"):
        return _named_tuple(value, hint)
    if hint in _PLAIN:
        accepted, name = _PLAIN[hint]
        is_bool = isinstance(value, bool) and hint is not bool
        return _checked(value, isinstance(value, accepted) and not is_bool, name)
    if hint in (set, frozenset, tuple):
        return hint(_list(value))
    if hint in _PARSED:
        return _parsed(value, hint)
    return value


_PLAIN = {
    str: (str, "a string"),
    int: (int, "an integer"),
    float: ((int, float), "a number"),
    bool: (bool, "true or false"),
    list: (list, "an array"),
    dict: (dict, "an object"),
}


def _decoded(text):
    return base64.b64decode(text, validate=True)


# Type -> (what it is made from, how, what a person would call it).
_PARSED = {
    bytes: (str, _decoded, "base64"),
    bytearray: (str, lambda text: bytearray(_decoded(text)), "base64"),
    datetime.datetime: (str, datetime.datetime.fromisoformat, "a date and time (2026-01-31T12:00:00Z)"),
    datetime.date: (str, datetime.date.fromisoformat, "a date (2026-01-31)"),
    datetime.time: (str, datetime.time.fromisoformat, "a time (12:00:00)"),
    datetime.timedelta: ((int, float), lambda seconds: datetime.timedelta(seconds=seconds), "a number of seconds"),
    decimal.Decimal: ((str, int, float), lambda number: decimal.Decimal(str(number)), "a number"),
    uuid.UUID: (str, uuid.UUID, "a UUID"),
    pathlib.Path: (str, pathlib.Path, "a path"),
    pathlib.PurePath: (str, pathlib.PurePath, "a path"),
}


def _parsed(value, hint):
    accepted, make, name = _PARSED[hint]
    if not isinstance(value, accepted) or isinstance(value, bool):
        raise Misfit(f"expected {name}, not {kind(value)}")
    try:
        return make(value)
    except (ValueError, ArithmeticError, binascii.Error):
        raise Misfit(f"{shown(value)} is not {name}") from None


def _enum(value, hint):
    for member in hint:
        if member.value == value and isinstance(member.value, bool) == isinstance(value, bool):
            return member
    try:
        return hint(value)  # A flag's combination, or what the class itself accepts by `_missing_`.
    except ValueError:
        choices = ", ".join(repr(member.value) for member in hint)
        raise Misfit(f"{shown(value)} is not one of {choices}") from None


def _dataclass(value, hint):
    hints = typing.get_type_hints(hint)
    fields = {field.name: field for field in hint.__dataclass_fields__.values() if field.init and _is_field(field)}
    made = _members(value, fields, hints, hint)
    for name, field in fields.items():
        if name not in made and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise Misfit("missing", f".{name}")
    return hint(**made)


def _is_field(field):
    return field._field_type is not dataclasses._FIELD_CLASSVAR


def _typed_dict(value, hint):
    made = _members(value, hint.__annotations__, typing.get_type_hints(hint), hint)
    for name in sorted(hint.__required_keys__):
        if name not in made:
            raise Misfit("missing", f".{name}")
    return made


def _members(value, known, hints, hint):
    if not isinstance(value, dict):
        raise Misfit(f"expected an object ({hint.__name__}), not {kind(value)}")
    for name in value:
        if name not in known:
            raise Misfit(f"no field of {hint.__name__}; its fields are {', '.join(known)}", f".{name}")
    return {name: _at(item, hints.get(name), f".{name}") for name, item in value.items()}


def _named_tuple(value, hint):
    hints = typing.get_type_hints(hint)
    items = _list(value)
    needed = len(hint._fields) - len(hint._field_defaults)
    if not needed <= len(items) <= len(hint._fields):
        raise Misfit(f"expected {len(hint._fields)} items ({', '.join(hint._fields)}), not {len(items)}")
    return hint(*(_at(item, hints.get(name), f".{name}") for name, item in zip(hint._fields, items)))


def _tuple(value, inner):
    items = _list(value)
    if len(inner) == 2 and inner[1] is ...:
        return tuple(_at(item, inner[0], f"[{at}]") for at, item in enumerate(items))
    inner = () if inner == ((),) else inner
    if len(items) != len(inner):
        raise Misfit(f"expected {len(inner)} items, not {len(items)}")
    return tuple(_at(item, one, f"[{at}]") for at, (item, one) in enumerate(zip(items, inner)))


def _union(value, members):
    """The first member that the value fits."""
    misfits = []
    for member in members:
        try:
            return convert(value, member)
        except Misfit as error:
            misfits.append(error)
    structural = [error for error in misfits if error.place]
    if len(structural) == 1:
        raise structural[0]  # One of them is nearly right; what is wrong with it says more.
    raise Misfit("; ".join(dict.fromkeys(error.expected for error in misfits)))


def _literal(value, choices):
    for choice in choices:
        plain = choice.value if isinstance(choice, enum.Enum) else choice
        if plain == value and isinstance(plain, bool) == isinstance(value, bool):
            return choice
    raise Misfit(f"{shown(value)} is not one of {', '.join(map(repr, choices))}")


def _key(key, hint):
    """A key is text in JSON, whatever its type."""
    if hint in (int, float):
        try:
            return hint(key)
        except ValueError:
            raise Misfit(f"the key {key!r} is no {hint.__name__}") from None
    return _at(key, hint, f"[{key!r}]")


def _at(value, hint, place):
    if hint is None:
        return value
    try:
        return convert(value, hint)
    except Misfit as error:
        raise error.within(place) from None


def _list(value):
    return _checked(value, isinstance(value, list), "an array")


def _checked(value, fits, expected):
    if not fits:
        raise Misfit(f"expected {expected}, not {kind(value)}")
    return value


def kind(value):
    names = {bool: "a boolean", int: "an integer", float: "a number", str: "a string", list: "an array", dict: "an object"}
    return names.get(type(value), "null")


def shown(value):
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
