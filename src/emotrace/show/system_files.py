"""A system's results as a file that others can read, and such files beside the recorded rows as one table.

``emotrace evaluate ... --system data/systems/NAME.json`` writes it: once for each corpus, into the same file.
data/systems/schema.json says what it holds.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotrace import __version__
from emotrace.analysis.bootstrap import Interval
from emotrace.analysis.comparison import ATTACKERS, corpus_digest
from emotrace.analysis.summary import eer_parts, interval, summary_table
from emotrace.corpus.files import write_text_atomic
from emotrace.pipeline.measures import Recognisers
from emotrace.pipeline.rows import ORIGINAL
from emotrace.show.tables import interval_text
from emotrace.study.results import Results, label_of
from emotrace.study.study import StudyResults

VERSION = 1
PROTOCOL = ("asr", "asv", "attacker", "naturalness", "ser")
"""Recognisers that must be the same for numbers to compare."""
TO_FILL_IN = ("description", "authors", "reference")
COLUMNS = {
    "EER, acted [%]": ("emotional", "EER [%]", "semi-informed"),
    "EER, read [%]": ("read", "EER [%]", "semi-informed"),
    "WER, read [%]": ("read", "WER [%]", ""),
    **{f"UAR, {label_of(name)} [%]": ("emotional", "UAR [%]", name) for name in Recognisers().ser},
    "predicted MOS, read": ("read", "predicted MOS", ""),
}
"""Heading -> corpus, metric and of whom, of the table of systems."""


def write_system(results: Results, file: Path) -> None:
    """Write what an evaluation of one system found, or put it into the file that is there.

    The file has one evaluation with emotions and one without, and is called as the system. What people fill in stays.
    Raises ValueError for several systems, and for a file that is none of these.
    """
    if len(results.rows) != 2:
        raise ValueError("--system writes the file of one system: evaluate them one by one")
    known = read_system(file) if file.exists() else {"format": VERSION, **dict.fromkeys(TO_FILL_IN, "")}
    found = evaluation(results, results.rows[1], results.identity, results.identity["recognisers"])
    kept = [each for each in known.get("evaluations", []) if each["corpus"]["name"] != found["corpus"]["name"]]
    both = sorted([*kept, found], key=lambda each: each["corpus"]["name"])
    write_text_atomic(file, json.dumps({**known, "evaluations": both}, indent=1, ensure_ascii=False) + "\n")


def read_system(file: Path) -> dict[str, Any]:
    """A file of `write_system`. Raises ValueError, with the file, for any other."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if found["format"] != VERSION:
            raise ValueError(f"its format is {found['format']}, not {VERSION}")
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file}: no file of a system: {error}") from error
    return found


def evaluation(results: Results, row: str, identity: Mapping[str, Any], recognisers: Recognisers) -> dict[str, Any]:
    """What a file says of a row on the one corpus that results have, and of the recordings themselves.

    ``identity`` has the components that measured, and the digest of the speech that recognisers learned from.
    """
    (corpus,) = results.utterances["corpus"].unique()
    lines = results.lines(results.rows[0])
    return {
        "corpus": {
            "name": corpus,
            "digest": corpus_digest(results, corpus),
            "utterances": len(lines),
            "speakers": lines["speaker"].nunique(),
        },
        "recognisers": {**{name: getattr(recognisers, name) for name in PROTOCOL}, "ser": list(recognisers.ser)},
        "learned_from": identity["ser_training"],
        "emotrace": __version__,
        "components": {name: part["code"] for name, part in identity["components"].items() if "code" in part},
        "original": list(metrics(results, results.rows[0])),
        "system": list(metrics(results, row)),
    }


def metrics(results: Results, row: str) -> Iterator[dict[str, Any]]:
    """The lines of `summary_table` of a row, after the EER of both genders in equal parts against each attacker."""
    for attacker in (*ATTACKERS, ORIGINAL.name):
        if parts := eer_parts(results, row, attacker):
            yield _metric("EER [%]", attacker, interval(results, parts))
    for line in summary_table(replace(results, rows=(row,))).itertuples():
        yield _metric(line.metric, line.of, Interval(line.estimate, line.low, line.high))


def recorded_systems(study: StudyResults, corpora: Sequence[str] = ("emotional", "read")) -> dict[str, dict[str, Any]]:
    """The recorded rows, each as its file would be: name -> content."""
    found: dict[str, dict[str, Any]] = {row: {"format": VERSION, "evaluations": []} for row in study.rows}
    for corpus in corpora:
        utterances, trials = (table[table["corpus"] == corpus] for table in (study.utterances, study.trials))
        there = set(utterances["row"])
        for work in study.works:
            if work.name in there:
                results = replace(study, rows=(ORIGINAL.name, work.name), utterances=utterances, trials=trials)
                identity = work.record.read()["identity"]
                made = evaluation(results, work.name, identity, study.profile.recognisers)
                found[work.name]["evaluations"].append(made)
    return found


def systems_table(systems: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    """One line a system, `COLUMNS` as text: estimate and interval, or nothing. Recordings know one attacker."""
    lines: list[dict[str, str]] = []
    for name, content in systems.items():
        known = {
            (each["corpus"]["name"], line["metric"], line["of"]): [
                np.nan if line[end] is None else line[end] for end in Interval._fields
            ]
            for each in content["evaluations"]
            for line in each["system"]
        }
        cells = {"system": name}
        for title, (corpus, metric, of) in COLUMNS.items():
            values = known.get((corpus, metric, of)) or known.get((corpus, metric, ORIGINAL.name), [np.nan] * 3)
            cells[title] = interval_text(*values)
        lines.append(cells)
    return pd.DataFrame(lines)


def differs(system: Mapping[str, Any], recorded: Mapping[str, Any]) -> list[str]:
    """In sentences, why numbers of a file do not compare with those of a recorded row; nothing where they do."""
    said = []
    there = {(each["corpus"]["name"], each["corpus"]["digest"]): each for each in recorded["evaluations"]}
    for each in system["evaluations"]:
        corpus = each["corpus"]
        if (ours := there.get((corpus["name"], corpus["digest"]))) is None:
            said.append(f"{corpus['name']}: no recorded row has these {corpus['utterances']} utterances")
            continue
        for name in PROTOCOL:
            if each["recognisers"][name] != ours["recognisers"][name]:
                said.append(f"{corpus['name']}: {name} is {each['recognisers'][name]}, not {ours['recognisers'][name]}")
        if (each["learned_from"] is None) != (ours["learned_from"] is None):
            said.append(
                f"{corpus['name']}: recognisers learned by folds here, from other speakers there, or the reverse"
            )
    return said


def _metric(name: str, of: str, found: Interval) -> dict[str, Any]:
    ends = {end: None if pd.isna(value) else round(float(value), 4) for end, value in found._asdict().items()}
    return {"metric": name, "of": of, **ends}
