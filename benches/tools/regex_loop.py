import re


def main():
    """Never leaves C code: a pattern that takes longer than anybody can wait."""
    return bool(re.match("(a|aa)+$", "a" * 200 + "b"))
