"""`__builtins__.pyi` is true: what it declares is there in a tool, and what is there it declares, name by name."""

import pathlib
import unittest

from host import Host, value

STUB = pathlib.Path(__file__).resolve().parent.parent / "__builtins__.pyi"

# In the tool: what its globals are and have, and the same of the stub. Of what the standard library lends, only what
# is not its own counts.
LOOKS = '''
import ast, inspect

before = set(globals()) - {"ast", "inspect"}
# What the standard modules have whose names these have too, beside what they are for.
HTTP = ["IntEnum", "StrEnum", "client", "cookiejar", "cookies", "server"]
SECRETS = ["base64"]


def public(names):
    return sorted(name for name in set(names) if not name.startswith("_"))


def parameters(function):
    arguments = function.args
    given = [*arguments.posonlyargs, *arguments.args, arguments.vararg, *arguments.kwonlyargs, arguments.kwarg]
    return [name.arg for name in given if name is not None and name.arg != "self"]


def declared(stub):
    classes, names = {}, {}
    for one in ast.parse(stub).body:
        if isinstance(one, ast.Import):
            names.update((alias.asname, None) for alias in one.names)
        elif isinstance(one, ast.AnnAssign):
            names[one.target.id] = one.annotation.id if isinstance(one.annotation, ast.Name) else None
        elif isinstance(one, ast.FunctionDef):
            names[one.name] = parameters(one)
        elif isinstance(one, ast.ClassDef):
            members = {}
            for member in one.body:
                if isinstance(member, ast.AnnAssign):
                    members[member.target.id] = None
                elif isinstance(member, ast.FunctionDef):
                    is_property = any(isinstance(mark, ast.Name) and mark.id == "property" for mark in member.decorator_list)
                    members[member.name] = None if is_property else parameters(member)
            classes[one.name] = {name: wanted for name, wanted in members.items() if not name.startswith("_")}
    public_classes = {name: None for name in classes if not name.startswith("_")}
    return {**names, **public_classes}, classes


def main(stub: str) -> list[str]:
    faults = []
    names, classes = declared(stub)
    names = {name: of for name, of in names.items() if not name.startswith("_")}
    if public(before) != public(names):
        faults.append(f"globals: {public(set(before) ^ set(names))}")
    for name, wanted in names.items():
        if isinstance(wanted, list) and list(inspect.signature(globals()[name]).parameters) != wanted:
            faults.append(f"{name}: {list(inspect.signature(globals()[name]).parameters)} is declared as {wanted}")
    answer = ctx.elicit("?", {"a": str})
    response = http.sync.get("https://site.test/")
    samples = {
        "Context": ctx, "_Log": log, "_Http": http, "_Sync": http.sync, "_Response": response, "_Headers": response.headers,
        "_Answer": answer, "_Sampled": ctx.sample("?"), "_Root": ctx.roots()[0], "_ClientError": ctx.ClientError("invalid", ""),
        "_Error": http.Error(), "_StatusError": http.StatusError("", response), "_Secrets": secrets,
    }
    mapping = dir(type(response.headers).__mro__[1])
    standard = {"_Http": HTTP, "_Secrets": [*SECRETS, *mapping], "_Headers": mapping}
    for name, sample in samples.items():
        lent_names = set(standard.get(name, ())) | set(dir(Exception if isinstance(sample, Exception) else object))
        lent_names |= set(dir(OSError)) if isinstance(sample, OSError) else set()
        seen = public({*dir(sample), *dir(type(sample))} - lent_names)
        if seen != public(set(classes[name]) - lent_names):
            faults.append(f"{name}: {sorted(set(seen) ^ set(classes[name]))}")
        for member, wanted in classes[name].items():
            found = getattr(sample, member, None)
            if wanted is None or not callable(found) or isinstance(found, type):
                continue
            taken = list(inspect.signature(found).parameters)
            # What `request` hands on by name is spelt out for authors.
            if taken != wanted and not (taken[-1] == "options" and wanted[: len(taken) - 1] == taken[:-1]):
                faults.append(f"{name}.{member}: {taken} is declared as {wanted}")
    return faults
'''


ANSWERS = {
    "elicitation": {"action": "accept", "content": {"a": "x"}},
    "sampling": {"role": "assistant", "model": "m", "content": {"type": "text", "text": "x"}},
    "roots": {"roots": [{"uri": "file:///a"}]},
}


class Types(unittest.TestCase):
    def test_the_stub_declares_what_is_there_and_nothing_else(self):
        host = Host(client=lambda _key, method, _params: ANSWERS[method])
        self.assertEqual(value(LOOKS, {"stub": STUB.read_text()}, host=host), [])
