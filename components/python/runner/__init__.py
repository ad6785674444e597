"""The Python runner: runs one tool written as Python source, inside CPython on WebAssembly.

componentize-py imports `app` at build time and snapshots the interpreter afterwards, so whatever
happens at import costs a tool nothing. Everything the host calls is in `app`.
"""
