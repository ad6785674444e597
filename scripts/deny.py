#!/usr/bin/env python3
"""Holds the dependencies to deny.toml: licences, bans and sources. Needs cargo and no network."""

import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Folders that have a lock file of their own.
WORKSPACES = [ROOT, ROOT / "guest-sdk"]


def allowed(expression, licences):
    """Whether an SPDX expression can be met with the allowed licences; AND binds tighter than OR."""
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    at = 0

    def any_of():
        met = all_of()
        while take("OR"):
            met = all_of() or met
        return met

    def all_of():
        met = one()
        while take("AND"):
            met = one() and met
        return met

    def one():
        nonlocal at
        if take("("):
            met = any_of()
            if not take(")"):
                raise ValueError(expression)
            return met
        name = words[at]
        at += 1
        if take("WITH"):
            name += " WITH " + words[at]
            at += 1
        return name in licences

    def take(word):
        nonlocal at
        if at < len(words) and words[at] == word:
            at += 1
            return True
        return False

    met = any_of()
    if at != len(words):
        raise ValueError(expression)
    return met


def faults(rules, packages):
    banned = {ban["crate"]: ban["reason"] for ban in rules["bans"]["deny"]}
    licences = set(rules["licenses"]["allow"])
    sources = {f"registry+{url}" for url in rules["sources"]["allow-registry"]}
    for package in packages:
        name = f"{package['name']} {package['version']}"
        if package["name"] in banned:
            yield f"{name} is banned: {banned[package['name']]}"
        if package["source"] is not None and package["source"] not in sources:
            yield f"{name} comes from {package['source']}"
        if not allowed(package["license"] or "none", licences):
            yield f"{name} is licensed under {package['license']}"


def cargo(workspace, command, *options):
    done = subprocess.run(["cargo", command, "--locked", *options], cwd=workspace, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def main():
    planted = {"name": "openssl-sys", "version": "0", "source": "git+x", "license": "MIT AND (GPL-3.0 OR AGPL-3.0)"}
    rules = tomllib.loads((ROOT / "deny.toml").read_text())
    assert len(list(faults(rules, [planted]))) == 3, "a planted package of every fault is not found"
    packages = []
    for workspace in WORKSPACES:
        # The lock file also lists what no feature of ours turns on; the tree does not.
        tree = cargo(workspace, "tree", "--workspace", "--target=all", "--prefix=none", "--format={p}")
        built = {tuple(line.split()[:2]) for line in tree.splitlines() if line}
        listed = json.loads(cargo(workspace, "metadata", "--format-version=1"))["packages"]
        packages += [package for package in listed if (package["name"], f"v{package['version']}") in built]
    found = list(faults(rules, packages))
    for fault in found:
        print(f"deny.toml: {fault}", file=sys.stderr)
    if not found:
        print(f"lint: {len(packages)} packages keep to deny.toml")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
