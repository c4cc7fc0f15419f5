"""The explorer: the confusion matrix of any row by any recogniser, and behind each of its cells the utterances.

All labels of a study are a few letters an utterance, so a page holds them: no server, and no file that a browser would
have to fetch. explorer.js, which the page holds as well, counts them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
import pandas as pd

from emotrace.analysis.contrasts import EMOTIONS, metric_interval
from emotrace.evaluation import SEEDS
from emotrace.pipeline.results import emotion_column
from emotrace.show.figures import EMOTION_NAMES
from emotrace.show.pages import Studies
from emotrace.study.results import Results, label_of
from emotrace.study.study import StudyResults

if TYPE_CHECKING:  # a report needs no notebook
    from IPython.display import HTML

TEMPLATE, SCRIPT = "explorer.html.j2", "explorer.js"
UNLABELLED = "-"
Audio = Mapping[tuple[str, str], str]
"""Row and utterance -> address of its audio, as the page sees it."""


def explorer(studies: Studies, row: str = "", audio: Audio | None = None) -> HTML:
    """`explorer_html` as a notebook shows it."""
    from IPython.display import HTML

    return HTML(explorer_html(studies, row, audio))


def explorer_html(studies: Studies, row: str = "", audio: Audio | None = None) -> str:
    """Choose speech, row and recogniser; a click on a cell of the matrix lists its utterances, and plays some.

    Every corpus of a study that has emotions is a choice of speech. Intervals are those of the study.

    Args:
        studies: title -> results, whose first row is the recordings.
        row: the row that is shown first.
        audio: what can be played.
    """
    parts = [
        _part(results.on(corpus), title, audio or {})
        for study, results in studies.items()
        for corpus, title in _acted(study, results).items()
    ]
    data = {"emotions": {letter(e): EMOTION_NAMES[e] for e in EMOTIONS}, "parts": parts, "first": row}
    folder = Path(__file__).parent
    options = {"autoescape": True, "undefined": jinja2.StrictUndefined, "trim_blocks": True, "lstrip_blocks": True}
    template = jinja2.Environment(loader=jinja2.FileSystemLoader(folder), **options).get_template(TEMPLATE)
    # within a script a "<" could end it
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return template.render(data=text, script=(folder / SCRIPT).read_text(), emotions=data["emotions"].values())


def letter(emotion: object) -> str:
    """An emotion as one letter, `UNLABELLED` for none."""
    return UNLABELLED if pd.isna(emotion) else EMOTION_NAMES[emotion][0]


def _acted(study: str, results: Results) -> dict[str, str]:
    """Corpora with emotions -> what to call them."""
    titles = {}
    if isinstance(results, StudyResults) and results.profile is not None:
        titles = {corpus.name: corpus.title for corpus in results.profile.corpora if corpus.title}
    there = results.utterances.loc[results.utterances["emotion"].notna(), "corpus"].unique()
    shown = {name: study if title == results.source else f"{title}, {study}" for name, title in titles.items()}
    return {name: title for name, title in shown.items() if name in there} or {"emotional": study}


def _part(results: Results, title: str, audio: Audio) -> dict[str, Any]:
    """One corpus: its utterances, and of each row and recogniser the labels in their order."""
    acted = results.utterances[(results.utterances["corpus"] == "emotional") & results.utterances["emotion"].notna()]
    first = acted.drop_duplicates("utterance").sort_values(["speaker", "utterance"], ignore_index=True)
    order = list(first["utterance"])
    utterances = [
        {"id": line["utterance"], "speaker": line["speaker"], "meant": letter(line["emotion"])}
        | {"text": line["text"] if isinstance(line.get("text"), str) else ""}
        for _, line in first.iterrows()
    ]
    rows = []
    for row in results.rows:
        lines = acted[acted["row"] == row].set_index("utterance").reindex(order)
        labels = {name: found for name in results.all_recognisers if (found := _labels(lines, results, row, name))}
        played = {place: audio[row, name] for place, name in enumerate(order) if (row, name) in audio}
        rows.append({"name": row, "labels": labels, "audio": played})
    titles = {name: label_of(name) for name in results.all_recognisers if any(name in row["labels"] for row in rows)}
    return {"title": title, "recognisers": titles, "utterances": utterances, "rows": [r for r in rows if r["labels"]]}


def _labels(lines: pd.DataFrame, results: Results, row: str, recogniser: str) -> dict[str, Any] | None:
    """Labels as letters, of how many trainings they are, and recalls and UAR as [estimate, low, high].

    None where the recogniser has labelled nothing.
    """
    column = emotion_column(recogniser)
    if column not in lines or lines[column].isna().all():
        return None
    trainings = [emotion_column(recogniser, seed) for seed in SEEDS]
    trainings = [name for name in trainings if name in lines and lines[name].notna().any()]
    agree = lines[trainings].eq(lines[column], axis=0).sum(axis=1)
    rates = {name: metric_interval(results, row, name, recogniser) for name in (*EMOTIONS, "uar")}
    return {
        "letters": "".join(map(letter, lines[column])),
        "trainings": len(trainings),
        "agree": "".join(map(str, agree)),
        "rates": {
            "uar" if name == "uar" else letter(name): [None if np.isnan(value) else round(value, 1) for value in rate]
            for name, rate in rates.items()
        },
    }
