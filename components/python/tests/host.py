"""A test host: runs the built component under PyPI's wasmtime with pretended host functions.

`Guest` is one instance, as the real host makes one for each call; `run` is a whole call.
"""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import pathlib
import sys
import tempfile
import time
from types import SimpleNamespace

from wasmtime import Config, Engine, Store, WasiConfig
from wasmtime.component import Component, Linker, Record, Variant

HERE = pathlib.Path(__file__).resolve().parent
COMPONENT = HERE.parent / "dist" / "python.wasm"
CACHE = pathlib.Path(os.environ.get("MCPBOX_CACHE") or pathlib.Path.home() / ".cache" / "mcpbox") / "guests"
MAX_WASM_STACK = 2 * 1024 * 1024
PREFIX = "mcpbox:guest/"
# What tests may import, unless they say otherwise.
MODULES = sorted(sys.stdlib_module_names | {"annotationlib", "compression", "greeter"})
ADVICE = "ask for {module}"


def _compiled():
    """The component, compiled once for each content and wasmtime version."""
    config = Config()
    config.max_wasm_stack = MAX_WASM_STACK
    engine = Engine(config)
    digest = hashlib.sha256(COMPONENT.read_bytes()).hexdigest()[:32]
    path = CACHE / f"test-{importlib.metadata.version('wasmtime')}-{digest}.cwasm"
    if path.exists():
        return engine, Component.deserialize_file(engine, str(path))
    print("Compiling the Python runner for the tests ...", flush=True)
    component = Component.from_file(engine, str(COMPONENT))
    CACHE.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_bytes(component.serialize())
    part.replace(path)
    for old in sorted(CACHE.glob("test-*.cwasm"), key=lambda one: one.stat().st_mtime)[:-3]:
        old.unlink(missing_ok=True)
    return engine, component


ENGINE, RUNNER = _compiled()


class GuestError(Exception):
    """The guest answered an exception record."""

    def __init__(self, record):
        super().__init__(f"{record.kind}: {record.message}")
        self.kind = record.kind
        self.message = record.message
        self.line = record.line
        self.traceback = record.traceback
        self.excerpt = record.excerpt


def record(**fields):
    made = Record()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def reply(status=200, body=b"", headers=(), after=0.0):
    """What the pretended internet answers, `after` so many seconds."""
    body = json.dumps(body).encode() if isinstance(body, (dict, list)) else body.encode() if isinstance(body, str) else body
    return SimpleNamespace(status=status, body=body, headers=list(headers), after=after, error=None)


def failure(kind, text, after=0.0):
    """A request that starts and then fails; `kind` is the WIT case, for example `timed-out`."""
    return SimpleNamespace(error=(kind, text), after=after)


class Host:
    """The pretended host functions; `internet` is a function from a request to a `reply`.

    `client` is one from a question's key, method and parameters to what the client says: an object, or a text
    with which it refuses, or a `Variant` that is the end of all asking. Without one nobody is there to be asked.
    """

    def __init__(self, secrets=None, internet=None, client=None, abilities=()):
        self.secrets = dict(secrets or {})
        self.internet = internet or (lambda request: reply())
        self.requests = []
        self.cancelled = []
        self.logged = []
        self.progressed = []
        self.client = client
        self.abilities = set(abilities)
        self.asked = []
        self.required = []
        self.tasks = 0
        self._running = {}

    def start(self, _store, request):
        self.requests.append(request)
        answer = self.internet(request)
        if isinstance(answer, tuple):
            return Variant(*answer)
        number = len(self.requests)
        self._running[number] = (time.monotonic() + answer.after, answer)
        return number

    def wait(self, _store, ids, timeout_ms):
        now = time.monotonic()
        until = None if timeout_ms is None else now + timeout_ms / 1000
        ends = [self._running[one][0] if one in self._running else now for one in ids]
        if not ends and until is None:
            raise RuntimeError("a wait without end")
        wake = min([*ends, *([] if until is None else [until])])
        time.sleep(max(0.0, wake - now))
        now = time.monotonic()
        return [one for one, end in zip(ids, ends) if end <= now]

    def take(self, _store, number):
        end, answer = self._running.pop(number)
        time.sleep(max(0.0, end - time.monotonic()))
        if answer.error:
            return Variant(*answer.error)
        return record(status=answer.status, headers=answer.headers, body=answer.body)

    def cancel(self, _store, number):
        self._running.pop(number, None)
        self.cancelled.append(number)

    def ask(self, _store, questions):
        answers = []
        for question in questions:
            one = (question.key, question.method, json.loads(question.params))
            self.asked.append(one)
            said = self.client(*one) if self.client else Variant("unsupported", "nobody is there to be asked")
            if isinstance(said, Variant):
                return said
            answers.append(Variant("refused", said) if isinstance(said, str) else Variant("result", json.dumps(said)))
        return answers

    def become_task(self, _store):
        self.tasks += 1

    def define(self, linker):
        interfaces = {
            "http": {"start": self.start, "wait": self.wait, "take": self.take, "cancel": self.cancel},
            "secrets": {"names": lambda _: sorted(self.secrets), "get": lambda _, name: self.secrets.get(name)},
            "log": {"emit": lambda _, level, message: self.logged.append((level, message))},
            "progress": {"report": lambda _, *report: self.progressed.append(report)},
            "client": {
                "can": lambda _: self.abilities,
                "require": lambda _, abilities: self.required.append(set(abilities)),
                "ask": self.ask,
                "become-task": self.become_task,
            },
        }
        with linker.root() as root:
            for interface, functions in interfaces.items():
                with root.add_instance(f"{PREFIX}{interface}@1.0.0") as instance:
                    for name, function in functions.items():
                        instance.add_func(name, function)


class Guest:
    """One instance of the runner. `folder` is mounted read-only at /packages."""

    def __init__(self, host=None, memory=None, folder=None):
        self.host = host or Host()
        self._out, self._err = bytearray(), bytearray()
        self.packages = folder is not None
        wasi = WasiConfig()
        wasi.stdout_custom = self._out.extend
        wasi.stderr_custom = self._err.extend
        if folder is not None:
            wasi.preopen_dir(str(folder), "/packages", False)
        self.store = Store(ENGINE)
        self.store.set_wasi(wasi)
        if memory is not None:
            self.store.set_limits(memory_size=memory)
        linker = Linker(ENGINE)
        linker.add_wasip2()
        self.host.define(linker)
        self._instance = linker.instantiate(self.store, RUNNER)
        self._runner = self._instance.get_export_index(self.store, f"{PREFIX}runner@1.0.0")

    @property
    def stdout(self):
        return self._out.decode()

    @property
    def stderr(self):
        return self._err.decode()

    def _call(self, name, *args):
        index = self._instance.get_export_index(self.store, name, self._runner)
        function = self._instance.get_func(self.store, index)
        answer = function(self.store, *args)
        if isinstance(answer, Variant):  # Both sides are records, so the binding tells them by a tag.
            if answer.tag == "err":
                raise GuestError(answer.payload)
            answer = answer.payload
        if isinstance(answer, Record) and hasattr(answer, "kind"):
            raise GuestError(answer)
        return answer

    def describe(self, source):
        return self._call("describe", source)

    def load(self, code, source, early=False, arguments=None, modules=MODULES):
        return self._call("load", code, source, early, arguments, record(modules=list(modules), advice=ADVICE, packages=self.packages))

    def compile_module(self, source, file):
        return self._call("compile-module", source, file)

    def call(self, arguments):
        return self._call("call", arguments)


@contextlib.contextmanager
def packages(files):
    """A folder with a set of packages, as the host writes it: path -> text; what ends in .py is compiled."""
    guest, modules, data, content = Guest(), {}, {}, b""
    for path, text in sorted(files.items()):
        if path.endswith(".py"):
            name = path[:-3].replace("/", ".")
            code = guest.compile_module(text.encode(), path)
            if code is not None:
                modules[name.removesuffix(".__init__")] = [name.endswith(".__init__"), path, len(content), len(code)]
                content += code
        else:
            data[path] = [len(content), len(text.encode())]
            content += text.encode()
        above = path.rpartition("/")[0]
        while above and ".dist-info" not in above:
            modules.setdefault(above.replace("/", "."), [True, above, 0, 0])
            above = above.rpartition("/")[0]
    index = json.dumps({"modules": modules, "files": data}).encode()
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "set").write_bytes(b"mcpbox packages 1\n" + len(index).to_bytes(8, "little") + index + content)
        yield folder


def describe(source):
    """(input schema, output schema, summary) of a source."""
    description = Guest().describe(source)
    output = getattr(description, "output-schema")
    return json.loads(getattr(description, "input-schema")), output and json.loads(output), description.summary


def run(source, arguments=None, *, early=False, modules=MODULES, **guest_options):
    """Describes in one instance, loads and calls in another, as the host does. Answers the guest.

    `guest.outcome` is what it answered, `guest.result` the result read from JSON.
    """
    code = Guest().describe(source).code
    guest = Guest(**guest_options)
    given = json.dumps(arguments or {})
    try:
        guest.loaded = guest.load(code, source, early, None if early else given, modules)
        if guest.loaded == "ready":
            guest.outcome = guest.call(given)
            guest.result = json.loads(guest.outcome.result)
            structured = guest.outcome.structured
            guest.structured = None if structured is None else json.loads(structured)
    except GuestError as error:
        error.guest = guest
        raise
    return guest


def value(source, arguments=None, **options):
    """The result of a call."""
    return run(source, arguments, **options).result
