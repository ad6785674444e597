"""The packages that a tool was granted: imported out of one file, which the host mounts read-only.

The file is a set: `MAGIC`, the length of the index in eight bytes (the lowest first), the index as
JSON, then the bytes that it points to. The host writes it, of what `compiled` made of each module.
"""

import importlib.metadata
import importlib.util
import io
import json
import marshal
import sys
import warnings

from . import memory_import

FOLDER = "/packages"
MAGIC = b"mcpbox packages 1\n"
_LENGTH = 8
# Before the code of each module: which Python it is for.
_PYTHON = importlib.util.MAGIC_NUMBER


def compiled(source, file):
    """The code of a module, or None when it cannot be compiled, such as a template or old syntax."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, f"{FOLDER}/{file}", "exec", dont_inherit=True)
        return _PYTHON + marshal.dumps(code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


class Set:
    """An open set."""

    def __init__(self, path):
        self._file = io.FileIO(path)
        start = len(MAGIC) + _LENGTH
        head = self._bytes(0, start)
        length = int.from_bytes(head[len(MAGIC):], "little")
        index = json.loads(self._bytes(start, length))
        self._at = start + length
        # Module name -> [is it a package, file, where its code begins, its length]; a package without
        # a file of its own (PEP 420) has no code.
        self.modules = index["modules"]
        # File -> [where it begins, its length].
        self.data = index["files"]

    def _bytes(self, at, length):
        self._file.seek(at)
        read = self._file.read(length)
        while len(read) < length:
            more = self._file.read(length - len(read))
            if not more:
                raise OSError("the set of packages is shorter than it says")
            read += more
        return read

    def find(self, name):
        found = self.modules.get(name)
        return found and (bool(found[0]), f"{FOLDER}/{found[1]}")

    def module_code(self, name):
        _, file, at, length = self.modules[name]
        if not length:
            return compile("", f"{FOLDER}/{file}", "exec")
        code = self._bytes(self._at + at, length)
        if not code.startswith(_PYTHON):
            raise ImportError(
                "the packages were compiled for another Python; a person has to install them again "
                "(POST /api/settings/modules/sync)",
                name=name,
            )
        return marshal.loads(code[len(_PYTHON):])

    def read(self, path):
        at, length = self.data[path]
        return self._bytes(self._at + at, length)


class PackageFinder(memory_import.MemoryFinder):
    """Finds and loads what a `Set` holds."""

    PREFIX = f"{FOLDER}/"

    def __init__(self, packages):
        super().__init__(packages)
        self._packages = packages

    def find_spec(self, name, path=None, target=None):
        spec = super().find_spec(name, path, target)
        if spec is not None:
            spec.has_location = True  # Many packages read their own `__file__`.
        return spec

    def get_data(self, path):
        """For `pkgutil.get_data`."""
        try:
            return self._packages.read(str(path).removeprefix(self.PREFIX))
        except KeyError:
            raise FileNotFoundError(path) from None

    def find_distributions(self, context=importlib.metadata.DistributionFinder.Context()):
        """For `importlib.metadata.version` and its like."""
        wanted = context.name and importlib.metadata.Prepared(context.name).normalized
        for folder in memory_import.children({f"/{path}": None for path in self._packages.data}, ""):
            name, _, kind = folder.partition("-")
            if kind.endswith(".dist-info") and wanted in (None, name.lower().replace(".", "_")):
                yield PackageDistribution(self._packages, folder)


class PackageDistribution(importlib.metadata.Distribution):
    def __init__(self, packages, folder):
        self._packages = packages
        self._folder = folder

    def read_text(self, filename):
        try:
            return self._packages.read(f"{self._folder}/{filename}").decode()
        except KeyError:
            return None

    def locate_file(self, path):
        return f"{FOLDER}/{path}"


def mount():
    """Makes the modules of the set importable, after everything else."""
    sys.meta_path.append(PackageFinder(Set(f"{FOLDER}/set")))
