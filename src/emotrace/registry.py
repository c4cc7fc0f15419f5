"""What a row, a profile or a command names: found by its name, imported when it is first asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any


class Registry(dict[str, Any]):
    """Name -> thing, or "module:attribute" where it lies.

    Adding one is an assignment, from within the package or from outside: ``ANONYMIZERS["mine"] = MyAnonymizer``.

    Args:
        kind: what the things are, for messages.
        entries: the things, or where they lie.
    """

    def __init__(self, kind: str, entries: Mapping[str, Any]):
        super().__init__(entries)
        self.kind = kind

    def find(self, name: str) -> Any:
        """The thing of that name. Raises ValueError for an unknown name, listing the known ones."""
        if name not in self:
            raise ValueError(f"unknown {self.kind} {name!r}; there are: {', '.join(self) or 'none'}")
        entry = self[name]
        if not isinstance(entry, str):
            return entry
        module, _, attribute = entry.partition(":")
        return getattr(import_module(module), attribute)
