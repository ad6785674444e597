"""A baseline: a Python process for one call. Arguments on standard input, result on standard output.

`baseline_process.py TOOL.py`
"""

import json
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    scope = {"__name__": "tool"}
    exec(compile(file.read(), "tool.py", "exec"), scope)
print(json.dumps(scope["main"](**json.load(sys.stdin))))
