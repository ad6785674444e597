"""Imports modules out of memory.

At build time the standard library is on a disk; at run time there is none. `collect` compiles a
folder of modules into this process, the snapshot keeps the compiled bytes, and the finder imports a
module from them when a tool first asks for it.
"""

import importlib.machinery
import io
import marshal
import os
import sys
import zlib
from importlib.abc import InspectLoader, MetaPathFinder
from importlib.resources.abc import Traversable, TraversableResources

# Of no use to a tool: tests, things that need a screen, a terminal, a compiler or a process.
LEFT_OUT = frozenset({
    "__pycache__", "bundled", "curses", "ensurepip", "idle_test", "idlelib", "lib-dynload",
    "lib2to3", "pydoc_data", "site-packages", "test", "tests", "tkinter", "turtle.py", "turtledemo", "venv",
})

# Where a module from memory says that it comes from; no such path exists.
PREFIX = "<memory>/"

# The build puts a file of this name into a folder whose packages are for tools.
BUNDLE_MARK = ".bundle"


class Memory:
    """Compiled modules and data files, both compressed."""

    def __init__(self):
        # Module name -> (is it a package, path for tracebacks, compressed marshalled code).
        self.code = {}
        # "package/folder/file" -> compressed bytes.
        self.data = {}

    def collect(self, root, package="", with_data=False):
        """Takes in every module below the folder `root`; `with_data` takes the other files, too."""
        for name in sorted(os.listdir(root)):
            path = f"{root}/{name}"
            if name in LEFT_OUT:
                continue
            if os.path.isdir(path):
                if name.isidentifier():
                    self.collect(path, f"{package}{name}.", with_data)
            elif name.endswith(".py"):
                self._collect_module(path, package, name[:-3])
            elif with_data and package:
                with open(path, "rb") as file:
                    self.data[package.replace(".", "/") + name] = zlib.compress(file.read(), 9)

    def _collect_module(self, path, package, name):
        is_package = name == "__init__"
        if is_package and not package:
            return
        with open(path, "rb") as file:
            source = file.read()
        shown = PREFIX + path.lstrip("/")
        try:
            code = compile(source, shown, "exec", dont_inherit=True)
        except SyntaxError:
            return  # A template or a deliberately broken file; it could not be imported anyway.
        full_name = package[:-1] if is_package else package + name
        self.code[full_name] = (is_package, shown, zlib.compress(marshal.dumps(code), 9))

    def find(self, name):
        """(is it a package, path for tracebacks) of a module, or None."""
        found = self.code.get(name)
        return found and found[:2]

    def module_code(self, name):
        return marshal.loads(zlib.decompress(self.code[name][2]))

    def read(self, path):
        """The bytes of a data file; KeyError if there is none."""
        return zlib.decompress(self.data[path])


def children(files, path):
    """Names directly below a path, of files by their paths."""
    below = path + "/"
    return sorted({key[len(below):].split("/", 1)[0] for key in files if key.startswith(below)})


class MemoryFile(Traversable):
    """A data file or folder of a package, for `importlib.resources`."""

    def __init__(self, memory, path):
        self._memory = memory
        self._path = path

    @property
    def name(self):
        return self._path.rsplit("/", 1)[-1]

    def iterdir(self):
        return (self.joinpath(name) for name in children(self._memory.data, self._path))

    def is_dir(self):
        return bool(children(self._memory.data, self._path))

    def is_file(self):
        return self._path in self._memory.data

    def joinpath(self, *descendants):
        return MemoryFile(self._memory, "/".join((self._path, *map(str, descendants))))

    __truediv__ = joinpath

    def read_bytes(self):
        try:
            return self._memory.read(self._path)
        except KeyError:
            raise FileNotFoundError(self._path) from None

    def read_text(self, encoding="utf-8", errors="strict"):
        return self.read_bytes().decode(encoding, errors)

    def open(self, mode="r", *args, **kwargs):
        stream = io.BytesIO(self.read_bytes())
        return stream if "b" in mode else io.TextIOWrapper(stream, *args, **kwargs)


class MemoryResources(TraversableResources):
    def __init__(self, memory, package):
        self._memory = memory
        self._package = package

    def files(self):
        return MemoryFile(self._memory, self._package.replace(".", "/"))


class MemoryFinder(MetaPathFinder, InspectLoader):
    """Finds and loads what a `Memory` holds."""

    PREFIX = PREFIX

    def __init__(self, memory):
        self._memory = memory

    def holds(self, name):
        return self._memory.find(name) is not None

    def find_spec(self, name, path=None, target=None):
        found = self._memory.find(name)
        if found is None:
            return None
        is_package, shown = found
        spec = importlib.machinery.ModuleSpec(name, self, origin=shown, is_package=is_package)
        if is_package:
            spec.submodule_search_locations = [self.PREFIX + name.replace(".", "/")]
        return spec

    def get_code(self, name):
        return self._memory.module_code(name)

    def get_source(self, name):
        return None  # Only compiled code is kept.

    def is_package(self, name):
        return self._memory.find(name)[0]

    def exec_module(self, module):
        exec(self.get_code(module.__name__), module.__dict__)

    def get_resource_reader(self, name):
        return MemoryResources(self._memory, name)


def holds(name):
    """Whether there is a module of this name in memory."""
    return any(isinstance(finder, MemoryFinder) and finder.holds(name) for finder in sys.meta_path)


def install(memory):
    """Puts the finder after built-in and frozen modules, before anything on a disk."""
    sys.meta_path.insert(2, MemoryFinder(memory))


def bundle(memory, folders):
    """Takes in the folders that the build marked: packages that every tool can import."""
    for folder in folders:
        if os.path.exists(f"{folder}/{BUNDLE_MARK}"):
            memory.collect(folder, with_data=True)
