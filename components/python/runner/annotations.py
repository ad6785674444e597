"""JSON Schema (2020-12) of Python annotations, read from the source without running any of it.

Classes that the source defines (dataclasses, typed dicts, named tuples, enums) and its type aliases
are followed. What is not understood becomes the schema that allows everything.
"""

import ast

from . import docstring

REF = "#/$defs/"

_JSON = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "NoneType": {"type": "null"},
    "LiteralString": {"type": "string"},
}
# Types that have no JSON form of their own: `conversion` builds them from these.
_BUILT = {
    "bytes": {"type": "string", "contentEncoding": "base64"},
    "bytearray": {"type": "string", "contentEncoding": "base64"},
    "date": {"type": "string", "format": "date"},
    "datetime": {"type": "string", "format": "date-time"},
    "time": {"type": "string", "format": "time"},
    "timedelta": {"type": "number", "description": "seconds"},
    "Decimal": {"type": ["number", "string"]},
    "UUID": {"type": "string", "format": "uuid"},
    "Path": {"type": "string"},
    "PurePath": {"type": "string"},
}
_LISTS = {"list", "List", "Sequence", "MutableSequence", "Iterable", "Collection", "Container", "Iterator"}
_SETS = {"set", "Set", "frozenset", "FrozenSet", "AbstractSet", "MutableSet"}
_DICTS = {"dict", "Dict", "Mapping", "MutableMapping", "defaultdict", "DefaultDict", "OrderedDict"}
_TUPLES = {"tuple", "Tuple"}
_WRAPPERS = {"Required", "NotRequired", "ReadOnly", "Final", "ClassVar", "InitVar"}
_ENUMS = {"Enum", "IntEnum", "StrEnum", "Flag", "IntFlag", "ReprEnum"}


class Source:
    """What the top level of a source defines, by name."""

    def __init__(self, tree):
        self.classes = {}
        self.aliases = {}
        self.imported = {}
        self.main = None
        self._collect(tree.body)

    def _collect(self, body):
        for node in body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self.main = node if node.name == "main" else self.main
            elif isinstance(node, ast.ClassDef):
                self.classes[node.name] = node
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        self.aliases[target.id] = node.value
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
                self.aliases[node.target.id] = node.value
            elif isinstance(node, ast.TypeAlias):
                self.aliases[node.name.id] = node.value
            elif isinstance(node, ast.ImportFrom):
                for name in node.names:
                    self.imported[name.asname or name.name] = name.name
            elif isinstance(node, ast.If | ast.Try | ast.With):
                for inner in ("body", "orelse", "finalbody"):
                    self._collect(getattr(node, inner, ()))
                for handler in getattr(node, "handlers", ()):
                    self._collect(handler.body)

    def last_name(self, node):
        """`List` for `List`, `typing.List` and an import of it under another name."""
        if isinstance(node, ast.Attribute):
            return node.attr
        if isinstance(node, ast.Name):
            return self.imported.get(node.id, node.id)
        return None


    def speaks_of(self, annotation, name):
        """Whether an annotation names this global of ours, which the source has not given another meaning."""
        if name in self.classes or name in self.aliases or name in self.imported:
            return False
        pending, seen = [annotation], set()
        while pending:
            node = pending.pop()
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                pending += quoted(node.value)
            elif isinstance(node, ast.Name) and node.id == name:
                return True
            elif isinstance(node, ast.Name) and node.id in self.aliases and node.id not in seen:
                seen.add(node.id)
                pending.append(self.aliases[node.id])
            elif isinstance(node, ast.BinOp):
                pending += [node.left, node.right]
            elif isinstance(node, ast.Subscript) and self.last_name(node.value) != "Literal":
                inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                pending += inner[:1] if self.last_name(node.value) == "Annotated" else inner
        return False


class Schemas:
    """Builds the schemas of one document; classes become `$defs` until `finished` inlines them."""

    def __init__(self, source):
        self.source = source
        self.definitions = {}
        # Class name -> how many references to it there are.
        self.references = {}
        # Whether something since this was last cleared needs `conversion`.
        self.converts = False
        self._aliases_open = set()

    def of(self, node):
        if node is None:
            return {}
        if isinstance(node, ast.Constant):
            return self._constant(node.value)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._name(node)
        if isinstance(node, ast.Subscript):
            return self._subscript(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self._union([node.left, node.right])
        if isinstance(node, ast.Call) and self.source.last_name(node.func) == "NewType" and len(node.args) == 2:
            return self.of(node.args[1])
        return {}

    def finished(self, schema):
        """The document: a class that is referred to once stands in its place, others in `$defs`."""
        schema = self._inlined(schema)
        shared = [name for name, count in self.references.items() if count > 1]
        if shared:
            schema["$defs"] = {name: self._inlined(self.definitions[name]) for name in shared}
        return schema

    def root(self, schema):
        """As `finished`, for a schema that must not be a mere reference."""
        name = schema.get("$ref", "").removeprefix(REF)
        if name:
            siblings = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self.definitions[name], **siblings}
            if self.references[name] == 1:
                self.references[name] = 0
        return self.finished(schema)

    def is_object(self, schema):
        """Whether every value of it is a JSON object."""
        name = schema.get("$ref", "").removeprefix(REF)
        return (self.definitions[name] if name else schema).get("type") == "object"

    def _inlined(self, schema):
        if isinstance(schema, list):
            return [self._inlined(item) for item in schema]
        if not isinstance(schema, dict):
            return schema
        name = schema.get("$ref", "").removeprefix(REF) if isinstance(schema.get("$ref"), str) else ""
        if name and self.references[name] == 1:
            siblings = {key: value for key, value in schema.items() if key != "$ref"}
            return self._inlined({**self.definitions[name], **siblings})
        return {key: value if key in ("default", "enum") else self._inlined(value) for key, value in schema.items()}

    def _constant(self, value):
        if value is None:
            return dict(_JSON["None"])
        if isinstance(value, str):
            return next(map(self.of, quoted(value)), {})
        return {}

    def _name(self, node):
        if isinstance(node, ast.Name):
            if node.id in self.source.classes:
                return self._class(node.id)
            if node.id in self.source.aliases:
                return self._alias(node.id)
        name = self.source.last_name(node)
        if name in _JSON:
            return dict(_JSON[name])
        if name in _BUILT:
            self.converts = True
            return dict(_BUILT[name])
        if name in _SETS:
            self.converts = True
            return {"type": "array", "uniqueItems": True}
        if name in _TUPLES:
            self.converts = True
            return {"type": "array"}
        if name in _LISTS:
            return {"type": "array"}
        if name in _DICTS or name == "TypedDict":
            return {"type": "object"}
        return {}

    def _alias(self, name):
        if name in self._aliases_open:
            return {}
        self._aliases_open.add(name)
        try:
            return self.of(self.source.aliases[name])
        finally:
            self._aliases_open.discard(name)

    def _subscript(self, node):
        name = self.source.last_name(node.value)
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if isinstance(node.value, ast.Name) and node.value.id in self.source.classes:
            return self._class(node.value.id)
        if name == "Optional":
            return self._union([*inner, ast.Constant(None)])
        if name == "Union":
            return self._union(inner)
        if name == "Literal":
            return enumeration(self._literals(inner))
        if name == "Annotated":
            return self._annotated(inner)
        if name in _WRAPPERS:
            return self.of(inner[0])
        if name in _LISTS:
            return {"type": "array", "items": self.of(inner[0])}
        if name in _SETS:
            self.converts = True
            return {"type": "array", "items": self.of(inner[0]), "uniqueItems": True}
        if name in _DICTS:
            return self._dict(inner)
        if name in _TUPLES:
            return self._tuple(inner)
        return {}

    def _annotated(self, inner):
        schema = self.of(inner[0])
        for extra in inner[1:]:
            if isinstance(extra, ast.Constant) and isinstance(extra.value, str):
                return {**schema, "description": extra.value}
        return schema

    def _dict(self, inner):
        if len(inner) != 2:
            return {"type": "object"}
        if self.of(inner[0]) not in ({}, _JSON["str"]):
            self.converts = True  # JSON's keys are text.
        values = self.of(inner[1])
        return {"type": "object", "additionalProperties": values} if values else {"type": "object"}

    def _tuple(self, inner):
        self.converts = True
        if len(inner) == 2 and isinstance(inner[1], ast.Constant) and inner[1].value is ...:
            return {"type": "array", "items": self.of(inner[0])}
        items = [self.of(one) for one in inner]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}

    def _union(self, nodes):
        members = []
        for node in nodes:
            schema = self.of(node)
            for one in schema["anyOf"] if list(schema) == ["anyOf"] else [schema]:
                if one not in members:
                    members.append(one)
        if {} in members:
            return {}
        return members[0] if len(members) == 1 else {"anyOf": members}

    def _literals(self, nodes):
        values = []
        for node in nodes:
            if isinstance(node, ast.Subscript):
                inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                values += self._literals(inner)
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                members = self._members(self.source.classes.get(node.value.id))
                if node.attr in members:
                    self.converts = True
                    values.append(members[node.attr])
            else:
                found, value = literal(node)
                if found:
                    values.append(value)
        return values

    def _class(self, name):
        node = self.source.classes[name]
        if self._is_a(node, _ENUMS):
            self.converts = True
            return described(enumeration(list(self._members(node).values())), node)
        fields = self._fields(node)
        if fields is None:
            return {}
        if not self._is_a(node, {"TypedDict"}):
            self.converts = True
        self.references[name] = self.references.get(name, 0) + 1
        if name not in self.definitions:
            self.definitions[name] = {}  # Taken, so that a class may contain itself.
            built = self._tuple_of(fields) if self._is_a(node, {"NamedTuple"}) else self._object_of(node, fields)
            self.definitions[name] = described(built, node)
        elif self._is_a(node, {"TypedDict"}):
            self.converts = True  # Its fields are known already, but not whether one of them converts.
        return {"$ref": REF + name}

    def _object_of(self, node, fields):
        descriptions = docstring.parameters(ast.get_docstring(node))
        properties, required = {}, []
        for name, annotation, default, is_required in fields:
            schema = self.of(annotation)
            if name in descriptions and "description" not in schema:
                schema = {**schema, "description": descriptions[name]}
            found, value = literal(default)
            properties[name] = {**schema, "default": value} if found else schema
            if is_required:
                required.append(name)
        return object_schema(properties, required, False)

    def _tuple_of(self, fields):
        items = [self.of(annotation) for _, annotation, _, _ in fields]
        needed = sum(is_required for *_, is_required in fields)
        return {"type": "array", "prefixItems": items, "minItems": needed, "maxItems": len(items)}

    def _fields(self, node):
        """(name, annotation, default, required) of a class of data; None for any other class."""
        is_typed_dict = self._is_a(node, {"TypedDict"})
        is_dataclass = any(
            self.source.last_name(one.func if isinstance(one, ast.Call) else one) == "dataclass" for one in node.decorator_list
        )
        inherited = {}
        for base in node.bases:
            base = base.value if isinstance(base, ast.Subscript) else base
            if isinstance(base, ast.Name) and base.id in self.source.classes and base.id != node.name:
                known = self._fields(self.source.classes[base.id])
                inherited |= {field[0]: field for field in known or ()}
        if not (is_typed_dict or is_dataclass or self._is_a(node, {"NamedTuple"}) or inherited):
            return None
        total = not any(key.arg == "total" and literal(key.value) == (True, False) for key in node.keywords)
        for item in node.body:
            if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
                field = self._field(item, total if is_typed_dict else None)
                if field is not None:
                    inherited[item.target.id] = field
        return list(inherited.values())

    def _field(self, item, total):
        """One field; `total` is None outside typed dicts."""
        outer = self._wrappers(item.annotation)
        if "ClassVar" in outer or self.source.last_name(item.annotation) in ("KW_ONLY", "ClassVar"):
            return None
        name = item.target.id
        if total is not None:
            required = "Required" in outer or (total and "NotRequired" not in outer)
            return name, item.annotation, None, required
        default = item.value
        if isinstance(default, ast.Call) and self.source.last_name(default.func) == "field":
            options = {key.arg: key.value for key in default.keywords}
            if literal(options.get("init")) == (True, False):
                return None
            given = options.get("default")
            return name, item.annotation, given, given is None and "default_factory" not in options
        return name, item.annotation, default, default is None

    def _wrappers(self, node):
        names = set()
        while isinstance(node, ast.Subscript):
            names.add(self.source.last_name(node.value))
            node = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice
        return names

    def _is_a(self, node, names, seen=()):
        """Whether a class has one of `names` among its bases, directly or through the source."""
        for base in node.bases:
            base = base.value if isinstance(base, ast.Subscript) else base
            own = self.source.classes.get(base.id) if isinstance(base, ast.Name) else None
            if own is not None:
                if own is not node and own not in seen and self._is_a(own, names, (*seen, node)):
                    return True
            elif self.source.last_name(base) in names:
                return True
        return False

    def _members(self, node):
        """Name -> value of an enum's members that can be read off the source."""
        members = {}
        if node is None or not self._is_a(node, _ENUMS):
            return members
        lowercase = self._is_a(node, {"StrEnum"})
        for item in node.body:
            if isinstance(item, ast.Assign) and len(item.targets) == 1 and isinstance(item.targets[0], ast.Name):
                name = item.targets[0].id
                if isinstance(item.value, ast.Call) and self.source.last_name(item.value.func) == "auto":
                    numbers = [value for value in members.values() if isinstance(value, int)]
                    members[name] = name.lower() if lowercase else max(numbers, default=0) + 1
                else:
                    found, value = literal(item.value)
                    if found:
                        members[name] = value
        return members


def quoted(text):
    """The annotation in quotes, if it is one."""
    try:
        return [ast.parse(text.strip(), mode="eval").body]
    except SyntaxError:
        return []


def object_schema(properties, required, additional):
    """`additional` is False, or the schema of what else may be there."""
    schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if additional != {}:
        schema["additionalProperties"] = additional
    return schema


def enumeration(values):
    """The schema of these values and no others; of anything if they are not known."""
    if not values:
        return {}
    kinds = {type(value) for value in values}
    names = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    types = sorted({names[kind] for kind in kinds if kind in names})
    return {"type": types[0], "enum": values} if len(types) == 1 else {"enum": values}


def described(schema, node):
    """With the first paragraph of the class's docstring as description, if it has one."""
    text = docstring.summary(ast.get_docstring(node))
    return {**schema, "description": text} if text else schema


def literal(node):
    """(True, value) for an expression that is a JSON value written out, otherwise (False, None)."""
    if node is None:
        return False, None
    try:
        value = ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False, None
    return (True, value) if _is_json(value) else (False, None)


def _is_json(value):
    if value is None or isinstance(value, str | bool | int):
        return True
    if isinstance(value, float):
        return value - value == 0  # Neither infinite nor not a number.
    if isinstance(value, list):
        return all(map(_is_json, value))
    return isinstance(value, dict) and all(isinstance(key, str) and _is_json(item) for key, item in value.items())
