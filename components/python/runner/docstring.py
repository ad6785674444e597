"""Reads descriptions out of a docstring: its first paragraph, and one for each parameter.

Understands Google's (`Args:`), Sphinx's (`:param name:`) and NumPy's (`Parameters` underlined).
"""

import re

_GOOGLE_HEAD = re.compile(r"(?:Args|Arguments|Parameters|Params|Keyword Args|Other Parameters|Attributes):\s*$")
_GOOGLE_ITEM = re.compile(r"\*{0,2}(\w+)\s*(?:\([^)]*\))?\s*:\s*(.*)$")
_SPHINX_ITEM = re.compile(r":(?:param|parameter|arg|argument|key|keyword)\s+(?:[^:]*?\s)?\*{0,2}(\w+)\s*:\s*(.*)$")
_NUMPY_HEAD = re.compile(r"(?:Parameters|Other Parameters|Attributes)\s*$")
_NUMPY_ITEM = re.compile(r"\*{0,2}(\w+(?:\s*,\s*\w+)*)\s*(?::.*)?$")
_UNDERLINE = re.compile(r"-{3,}\s*$")
_ANY_HEAD = re.compile(r"[A-Z][A-Za-z ]*:\s*$")


def summary(text):
    """The first paragraph, on one line."""
    return " ".join(_before_blank((text or "").strip().splitlines()))


def parameters(text):
    """Name -> description."""
    found = {}
    lines = (text or "").splitlines()
    at = 0
    while at < len(lines):
        line = lines[at]
        bare = line.strip()
        item = _SPHINX_ITEM.match(bare)
        if item:
            below = _deeper(lines, at + 1, _indent(line))
            found[item[1]] = _joined(item[2], _before_blank(below))
            at += 1 + len(below)
        elif _NUMPY_HEAD.match(bare) and at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1].strip()):
            at = _numpy(lines, at + 2, _indent(line), found)
        elif _GOOGLE_HEAD.match(bare):
            section = _deeper(lines, at + 1, _indent(line))
            _google(section, found)
            at += 1 + len(section)
        else:
            at += 1
    return {name: description for name, description in found.items() if description}


def _google(section, found):
    base = min((_indent(line) for line in section if line.strip()), default=0)
    name = None
    for line in section:
        item = _GOOGLE_ITEM.match(line.strip()) if _indent(line) == base else None
        if item:
            name = item[1]
            found[name] = item[2].strip()
        elif name is not None:
            found[name] = _joined(found[name], [line])


def _numpy(lines, at, indent, found):
    """Reads items until the next section; answers where it stopped."""
    while at < len(lines):
        line = lines[at]
        is_head = at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1].strip())
        if is_head or _ANY_HEAD.match(line.strip()):
            break
        item = _NUMPY_ITEM.match(line.strip()) if line.strip() and _indent(line) == indent else None
        at += 1
        if item:
            below = _deeper(lines, at, indent)
            for name in item[1].split(","):
                found[name.strip()] = _joined("", below)
            at += len(below)
    return at


def _deeper(lines, at, indent):
    """The lines from `at` on that are indented deeper than `indent`, or empty."""
    end = at
    while end < len(lines) and (not lines[end].strip() or _indent(lines[end]) > indent):
        end += 1
    return lines[at:end]


def _before_blank(lines):
    """The stripped lines up to the first empty one."""
    taken = []
    for line in lines:
        if not line.strip():
            break
        taken.append(line.strip())
    return taken


def _joined(first, lines):
    return " ".join(part for part in (first.strip(), *(line.strip() for line in lines)) if part)


def _indent(line):
    return len(line) - len(line.lstrip())
