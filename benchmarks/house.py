"""The house in numbers: lines of every folder of src, against the sizes that keep it legible; exit code 1 beyond one.

make house
"""

import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "emotrace"
COMPUTING = ("corpus", "representation", "anonymizer", "vocoder", "evaluation", "pipeline")
"""Folders that decide what numbers come out."""
MOST_COMPUTING, MOST_LINES, MOST_SHARE, MOST_ROOT_FILES = 6_000, 13_500, 0.15, 5
SHORT, LONG = 60, 400  # lines of a module that is a shred, or too much


def lines_of(path: Path) -> int:
    return len(path.read_text().splitlines())


def main() -> int:
    modules = {path: lines_of(path) for path in PACKAGE.rglob("*.py")}
    total = sum(modules.values())
    folders = sorted(path for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py")))
    sizes = {folder.name: [n for path, n in modules.items() if path.is_relative_to(folder)] for folder in folders}
    root = [path for path in modules if path.parent == PACKAGE]
    sizes["(root)"] = [modules[path] for path in root]
    print(f"{'folder':16} {'files':>5} {'lines':>6} {'share':>6}")
    for name, own in sorted(sizes.items(), key=lambda item: -sum(item[1])):
        print(f"{name:16} {len(own):5} {sum(own):6} {sum(own) / total:6.1%}")
    computing = sum(sum(sizes[name]) for name in COMPUTING)
    names = [path for path in modules if path.name != "__init__.py"]
    shreds, giants = (
        sum(1 for path in names if test(modules[path])) for test in (lambda n: n < SHORT, lambda n: n > LONG)
    )
    print(f"{len(modules)} modules; {shreds} under {SHORT} lines, {giants} over {LONG}")
    checks = {
        f"lines of src: {total:,} (under {MOST_LINES:,})": total < MOST_LINES,
        f"computing code: {computing:,} (under {MOST_COMPUTING:,})": computing < MOST_COMPUTING,
        f"largest folder: {max(map(sum, sizes.values())) / total:.1%} (at most {MOST_SHARE:.0%})": max(
            map(sum, sizes.values())
        )
        <= MOST_SHARE * total,
        f"files at the root: {len(root)} (at most {MOST_ROOT_FILES})": len(root) <= MOST_ROOT_FILES,
    }
    for text, kept in checks.items():
        print(f"{'kept' if kept else 'NOT KEPT'}: {text}")
    return 0 if all(checks.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
