"""Forms for a person: what a tool says of their fields, as MCP's schema, and what comes back, as the tool wants it.

A form is flat: texts, numbers, yes or no, one of some choices, several of some choices. Everything else is
refused by the name of its field.
"""

import dataclasses
import datetime
import enum
import inspect
import types
import typing

from . import conversion, docstring

_NAMES = {"string": str, "integer": int, "number": float, "boolean": bool}
_TYPES = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime.date: {"type": "string", "format": "date"},
    datetime.datetime: {"type": "string", "format": "date-time"},
}
_WORDS = {"type", "title", "description", "default"}
# What a field may say beside that, by its type.
_KNOWN = {
    "string": {"minLength", "maxLength", "format", "enum", "enumNames", "oneOf"},
    "integer": {"minimum", "maximum"},
    "number": {"minimum", "maximum"},
    "boolean": set(),
    "array": {"items", "minItems", "maxItems"},
}
_FORMATS = ("email", "uri", "date", "date-time")
_KINDS = {
    "string": (str, "a string"),
    "integer": (int, "an integer"),
    "number": ((int, float), "a number"),
    "boolean": (bool, "true or false"),
    "array": (list, "an array"),
}
_EXPECTED = (
    'a type (str, int, float, bool), a list of texts to choose from, or what MCP\'s schema has for a field, '
    'such as {"type": "string", "format": "email"}'
)


class Form:
    """The fields of one question."""

    def __init__(self, fields):
        self.properties, self.required = {}, []
        # Name -> the type that its value gets, where that is not the one of JSON.
        self.hints = {}
        self.cls = None
        if isinstance(fields, dict):
            self._of_dict(fields)
        elif dataclasses.is_dataclass(fields) and isinstance(fields, type):
            self._of_dataclass(fields)
        elif typing.is_typeddict(fields):
            needed = fields.__required_keys__
            for name, hint in typing.get_type_hints(fields, include_extras=True).items():
                self._add(name, *_hinted(name, hint), optional=name not in needed)
        else:
            raise TypeError(f"the fields of a form are a dict, a dataclass, a TypedDict or a JSON Schema, not {_said(fields)}")
        if not self.properties:
            raise TypeError("a form has at least one field")

    @property
    def schema(self):
        schema = {"type": "object", "properties": self.properties}
        return {**schema, "required": self.required} if self.required else schema

    def read(self, content):
        """The client's answer as the tool gets it; raises `conversion.Misfit`."""
        values = {}
        for name, schema in self.properties.items():
            value = content.get(name)
            if value is not None:
                values[name] = self._converted(name, _fitting(value, schema, name))
            elif name in self.required:
                raise conversion.Misfit("missing", name)
            elif self.cls is None or not _has_default(self.cls, name):
                values[name] = schema.get("default")
        return values if self.cls is None else self.cls(**values)

    def _converted(self, name, value):
        if name not in self.hints:
            return value
        try:
            return conversion.convert(value, self.hints[name])
        except conversion.Misfit as error:
            raise error.within(name) from None

    def _add(self, name, schema, hint, nullable, optional=False):
        self.properties[name] = schema
        if hint is not None:
            self.hints[name] = hint
        if not (nullable or optional or "default" in schema):
            self.required.append(name)

    def _of_dict(self, fields):
        if fields.get("type") == "object" and isinstance(fields.get("properties"), dict):
            required = fields.get("required", ())
            for name, field in fields["properties"].items():
                self._add(name, _checked(_name(name), field), None, False, optional=name not in required)
            for name in required:
                if name not in self.properties:
                    raise TypeError(f"the form requires {name!r}, which is none of its fields")
            return
        for name, field in fields.items():
            self._add(name, *_field(_name(name), field))

    def _of_dataclass(self, cls):
        self.cls = cls
        hints = typing.get_type_hints(cls, include_extras=True)
        descriptions = docstring.parameters(cls.__doc__)
        for field in dataclasses.fields(cls):
            if not field.init:
                continue
            schema, hint, nullable = _hinted(field.name, hints[field.name])
            if "description" not in schema and field.name in descriptions:
                schema = {**schema, "description": descriptions[field.name]}
            default = field.default.value if isinstance(field.default, enum.Enum) else field.default
            if default is not dataclasses.MISSING and default is not None:
                schema = _checked(field.name, {**schema, "default": _plain(default)})
            self._add(field.name, schema, hint, nullable, optional=_has_default(cls, field.name))


def _has_default(cls, name):
    field = cls.__dataclass_fields__[name]
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING


def _plain(default):
    return default.isoformat() if isinstance(default, datetime.date) else default


def _name(name):
    if not isinstance(name, str):
        raise TypeError(f"the name of a field is a str, not {_said(name)}")
    return name


def _field(name, field):
    """(schema, type of the value, whether it may be left empty) of a field in a dict."""
    if isinstance(field, dict):
        said = {word: value for word, value in field.items() if word != "optional"}
        return _checked(name, said), None, bool(field.get("optional"))
    if isinstance(field, list | tuple):
        several = len(field) == 1 and isinstance(field[0], list | tuple)
        choices = {"type": "string", "enum": list(field[0] if several else field)}
        return _checked(name, {"type": "array", "items": choices} if several else choices), None, False
    if isinstance(field, str):
        if field not in _NAMES:
            raise TypeError(f"the field {name!r} is {field!r}; as a name of a type there is {', '.join(_NAMES)}")
        field = _NAMES[field]
    return _hinted(name, field)


def _hinted(name, hint):
    """The same of a type."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(hint, typing.TypeAliasType):
        return _hinted(name, hint.__value__)
    if origin is typing.Annotated:
        schema, converted, nullable = _hinted(name, inner[0])
        words = next((one for one in inner[1:] if isinstance(one, str)), None)
        return ({**schema, "description": words} if words else schema), converted, nullable
    if origin in (typing.Required, typing.NotRequired, typing.ReadOnly):
        return _hinted(name, inner[0])
    if origin in (typing.Union, types.UnionType):
        members = [one for one in inner if one is not types.NoneType]
        if len(members) == 1:
            schema, converted, _ = _hinted(name, members[0])
            return schema, converted, True
    elif origin in (list, set, frozenset) and len(inner) == 1:
        schema, converted, nullable = _hinted(name, inner[0])
        if "enum" in schema and not nullable:
            changes = origin is not list or converted is not None
            return {"type": "array", "items": schema}, hint if changes else None, False
    elif origin is typing.Literal:
        return _checked(name, {"type": "string", "enum": list(inner)}), None, False
    elif isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _checked(name, {"type": "string", "enum": [one.value for one in hint]}), hint, False
    elif isinstance(hint, type) and hint in _TYPES:
        return dict(_TYPES[hint]), hint if issubclass(hint, datetime.date) else None, False
    raise TypeError(f"the field {name!r} is {_said(hint)}, which no form has; give {_EXPECTED}")


def _checked(name, schema):
    """A field's schema, if MCP has such fields."""
    if not isinstance(schema, dict):
        raise TypeError(f"the field {name!r} is {_said(schema)}; give {_EXPECTED}")
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _KNOWN:
        raise TypeError(f"the field {name!r} has the type {kind!r}; a form has {', '.join(_KNOWN)}")
    for word in schema:
        if word not in _WORDS and word not in _KNOWN[kind]:
            raise TypeError(f"the field {name!r} has {word!r}, which no {kind} of a form has")
    if schema.get("format", "email") not in _FORMATS:
        raise TypeError(f"the field {name!r} has the format {schema['format']!r}; a form has {', '.join(_FORMATS)}")
    if kind == "array" and not isinstance(schema.get("items"), dict):
        raise TypeError(f"the field {name!r} is an array without choices; a form has lists of choices only")
    choices = _choices(schema)
    if choices is None and kind == "array" or choices is not None and not _are_texts(choices):
        raise TypeError(f"the choices of the field {name!r} are a list of texts, at least one, each once")
    if "default" in schema:
        try:
            _fitting(schema["default"], schema, name)
        except conversion.Misfit as error:
            raise TypeError(f"the default of the field {name!r} does not fit it: {error.expected}") from None
    return schema


def _choices(schema):
    """What there is to choose from; None where there is no choice."""
    if schema["type"] == "array":
        schema = schema["items"]
        titled = schema.get("anyOf")
    else:
        titled = schema.get("oneOf")
    if titled is None:
        return schema.get("enum")
    return [one.get("const") if isinstance(one, dict) else None for one in titled] if isinstance(titled, list) else ()


def _are_texts(choices):
    is_list = isinstance(choices, list | tuple) and len(choices) > 0
    return is_list and all(isinstance(one, str) for one in choices) and len(set(choices)) == len(choices)


def _fitting(value, schema, name):
    """The value, if its field can have it."""
    kind = schema["type"]
    accepted, expected = _KINDS[kind]
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    is_bool = isinstance(value, bool) and kind != "boolean"
    if is_bool or not isinstance(value, accepted):
        raise conversion.Misfit(f"expected {expected}, not {conversion.kind(value)}", name)
    choices = _choices(schema)
    if choices is not None:
        for one in value if kind == "array" else (value,):
            if one not in choices:
                raise conversion.Misfit(f"{conversion.shown(one)} is not one of {', '.join(map(repr, choices))}", name)
    size = value if kind in ("integer", "number") else len(value) if kind != "boolean" else 0
    for word, is_out in _BOUNDS.items():
        if word in schema and is_out(size, schema[word]):
            raise conversion.Misfit(f"{conversion.shown(value)} is outside its {word} of {schema[word]}", name)
    return value


_BOUNDS = {
    **dict.fromkeys(("minimum", "minLength", "minItems"), lambda size, bound: size < bound),
    **dict.fromkeys(("maximum", "maxLength", "maxItems"), lambda size, bound: size > bound),
}


def _said(value):
    text = inspect.formatannotation(value) if isinstance(value, type) else repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
