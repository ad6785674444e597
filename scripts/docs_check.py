#!/usr/bin/env python3
"""Holds the documents to the product: what they tell to type exists, and their examples answer as shown.

Checked: ARCHITECTURE.md lists the rooms that there are; in every Markdown page each `make TARGET` is a target, each `mcpbox COMMAND` a command. A block
that begins with ```python NAME.py (or javascript, typescript) is a file; in a block ```console, the lines behind `$ ` are run
beside the files of the page, and must print exactly the lines that follow. MCPBOX_BIN is the
executable. (Links are checked by the Rust tests.)
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
BINARY = pathlib.Path(os.environ["MCPBOX_BIN"]).resolve()
README_LINES = 150

FENCE = re.compile(r"^```(\S*) ?(\S*)\n(.*?)^```$", re.M | re.S)
CODE = re.compile(r"`([^`\n]+)`|^(?:\$ )?((?:make|mcpbox) .*)$", re.M)


def pages():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )
    return sorted(set(listed.stdout.split()))


def commands(text):
    """Every `make …` and `mcpbox …` of a page as words, without options and arguments."""
    for match in CODE.finditer(text):
        words = (match.group(1) or match.group(2)).split()
        if len(words) > 1 and words[0] in ("make", "mcpbox"):
            plain = []
            for word in words[1:]:
                if not re.fullmatch("[a-z][a-z-]*", word):
                    break
                plain.append(word)
            if plain:
                yield words[0], tuple(plain)


class Product:
    """What there is to type."""

    def __init__(self):
        self.targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
        self.known = {}

    def has(self, program, words):
        if program == "make":
            return all(word in self.targets for word in words)
        for length in range(1, len(words) + 1):
            if not self.subcommand(words[:length]):
                # What follows a command that has no commands of its own are its arguments.
                return length > 1 and not self.subcommands(words[: length - 1])
        return True

    def subcommand(self, words):
        return words[-1] in self.subcommands(words[:-1])

    def subcommands(self, words):
        if words not in self.known:
            shown = subprocess.run([BINARY, *words, "--help"], capture_output=True, text=True).stdout
            section = re.search(r"^Commands:\n(.*?)(\n\n|\Z)", shown, re.M | re.S)
            self.known[words] = set(re.findall(r"^  ([a-z-]+)", section.group(1), re.M)) if section else set()
        return self.known[words]


def examples(path, text):
    """Runs the page's examples; yields a sentence for each, and what is wrong or None."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "PATH": f"{BINARY.parent}:{os.environ['PATH']}"}
        for kind, name, body in FENCE.findall(text):
            if kind in ("python", "javascript", "typescript") and name:
                (pathlib.Path(folder) / name).write_text(body)
            if kind != "console":
                continue
            for part in re.split(r"^\$ ", body, flags=re.M)[1:]:
                command, _, expected = part.partition("\n")
                done = subprocess.run(
                    command, shell=True, cwd=folder, env=environment, text=True,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=300,
                )
                fault = None if done.stdout.strip() == expected.strip() else f"printed\n{done.stdout}and not\n{expected}"
                yield f"{path}: $ {command}", fault


def main():
    product = Product()
    if not product.subcommands(()):
        sys.exit(f"{BINARY} lists no commands")
    passed, faults = 0, []

    def check(sentence, fault):
        nonlocal passed
        if fault:
            faults.append(f"{sentence} {fault}")
        else:
            passed += 1

    rooms = {path.name.removesuffix(".rs") for path in (ROOT / "host/src").iterdir()} - {"lib", "main"}
    shown = set(re.findall(r"^\| `([a-z]+)` \|", (ROOT / "ARCHITECTURE.md").read_text(), re.M))
    for room in sorted(rooms | shown):
        fault = "is no room" if room not in rooms else "is not in the table" if room not in shown else None
        check(f"ARCHITECTURE.md: room `{room}`", fault)
    found = pages()
    lines = len((ROOT / "README.md").read_text().splitlines())
    check("README.md", f"has {lines} lines, more than {README_LINES}" if lines > README_LINES else None)
    for path in found:
        text = (ROOT / path).read_text()
        for program, words in sorted(set(commands(text))):
            check(f"{path}: `{program} {' '.join(words)}`", None if product.has(program, words) else "does not exist")
        for sentence, fault in examples(path, text):
            check(sentence, fault)
    for fault in faults:
        print(f"FAILED {fault}")
    print(f"Documents ({len(found)} pages): {passed} passed, {len(faults)} failed")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
