"""What a component computes, as a digest: of the definitions that it reaches, wherever they stand.

From a class or function every name is followed through the package: functions, classes, constants, and what those use.
Left out are docstrings, comments, error messages, imports and registries. So a digest survives better words, moving a
definition to another file and adding another component; a changed formula changes it. Names that a type annotation
mentions count as used, because methods of arguments are called.
"""

import ast
import hashlib
import inspect
import json
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from emotrace.paths import PACKAGE

_IDENTIFIED = frozenset(
    f"emotrace.{name}"
    for name in (
        *("corpus.datadir", "corpus.kaldi", "corpus.files", "paths", "registry"),
        *("representation.spec", "pipeline.rows", "pipeline.measures:Measure", "pipeline.measures:Recognisers"),
    )
)
"""Modules and definitions that are not followed: what they hold, data and choices, stands in every key itself."""
_DEFINED = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def digest(value: Any) -> str:
    """sha256, hexadecimal, of anything that JSON can write; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()


def code_digest(*things: Any, package: Path = PACKAGE) -> str:
    """Digest of all that classes or functions compute.

    Args:
        things: classes, functions, or "module:name" of one.
        package: where the modules of emotrace lie; a thing from elsewhere is read from its own file.

    Raises:
        FileNotFoundError: a module that is not there. KeyError: a module without that name.
    """
    files = _files(things)
    paths = sorted((*package.rglob("*.py"), *(path for _, path in files)))
    stamp = tuple((path, path.stat().st_mtime_ns) for path in paths)  # another one when any of them is edited
    return _digest(tuple(map(_name, things)), files, package, stamp)


def reached(*things: Any, package: Path = PACKAGE) -> list[str]:
    """The definitions that things reach, "module:name" each, sorted: what a digest is made of."""
    source = _Source(package, dict(_files(things)))
    return sorted(f"{place.module}:{place.name}" for place in source.reach(map(_name, things)))


def package_digest(package: Path = PACKAGE) -> str:
    """Digest of all code of the package, whatever its files are called."""
    return digest(sorted(json.dumps(_outline(ast.parse(path.read_text()))) for path in package.rglob("*.py")))


def _name(thing: Any) -> str:
    return thing if isinstance(thing, str) else f"{thing.__module__}:{thing.__qualname__}"


def _files(things: Iterable[Any]) -> tuple[tuple[str, Path], ...]:
    """Modules and files of the things that are not in the package."""
    known = (thing for thing in things if not isinstance(thing, str))
    others = (thing for thing in known if thing.__module__.partition(".")[0] != PACKAGE.name)
    return tuple((thing.__module__, Path(inspect.getfile(thing))) for thing in others)


@lru_cache(maxsize=256)
def _digest(names: tuple[str, ...], files: tuple[tuple[str, Path], ...], package: Path, _: object) -> str:
    source = _Source(package, dict(files))
    places = source.reach(names)
    nodes = [node for place in places for node in source.module(place.module).definitions[place.name]]
    nodes += [node for name in {place.module for place in places} for node in source.module(name).statements]
    return digest(sorted(json.dumps(_outline(node)) for node in nodes))


class _Place(NamedTuple):
    """A name at the top of a module."""

    module: str
    name: str


class _Module(NamedTuple):
    """A module's top level: definitions by name, where imported names come from, and statements that define nothing."""

    definitions: dict[str, list[ast.stmt]]
    imported: dict[str, _Place]
    statements: list[ast.stmt]


class _Source:
    """The modules of a package, and of things from elsewhere, as syntax trees."""

    def __init__(self, package: Path, elsewhere: dict[str, Path]):
        self.package, self.elsewhere = package, elsewhere

    def module(self, name: str) -> _Module:
        path = self.elsewhere.get(name) or _path(name, self.package)
        if path is None:
            raise FileNotFoundError(f"{name}: named by a component, but not there")
        return _parsed(path, path.stat().st_mtime_ns, self.package)

    def reach(self, names: Iterable[str]) -> set[_Place]:
        """All that the named things use, they included."""
        waiting = [_Place(module, name.partition(".")[0]) for module, name in (each.split(":") for each in names)]
        for place in waiting:
            if place.name not in self.module(place.module).definitions:
                raise KeyError(f"{place.module} defines no {place.name}")
        found: set[_Place] = set()
        while waiting:
            place = waiting.pop()
            if place not in found:
                found.add(place)
                waiting += self._used(place)
        return found

    def _used(self, place: _Place) -> Iterator[_Place]:
        """The places that a definition mentions, and those that statements of its module do when it is imported."""
        module = self.module(place.module)
        for node in (*module.definitions[place.name], *module.statements):
            imported = module.imported | _imports(node, self.package)
            for name, attribute in _mentioned(node):
                source = imported.get(name, _Place(place.module, name))
                yield from self._defined(source if source.name else _Place(source.module, attribute))

    def _defined(self, place: _Place) -> Iterator[_Place]:
        """Where a name is defined, through modules that only pass it on; nowhere for names from outside."""
        if not place.name or {place.module, f"{place.module}:{place.name}"} & _IDENTIFIED:
            return
        module = self.module(place.module)
        if place.name in module.definitions:
            yield place
        elif place.name in module.imported:
            yield from self._defined(module.imported[place.name])


def _mentioned(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[tuple[str, str]]:
    """Names that a node loads from outside of its functions, each with the attribute taken of it, or ""."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
        for part in (node.args, *getattr(node, "decorator_list", ()), getattr(node, "returns", None)):
            if part is not None:
                yield from _mentioned(part, local)
        body = node.body if isinstance(node.body, list) else [node.body]
        inner = [one for part in body for one in ast.walk(part) if isinstance(one, ast.Name)]
        own = {name.id for name in inner if isinstance(name.ctx, ast.Store)}
        own |= {part.arg for part in ast.iter_child_nodes(node.args) if isinstance(part, ast.arg)}
        for part in body:
            yield from _mentioned(part, local | own)
    elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
        if node.value.id not in local:
            yield node.value.id, node.attr
    elif isinstance(node, ast.Name):
        if isinstance(node.ctx, ast.Load) and node.id not in local:
            yield node.id, ""
    else:
        for child in ast.iter_child_nodes(node):
            yield from _mentioned(child, local)


def _path(name: str, package: Path) -> Path | None:
    """The file of a module of the package; None for another module."""
    parts = name.split(".")
    if parts[0] != PACKAGE.name:
        return None
    folder = package.joinpath(*parts[1:])
    return next((path for path in (folder.with_suffix(".py"), folder / "__init__.py") if path.is_file()), None)


@lru_cache(maxsize=512)
def _parsed(path: Path, _: int, package: Path) -> _Module:
    definitions: dict[str, list[ast.stmt]] = {}
    imported: dict[str, _Place] = {}
    statements = []
    body = ast.parse(path.read_text()).body
    for node in (one for outer in body for one in (outer.body if isinstance(outer, ast.If) else [outer])):
        value = getattr(node, "value", None)
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported |= _imports(node, package)
        elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "Registry":
            continue  # its entries are components of their own
        elif targets := _targets(node):
            for target in targets:
                definitions.setdefault(target, []).append(node)
        elif not (isinstance(node, ast.Expr) and isinstance(value, ast.Constant)):  # a docstring
            statements.append(node)
    return _Module(definitions, imported, statements)


def _targets(node: ast.stmt) -> list[str]:
    """The names that a statement defines."""
    if isinstance(node, _DEFINED):
        return [node.name]
    if not isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
        return []
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [inner.id for target in targets for inner in ast.walk(target) if isinstance(inner, ast.Name)]


def _imports(node: ast.AST, package: Path) -> dict[str, _Place]:
    """Names that import statements in a node bind, and where in the package they come from."""
    found = {}
    for inner in ast.walk(node):
        if isinstance(inner, ast.Import):
            named = [alias for alias in inner.names if alias.asname and _path(alias.name, package)]
            found |= {alias.asname: _Place(alias.name, "") for alias in named}
        elif isinstance(inner, ast.ImportFrom) and not inner.level and _path(inner.module, package):
            for alias in inner.names:
                submodule = f"{inner.module}.{alias.name}"
                place = _Place(submodule, "") if _path(submodule, package) else _Place(inner.module, alias.name)
                found[alias.asname or alias.name] = place
    return found


def _outline(node: Any) -> Any:
    """Syntax tree as plain lists. Empty fields are left out: Python 3.12 added some that 3.11 does not have."""
    if isinstance(node, list):
        return [_outline(item) for item in node if not isinstance(item, ast.Import | ast.ImportFrom)]
    if not isinstance(node, ast.AST):
        return repr(node)
    if isinstance(node, ast.Raise):
        return ["Raise"]  # an error leaves no result: its words may change
    fields = {name: value for name, value in ast.iter_fields(node) if value not in (None, []) or name == "value"}
    if isinstance(node, (ast.Module, *_DEFINED)) and ast.get_docstring(node) is not None:
        fields["body"] = node.body[1:]
    return [type(node).__name__, {name: _outline(value) for name, value in fields.items()}]
