"""Describes a tool from its source: what it takes, what it gives, what it is for. Runs none of it."""

import ast
import json
import marshal

from wit_world.exports.runner import Description

from . import docstring, host, imports
from .annotations import Schemas, Source, literal, object_schema
from .errors import TOOL_FILE, AuthorError

_NO_MAIN = (
    "the tool defines no main(); write `async def main(...)` or `def main(...)` at the top level: "
    "its parameters are the tool's arguments and what it returns is the result"
)


def describe(source):
    """The compiled source with its schemas."""
    text = source.removeprefix("\ufeff")
    tree = compile(text, TOOL_FILE, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
    code = compile(tree, TOOL_FILE, "exec", dont_inherit=True)
    found = Source(tree)
    if found.main is None:
        raise AuthorError("NoMain", _NO_MAIN)
    input_schema, plan = _input(found)
    output_schema, plan["output"] = _output(found)
    return Description(
        marshal.dumps((plan, code)),
        host.clean(docstring.summary(ast.get_docstring(found.main))),
        _text(input_schema),
        None if output_schema is None else _text(output_schema),
        [host.clean(name) for name in imports.named(tree)],
    )


def _text(schema):
    return host.clean(json.dumps(schema, ensure_ascii=False))


def _input(found):
    """The schema of the arguments, and the plan of how `main` takes them.

    In the plan, `convert` names the parameters whose JSON value becomes another type, `none` those
    that may be left out because they are Optional without a default, `positional` those that `main`
    takes by position only, `context` those that get the context.
    """
    schemas = Schemas(found)
    main = found.main
    descriptions = docstring.parameters(ast.get_docstring(main))
    properties, required, convert, none, context = {}, [], [], [], []
    for parameter, default, has_default in _parameters(main.args):
        if _is_context(found, parameter):
            context.append(parameter.arg)
            continue
        schemas.converts = False
        schema = schemas.of(parameter.annotation)
        if schemas.converts:
            convert.append(parameter.arg)
        if "description" not in schema and parameter.arg in descriptions:
            schema = {**schema, "description": descriptions[parameter.arg]}
        known, value = literal(default)
        if known:
            schema = {**schema, "default": value}
        if not has_default:
            if {"type": "null"} in schema.get("anyOf", ()):
                none.append(parameter.arg)
            else:
                required.append(parameter.arg)
        properties[parameter.arg] = schema
    additional = schemas.of(main.args.kwarg.annotation) if main.args.kwarg else False
    plan = {
        "convert": tuple(convert),
        "none": tuple(none),
        "context": tuple(context),
        "positional": tuple(one.arg for one in main.args.posonlyargs),
    }
    return schemas.finished(object_schema(properties, required, additional)), plan


def _parameters(arguments):
    """(parameter, default, has a default) in the order of the signature."""
    positional = arguments.posonlyargs + arguments.args
    without = len(positional) - len(arguments.defaults)
    for parameter, default in zip(positional, [None] * without + arguments.defaults):
        yield parameter, default, default is not None
    for parameter, default in zip(arguments.kwonlyargs, arguments.kw_defaults):
        yield parameter, default, default is not None


def _is_context(found, parameter):
    """Whether a parameter is no argument: `ctx`, or one that is annotated with the global `Context`."""
    if parameter.annotation is None:
        return parameter.arg == "ctx"
    return found.speaks_of(parameter.annotation, "Context")


def _output(found):
    """The schema of the structured result and its form: None, "object" or "wrapped"."""
    returns = found.main.returns
    if returns is None or found.speaks_of(returns, "Content"):
        return None, None
    schemas = Schemas(found)
    schema = schemas.of(returns)
    if not schema or schema == {"type": "null"}:
        return None, None
    if schemas.is_object(schema):
        return schemas.root(schema), "object"
    return schemas.finished({"type": "object", "properties": {"result": schema}, "required": ["result"]}), "wrapped"
