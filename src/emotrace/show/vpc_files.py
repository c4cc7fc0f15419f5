"""VoicePrivacy 2024's result files: results<suffix>.csv of every task and result_for_rank<suffix>, written and read.

Layout as its evaluation writes it (github.com/Voice-Privacy-Challenge/Voice-Privacy-Challenge-2024: run_evaluation.py,
evaluation/*/*/evaluate_*.py, README "get the final results for ranking") and as it stands in its published
results/result_for_rank_*; looked up on 2026-11-22 in a stored copy of that repository.
"""

import re
from datetime import datetime
from pathlib import Path

import pandas as pd

from emotrace.corpus.files import write_text_atomic
from emotrace.corpus.importers.vpc import refuse_vpc_suffix
from emotrace.show.vpc_results import ACCURACIES, LAYOUTS, VpcResults, VpcResultsError, vpc_table

FOLDERS = {"asv": "asv_orig", "asr": "asr", "ser": "ser", "ser_folds": "ser"}
HEADINGS = {"ser": "SER", "asv": "ASV_eval", "asr": "ASR", "asv_anon": "ASV_eval^anon"}


def write_vpc_results(
    results: VpcResults, folder: str | Path, suffix: str, *, when: datetime | None = None
) -> dict[str, Path]:
    """Write `folder`/asv_orig, asr and ser/results<suffix>.csv, ser/results_folds<suffix>.csv and
    results_summary/result_for_rank<suffix>, each atomically; a task that was not measured has no file.

    `when` stands in the rank file; now by default. Returns the files by table name, and "rank".
    Raises VpcResultsError when nothing was measured, CorpusError for a suffix that VoicePrivacy mistakes.
    """
    folder = Path(folder)
    files: dict[str, Path] = {}
    for table in _tables(results).values():
        for dataset, split in zip(table["dataset"], table["split"], strict=True):
            refuse_vpc_suffix(Path(f"{dataset}_{split}"), suffix)
    for name, table in _tables(results).items():
        files[name] = _file(folder, name, suffix)
        write_text_atomic(files[name], _two_levels(table).to_csv() if name == "ser" else table.to_csv())
    if not files:
        raise VpcResultsError(f"{folder}: nothing was measured, so there is nothing to write")
    files["rank"] = folder / "results_summary" / f"result_for_rank{suffix}"
    write_text_atomic(files["rank"], rank_text(results, when or datetime.now()))
    return files


def read_vpc_results(folder: str | Path, suffix: str) -> VpcResults:
    """Read what `write_vpc_results` or VoicePrivacy's evaluation wrote below `folder`; a file not there is empty.

    Raises VpcResultsError when none of the files is there or one has other columns.
    """
    folder = Path(folder)
    names = ("asv", "asr", "ser_folds")
    files = {name: file for name in names if (file := _file(folder, name, suffix)).is_file()}
    if not files:
        raise VpcResultsError(
            f"{folder}: no asv_orig, asr or ser/results{suffix}.csv: give the folder that holds these"
        )
    return VpcResults(*(_read_csv(name, files[name]) if name in files else vpc_table(name) for name in names))


def rank_text(results: VpcResults, when: datetime) -> str:
    """The text of result_for_rank: SER, the originals' EER, WER without IEMOCAP's, as VoicePrivacy selects them.

    Its last section, ASV_eval^anon, is of the semi-informed attacker: a recogniser trained on anonymised speech, which
    we do not have. It is left out rather than filled with another attacker's numbers.
    """
    tables = _tables(results)
    shown = {}
    if "ser" in tables:
        shown["ser"] = _two_levels(tables["ser"])
    if "asv" in tables:
        asv = tables["asv"]
        shown["asv"] = asv[(asv["enrollment"] == "original") & (asv["trial"] == "original")]
    if "asr" in tables:
        shown["asr"] = tables["asr"][tables["asr"]["dataset"] != "IEMOCAP"]
    parts = [f"---- Time: {when:%d-%m-%y_%H:%M} ----\n"]
    for name, table in shown.items():
        if len(table):
            ordered = table.sort_values(["dataset", "split"], kind="stable")
            parts.append(f"---- {HEADINGS[name]} results ----\n{ordered.to_string()}\n")
    return "\n".join(parts)


def read_rank(text: str) -> dict[str, pd.DataFrame]:
    """The tables of a result_for_rank text by name: ser, asv, asr and, in VoicePrivacy's own, asv_anon.

    Raises VpcResultsError when it has no such section or a section has other columns.
    """
    names = {heading: name for name, heading in HEADINGS.items()}
    sections = re.findall(r"^---- (\S+) results ----\n((?:.+\n?)+)", text, re.MULTILINE)
    found = {names[heading]: _parsed(names[heading], body) for heading, body in sections if heading in names}
    if not found:
        raise VpcResultsError("no section like '---- SER results ----': give a file named result_for_rank...")
    return found


def _tables(results: VpcResults) -> dict[str, pd.DataFrame]:
    """The tables that have lines, by name."""
    names = [name for name in LAYOUTS if len(getattr(results, "ser_folds" if name == "ser" else name))]
    return {name: getattr(results, name) for name in names}


def _two_levels(ser: pd.DataFrame) -> pd.DataFrame:
    """The means with VoicePrivacy's second header line: "mean" below every measure."""
    levels = [(name, "mean" if name == "UAR" or name in ACCURACIES else "") for name in ser.columns]
    return ser.set_axis(pd.MultiIndex.from_tuples(levels), axis=1)


def _file(folder: Path, name: str, suffix: str) -> Path:
    return folder / FOLDERS[name] / f"results{'_folds' if name == 'ser_folds' else ''}{suffix}.csv"


def _read_csv(name: str, file: Path) -> pd.DataFrame:
    table = pd.read_csv(file, index_col=0, dtype={"fold": str})
    if missing := [column for column in LAYOUTS[name] if column not in table]:
        raise VpcResultsError(f"{file}: has no column {missing[0]}: expected {', '.join(LAYOUTS[name])}")
    return table[list(LAYOUTS[name])].reset_index(drop=True)


def _parsed(name: str, body: str) -> pd.DataFrame:
    """A table as pandas prints it: a header, for SER a second one, and lines that begin with their number."""
    header, *lines = (line.split() for line in body.splitlines())
    cells = [line[1:] for line in lines if line[0].isdigit()]
    wanted = LAYOUTS["asv" if name == "asv_anon" else name]
    if not set(wanted) <= set(header) or any(len(line) != len(header) for line in cells):
        raise VpcResultsError(
            f"section {HEADINGS[name]}: expected columns {', '.join(wanted)}, found {' '.join(header)}"
        )
    table = pd.DataFrame(cells, columns=header)[list(wanted)]
    return table.astype({column: float for column in wanted if column[:3] in ("EER", "WER", "UAR", "ACC")})
