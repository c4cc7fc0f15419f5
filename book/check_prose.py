"""Numbers in the prose of the pages: each comes from numbers.json, or was reported and says so. Alone: exit code 1.

A number is result-like when it is a percentage, a decimal, or a number of points or LUFS. Bare, it is allowed where

- it stands in a table of data/paper, or a claim computes it from table II (as C1's differences of UAR), and its
  paragraph says that it was reported (a word of LABELS), or
- allowed_numbers.csv lists it for its page (or for all, "*"): kind "reported" with the same condition, kind "constant"
  for what is no result, such as the level of an interval.

A page may state what its sentences rely on, as comments: ``% holds: scale.none_T6.uar > scale.original.uar``, that the
whole of an interval lies on one side, ``% surely: attribution.layer > 0``, or that it has both signs, ``% undecided:
attribution.embedding``.

A sentence that states a direction (a word of DIRECTION) with a measured number needs one of its numbers in such a
``% surely`` or ``% undecided``: two estimates beside each other, ``% holds``, do not bear it out.
"""

import json
import operator
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

BOOK = Path(__file__).resolve().parent
ROOT = BOOK.parent
LABELS = ("paper", "reported", "printed", "published")
RESULT = re.compile(
    r"[-+−]?(?<![\w.])(\d+(?:\.\d+)?)(?=\s?%|\s(?:percentage )?points|\sLUFS)|(?<![\w.])(\d+\.\d+)(?![\w.]*\w)"
)
KEY = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
HOLDS = re.compile(r"^% holds: *(\S+) *([<>]) *(\S+) *$", re.MULTILINE)
SURELY = re.compile(r"^% surely: *(\S+) *([<>]) *(\S+) *$", re.MULTILINE)
UNDECIDED = re.compile(r"^% undecided: *(\S+) *$", re.MULTILINE)
DIRECTION = re.compile(
    r"\b(rises?|rose|falls?|fell|more|less|fewer|higher|lower|larger|smaller|better|worse|raises?|lowers?|exceeds?)\b",
    re.I,
)
CODE = r"code|code-cell|code-block|image|literalinclude|math|mermaid|bibliography|toctree|figure|csv-table"
_NO_PROSE = (
    re.compile(r"\A---\n.*?\n---\n", re.DOTALL),
    re.compile(rf"^(`{{3,}}|:{{3,}})(?:\{{(?:{CODE})\}}|[\w-]+).*?^\1 *$", re.DOTALL | re.MULTILINE),
    re.compile(r"<!--.*?-->", re.DOTALL),
    re.compile(r"^%.*$", re.MULTILINE),
    re.compile(r"^:(?!alt)[\w-]+:.*$", re.MULTILINE),
    re.compile(r"^(?:`{3,}|:{3,})(?:\{[\w-]+\})?", re.MULTILINE),  # fences of what holds prose, such as admonitions
    re.compile(r"(?:\{[\w:-]+\})?(`+)[^`]+?\1", re.DOTALL),
    re.compile(r"\{\{.*?\}\}", re.DOTALL),
    re.compile(r"\]\([^)]*\)|<https?://[^>]*>|https?://\S+"),
    re.compile(r"(?:CC BY[A-Z-]*|Apache|MPL|Python)[ -]\d\.\d+(?: (?:or|and) \d\.\d+)?"),  # licences and versions
)


def pages() -> list[Path]:
    """The text of every page: book/ and the notebooks' paired text."""
    own = [
        path for path in sorted(BOOK.rglob("*.md")) if not {"_build", "notebooks"} & set(path.relative_to(BOOK).parts)
    ]
    return [*own, *sorted((ROOT / "notebooks").glob("*.md"))]


def paragraphs(text: str) -> Iterator[str]:
    """The prose of a page without code, roles, links' targets, comments and what comes from numbers.json."""
    for pattern in _NO_PROSE:
        text = pattern.sub(" ", text)
    return (" ".join(part.split()) for part in re.split(r"\n\s*\n|\n(?=[-*|:#]|\d+\. )", text) if part.strip())


def bare_numbers(page: str, text: str, allowed: pd.DataFrame, printed: set[str]) -> list[str]:
    """Problems: each result-like number of a page that is neither allowed nor labelled as reported, with its place."""
    own = allowed[allowed["page"].isin([page, "*"])]
    constants = set(own.loc[own["kind"] == "constant", "number"])
    reported = printed | set(own.loc[own["kind"] == "reported", "number"])
    problems = []
    for paragraph in paragraphs(text):
        labelled = any(word in paragraph.lower() for word in LABELS)
        for match in RESULT.finditer(paragraph):
            number = match[1] or match[2]
            if number in constants or (number in reported and labelled):
                continue
            why = "reported, but its paragraph does not say so" if number in reported else "not from numbers.json"
            problems.append(
                f"{page}: {number} is {why}: ...{paragraph[max(0, match.start() - 40) : match.end() + 20]}..."
            )
    return problems


def unknown_keys(page: str, text: str, entries: dict[str, Any]) -> list[str]:
    """Problems: what a page substitutes or says to be sure or undecided and numbers.json does not have."""
    used = [key.removesuffix("_interval") for key in KEY.findall(text)]
    used += [first for first, *_ in SURELY.findall(text)] + UNDECIDED.findall(text)
    used += [name for first, _, second in HOLDS.findall(text) for name in (first, second) if not _is_number(name)]
    return [f"{page}: no entry {key} in numbers.json" for key in used if key not in entries]


def unborne_directions(page: str, text: str) -> list[str]:
    """Problems: sentences that state a direction of measured numbers and no interval on the page bears out."""
    borne = {first for first, *_ in SURELY.findall(text)} | set(UNDECIDED.findall(text))
    for pattern in _NO_PROSE[:4]:
        text = pattern.sub("\n\n", text)
    problems = []
    for paragraph in re.split(r"\n\s*\n|\n(?=[-*|:#]|\d+\. )", text):
        for sentence in re.split(r"(?<=[.!?])\s+|(?<=\*\*)\s+", " ".join(paragraph.split())):
            used = {key.removesuffix("_interval") for key in KEY.findall(sentence) if not key.startswith("paper.")}
            if used and not used & borne and (word := DIRECTION.search(KEY.sub("", sentence))) is not None:
                problems.append(f"{page}: '{word[0]}' without % surely or % undecided: ...{sentence[:100]}...")
    return problems


def broken_statements(page: str, text: str, entries: dict[str, Any]) -> list[str]:
    """Problems: comparisons and signs that a page relies on and that the numbers do not bear out."""
    compare = {"<": operator.lt, ">": operator.gt}
    compared = [
        f"{page}: no longer holds: {first} {sign} {second} ({_said(first, entries)}, {_said(second, entries)})"
        for first, sign, second in HOLDS.findall(text)
        if all(name in entries or _is_number(name) for name in (first, second))
        and not compare[sign](_value(first, entries), _value(second, entries))
    ]
    unsure = [
        f"{page}: no longer sure: {name} {sign} {bound} ({_said(name, entries)})"
        for name, sign, bound in SURELY.findall(text)
        if name in entries and not all(compare[sign](end, float(bound)) for end in _ends(name, entries))
    ]
    decided = [
        f"{page}: no longer undecided: {name} ({_said(name, entries)})"
        for name in UNDECIDED.findall(text)
        if name in entries and not _has_both_signs(*_ends(name, entries))
    ]
    return compared + unsure + decided


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d+)?", text) is not None


def _has_both_signs(low: float, high: float) -> bool:
    return low < 0 < high


def _ends(name: str, entries: dict[str, Any]) -> tuple[float, float]:
    """The ends of an entry's interval. Raises ValueError where it has none."""
    if not isinstance(entries[name], dict) or "low" not in entries[name]:
        raise ValueError(f"'{name}' has no interval, so it cannot be called sure or undecided")
    return entries[name]["low"], entries[name]["high"]


def _value(name: str, entries: dict[str, Any]) -> float:
    """The number of an entry, or a number itself. Raises ValueError for anything else."""
    value = entries.get(name, name)
    return value["estimate"] if isinstance(value, dict) else float(value.split()[0])


def _said(name: str, entries: dict[str, Any]) -> str:
    from export_numbers import text_of

    value = entries.get(name, name)
    return text_of(value) if isinstance(value, dict) else value


def printed_numbers() -> set[str]:
    """Every number of data/paper as it is written there, and what the claims compute from table II."""
    from emotrace.analysis.claims import CLAIMS, reported

    tables = [pd.read_csv(path, dtype=str, keep_default_na=False) for path in (ROOT / "data" / "paper").glob("*.csv")]
    cells = {str(cell) for table in tables for cell in table.to_numpy().ravel()}
    computed = {f"{abs(reported(test)):.2f}" for claim in CLAIMS for test in claim.tests}
    return {cell for cell in cells if re.fullmatch(r"\d+(\.\d+)?", cell)} | (computed - {"nan"})


def check_prose() -> list[str]:
    """All problems of all pages; empty when prose and results agree."""
    from export_numbers import NUMBERS, flat

    entries = flat(json.loads(NUMBERS.read_text()))
    allowed, printed = pd.read_csv(BOOK / "allowed_numbers.csv", dtype=str), printed_numbers()
    problems = []
    for path in pages():
        page, text = path.relative_to(ROOT).as_posix(), path.read_text()
        problems += bare_numbers(page, text, allowed, printed)
        problems += unknown_keys(page, text, entries) + broken_statements(page, text, entries)
        problems += unborne_directions(page, text)
    return problems


if __name__ == "__main__":
    found = check_prose()
    print("\n".join(found) or "every number in the prose is traced")
    sys.exit(bool(found))
