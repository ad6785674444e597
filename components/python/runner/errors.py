"""Exceptions as the author of a tool should read them: only their own lines, and where to look."""

import inspect
import itertools
import traceback

from wit_world.exports.runner import Exception as Record

from . import host
from .loop import Deadlock

TOOL_FILE = "<tool>"
MESSAGE_LIMIT = 4_000
TRACEBACK_LIMIT = 20_000
NO_MEMORY = "the tool needs more memory than it may use"
# Lines shown before and after the one that failed.
AROUND = 2


class AuthorError(Exception):
    """A mistake of the author that Python itself does not catch; `kind` names it."""

    def __init__(self, kind, message, line=None):
        super().__init__(message)
        self.kind = kind
        self.line = line


# For when there is no memory left to make another; made ahead for that reason.
LAST_RESORT = Record("MemoryError", NO_MEMORY, None, f"MemoryError: {NO_MEMORY}\n", "")


def record(error, source):
    """What the host is told about an exception."""
    if isinstance(error, AuthorError):
        return _made(error.kind, str(error), error.line, f"{error.kind}: {error}\n", source)
    kind = type(error).__name__
    if isinstance(error, SyntaxError) and error.filename == TOOL_FILE:
        return _syntax(error, kind, source)
    printed = traceback.TracebackException.from_exception(error, compact=True)
    for one in _every(printed):
        one.stack = _authors(one.stack)
    line = _line(error)
    if isinstance(error, Deadlock):
        waiting = [frame for frame in error.waiting_at if frame[0] == TOOL_FILE]
        if waiting:
            printed.stack = traceback.StackSummary.from_list(
                [traceback.FrameSummary(file, number, name) for file, number, name in waiting]
            )
            line = waiting[-1][1]
    return _made(kind, _message(error), line, "".join(printed.format()), source)


def _made(kind, message, line, printed, source):
    return Record(
        host.clean(kind),
        host.clean(_cut(message, MESSAGE_LIMIT)),
        line,
        host.clean(_cut(printed, TRACEBACK_LIMIT)),
        host.clean(excerpt(source, line)),
    )


def _syntax(error, kind, source):
    printed = "".join(traceback.TracebackException.from_exception(error).format_exception_only())
    made = _made(kind, error.msg or kind, error.lineno, printed, source)
    if error.lineno and error.offset:
        made.excerpt = host.clean(excerpt(source, error.lineno, (error.offset, error.end_lineno, error.end_offset)))
    return made


def _message(error):
    """What the exception says, with Python's suggestion, a hint of ours and what is in a group."""
    try:
        message = str(error)
    except BaseException:
        message = "(its own text cannot be made)"
    if isinstance(error, SystemExit):
        return f"the tool ended itself with exit code {error.code or 0}" if isinstance(error.code, int | None) else message
    if isinstance(error, BaseExceptionGroup):
        inner = (f"{type(one).__name__}: {_message(one)}" for one in error.exceptions)
        return f"{message}: {'; '.join(itertools.islice(inner, 10))}"
    if isinstance(error, NameError | AttributeError | ImportError):
        last = next(iter(traceback.TracebackException.from_exception(error).format_exception_only()), "")
        _, said, suggestion = last.rstrip("\n").partition(message)
        if isinstance(error, AttributeError) and inspect.iscoroutine(error.obj):
            suggestion = "; `await` it first (in a plain `def`, use `http.sync` for requests)"
        return message + suggestion if said else message
    if isinstance(error, RecursionError):
        return f"{message}: a function calls itself without end, or far too deep"
    if isinstance(error, MemoryError) and not message:
        return NO_MEMORY
    return message


def excerpt(source, line, mark=None):
    """The lines around `line`; `mark` is (column, end line, end column), each from 1, for carets."""
    lines = source.splitlines()
    if line is None or not 1 <= line <= len(lines):
        return ""
    first, last = max(1, line - AROUND), min(len(lines), line + AROUND)
    width = len(str(last))
    shown = []
    for number in range(first, last + 1):
        text = lines[number - 1]
        shown.append(f"{'>' if number == line else ' '} {number:>{width}} | {_cut(text, 300)}".rstrip())
        if number == line and mark is not None:
            column, end_line, end_column = mark
            ends_here = end_line == line and end_column and end_column > column
            carets = "^" * min(end_column - column if ends_here else 1, 200)
            shown.append(f"  {' ' * width} | {' ' * min(column - 1, 300)}{carets}")
    return "\n".join(shown)


def _line(error):
    """The innermost line of the author's; in a group, that of the first that has one."""
    line = None
    frame = error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == TOOL_FILE:
            line = frame.tb_lineno
        frame = frame.tb_next
    if isinstance(error, BaseExceptionGroup):
        inner = (_line(one) for one in error.exceptions)
        return next((one for one in inner if one is not None), line)
    return line


def _every(printed):
    """A formatted exception with its causes and members."""
    pending = [printed]
    while pending:
        one = pending.pop()
        yield one
        pending += [other for other in (one.__cause__, one.__context__) if other is not None]
        pending += one.exceptions or ()


def _authors(stack):
    return traceback.StackSummary.from_list([frame for frame in stack if frame.filename == TOOL_FILE])


def _cut(text, limit):
    """At most `limit` characters: the beginning and the end."""
    if len(text) <= limit:
        return text
    half = limit // 2 - 20
    return f"{text[:half]}\n… {len(text) - 2 * half} characters left out …\n{text[-half:]}"


def free(error):
    """Lets go of what the frames hold, so that there is memory to report with."""
    seen = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
