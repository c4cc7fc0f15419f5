"""The numbers that prose uses, from data/results/scale and data/paper, as book/numbers.json. Never edit that by hand.

    python book/export_numbers.py           # write it
    python book/export_numbers.py --check   # say what differs from the results at hand; exit code 1 where anything does

An entry is {estimate, low, high, unit, form, n, seed}: the draws and the seed are those of the interval. Only `texts`
turns entries into words, for the pages, which write ``{{ scale.none_T1.uar }}`` for the estimate and
``{{ scale.none_T1.uar_interval }}`` for it with its interval; `_ext/result_numbers.py` hands the texts to Sphinx. Of a
row there are the columns of table II and, measured, what FURTHER names; ``minus_original`` holds differences. Hyphens
in the names of rows become underscores. Reported numbers are as printed: ``{{ paper.none_T1.uar }}``. Further:
``gates.official_control.uar_second`` (as a multiple of the original's, or in percent), ``seeds.original.uar`` (by the
recogniser's seed) and, where they are recorded, ``attribution.HuBERT_mini.RAVDESS.functionals.soft_units``,
``unfamiliar.RAVDESS.none_T1.functionals.unfamiliar`` (points of the loss that a matched recogniser does not have),
``model_seeds.none_T1.uar_seed1``, ``course.unified_none_T1.step300.uar``,
``claims.C1``,
``cells.C1.HuBERT_mini.two_stage.RAVDESS.ge2e``, ``tests.C1.HuBERT_mini.two_stage.RAVDESS.ge2e.own_speaker``,
``follows.none_T1.sd_ratio_kurtosis``, ``learning_curve.official_control.kept.speakers12``,
``reproduction.different``, ``probes.emotion.soft_units``,
``effects.original.kurtosis_up.other_called_ang`` and ``level.as_recorded.original.peak.uar``.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd

from emotrace.analysis.bootstrap import Interval
from emotrace.analysis.claims import CELL, CLAIMS, N_BOOTSTRAP, cell_verdicts, overall
from emotrace.analysis.contrasts import COLUMNS, Contrast, TableError, metric_interval
from emotrace.analysis.gates import gate_table
from emotrace.analysis.seeds import Seeds, recorded_seeds
from emotrace.analysis.tables import seed_spread
from emotrace.corpus.files import write_text_atomic
from emotrace.experiments.effects import effect_changes, manipulation_table
from emotrace.experiments.learning_curve import curve_record, gap_changes, learning_curve
from emotrace.experiments.level import RECOGNISERS as LEVELS
from emotrace.experiments.level import level_profile
from emotrace.experiments.numbers import numbers_record, read_tests
from emotrace.experiments.probing import probing_record, read_probing
from emotrace.experiments.reproduction import read_reproductions
from emotrace.experiments.variants import METRICS, OF_EMOTION, model_spread, training_course
from emotrace.paths import REPORTED
from emotrace.pipeline.rows import EVERY_ENCODER, Row
from emotrace.study import Study
from emotrace.study.groups import UNIFIED as UNIFIED_ROWS
from emotrace.study.profiles import Profile, get_profile
from emotrace.study.results import Results
from emotrace.study.run import read_provenance

NUMBERS = Path(__file__).resolve().with_name("numbers.json")
RECORDED = "scale"
SHARES = (*COLUMNS, "recall_spread", "sad_called_ang", "neu_called_ang", "hap_called_ang")
UNITS = dict.fromkeys(SHARES, " %") | {"recall_spread": " points"}
UNITS |= {"centroid_hz": " Hz", "centroid_median": " Hz", "centroid_p99": " Hz", "loudness_median": " LUFS"}
FURTHER = (*SHARES[len(COLUMNS) :], "centroid_hz", "kurtosis", "loudness_lufs", "centroid_median", "centroid_p99")
FURTHER += ("kurtosis_median", "kurtosis_p99", "loudness_median")
SEED, DIGITS = 0, 6
SUFFIXES = {"functionals": "", "ge2e": "_second", "whisper": "_third"}  # of an entry, by recogniser
COMPARED = ("wer_read", "wer_emotional", "sad", "neu", "ang", "hap", "uar", "sad_called_ang", "neu_called_ang")
COMPARED += ("ang_called_neu", "ang_called_sad")
FOLLOWED = ("centroid_hz", "kurtosis", "f0_mean_hz", "f0_range_st")
SHOWN_EFFECTS = ("ang", "uar", "other_called_ang")

Entries = dict[str, Any]


def export(results: Results | None = None) -> Entries:
    """All numbers: {"scale": {row: {name: entry}}, "paper": {row: {name: text}}, "claims": {...}, ...}."""
    further = {} if results else experiments()
    by_seeds = Seeds() if results else recorded_seeds(get_profile(RECORDED))
    results = results or recorded_study()
    return {
        results.source: {slug(row): measured(results, row, by_seeds) for row in results.rows},
        "paper": reported(),
        "gates": gates(results),
        "seeds": seeds(results),
    } | further


def recorded_study() -> Results:
    """The recorded rows, loaded and not run. Raises FileNotFoundError where there are none."""
    profile = get_profile(RECORDED)
    rows = [row.name for row in profile.rows if read_provenance(profile, row) is not None]
    if not rows:
        raise FileNotFoundError(f"no rows of profile {RECORDED} are recorded in data/results")
    return Study(profile, rows, n_bootstrap=N_BOOTSTRAP)


def both_routes(profile: Profile) -> Results:
    """The recorded rows of the claims, by two stages and unified, with the draws that verdicts take."""
    rows = dict.fromkeys([*profile.rows, *profile.groups["unified"]])
    names = [row.name for row in rows if read_provenance(profile, row) is not None]
    return Study(profile, names, n_bootstrap=N_BOOTSTRAP)


def judged(profile: Profile) -> Entries:
    """Of each claim the verdict, those by cell, and its tests, from the recorded tests.

    ``claims.C1``, ``cells.C1.HuBERT_mini.two_stage.RAVDESS.ge2e``, ``tests.C1.HuBERT_mini.two_stage.RAVDESS.ge2e.
    own_speaker``; "all" where no recogniser has a part.
    """
    lines = read_tests(profile)
    cells = cell_verdicts(lines, CLAIMS)
    entries: Entries = {"claims": {}, "cells": {}, "tests": {}}
    for claim in CLAIMS:
        entries["claims"][claim.name] = overall(cells.loc[cells["claim"] == claim.name, "verdict"])
    for line in cells.itertuples():
        branch(entries["cells"], *cell_of(line)[:-1])[cell_of(line)[-1]] = line.verdict
    for line in lines.dropna(subset="estimate").itertuples():
        values = (line.estimate, line.low, line.high)
        found = entry(values, "", "+.1f", over=line.over)
        branch(entries["tests"], *cell_of(line))[re.sub(r"\W+", "_", line.test)] = found
    return entries


def cell_of(line: Any) -> list[str]:
    """The names of a cell of the claims, as a path through the tree."""
    return [slug(getattr(line, name) or "all") for name in CELL]


def branch(entries: Entries, *path: str) -> Entries:
    """The branch of a tree at a path, made where it is not there."""
    for name in path:
        entries = entries.setdefault(name, {})
    return entries


def follows(results: Results, row: str) -> Entries:
    """How a row follows its recordings within speakers: ``sd_ratio_centroid_hz``, ``correlation_f0_range_st``, ..."""
    names = (f"{what}_{feature}" for feature in FOLLOWED for what in ("sd_ratio", "correlation"))
    return {name: entry(metric_interval(results, row, name), form=".2f") for name in names}


def experiments() -> Entries:
    """What the recorded experiments beside the table found; {} for one without a row."""
    profile = get_profile(RECORDED)
    groups = {"model_seeds": ("seeds", further_seeds), "effects": ("effects", effects), "course": ("snapshots", course)}
    entries = {name: of_rows(profile, profile.groups[group], make) for name, (group, make) in groups.items()}
    entries |= {"attribution": shares(profile), "unfamiliar": unfamiliar(profile)}
    levels = {level: level_profile(profile, level) for level in LEVELS}
    entries["level"] = {slug(level): made for level, own in levels.items() if (made := of_rows(own, own.rows, effects))}
    entries["learning_curve"] = learned(profile) if curve_record(profile).read() else {}
    entries["reproduction"] = reproduced(profile)
    both = both_routes(profile)
    entries |= judged(profile) | {"follows": {slug(row): follows(both, row) for row in both.rows[1:]}}
    entries["probes"] = probed(read_probing(profile)) if probing_record(profile).read() else {}
    return entries


def of_rows(profile: Profile, rows: Iterable[Row], make: Callable[[Results], Entries]) -> Entries:
    """``make`` of those rows that are recorded; {} where no further row is, beside the table's and the unified ones."""
    names = [row.name for row in rows if read_provenance(profile, row) is not None]
    if set(names) <= {row.name for row in (*EVERY_ENCODER, *UNIFIED_ROWS)}:
        return {}
    return make(Study(profile, names, n_bootstrap=N_BOOTSTRAP))


def entry(
    values: Iterable[float], unit: str = "", form: str = ".1f", *, n: int = N_BOOTSTRAP, over: str = ""
) -> Entries:
    """An estimate with the ends of its interval, how it is written, and what the interval holds beside speakers."""
    numbers = dict(zip(Interval._fields, (round(float(value), DIGITS) for value in values), strict=True))
    return numbers | {"unit": unit.strip(), "form": form, "n": n, "seed": SEED} | ({"over": over} if over else {})


def measured(results: Results, row: str, by_seeds: Seeds) -> Entries:
    """One row; metrics that its results do not hold are left out."""
    entries = dict(_metrics(results, row, (*COLUMNS, *FURTHER), "functionals"))
    for further in results.recognisers[1:]:
        entries |= dict(_metrics(results, row, OF_EMOTION, further))
    return entries | {"minus_original": dict(_differences(results, row, by_seeds)) if row != "original" else {}}


def _metrics(results: Results, row: str, names: Iterable[str], recogniser: str) -> Iterator[tuple[str, Entries]]:
    for name in names:
        try:
            yield (
                name + SUFFIXES[recogniser],
                entry(metric_interval(results, row, name, recogniser), UNITS.get(name, "")),
            )
        except TableError:  # not measured, or results of a time before the column
            continue


def _differences(results: Results, row: str, by_seeds: Seeds) -> Iterator[tuple[str, Entries]]:
    """The row minus the originals, with seeds; of further recognisers as METRIC_second, METRIC_third."""
    for name, recogniser in product(COMPARED if "original" in results.rows else (), results.recognisers):
        change = Contrast.of(name, {row: 1, "original": -1})
        if not change.of_emotion and recogniser != results.recognisers[0]:
            continue
        try:
            further = by_seeds.variances(change, results, recogniser)
            interval = change.interval(results, recogniser, further=further.values())
        except TableError:
            continue
        drawn = {part.by for part in change.parts(results, recogniser)}
        over = ", ".join(["utterances" if "utterance" in drawn else "speakers", *(f"seeds of {of}" for of in further)])
        yield name + SUFFIXES[recogniser], entry(interval, "points", "+.1f", over=over)


def reported() -> Entries:
    """The paper's table II, digits as printed."""
    table = pd.read_csv(REPORTED, index_col="row", dtype=str)
    return {slug(str(row)): {name: f"{line[name]} %" for name in COLUMNS} for row, line in table.iterrows()}


def gates(results: Results) -> Entries:
    """What each gate measured, by row and metric; of the second and third recogniser as METRIC_second, METRIC_third."""
    entries: Entries = {}
    for line in gate_table(results).itertuples():
        name = line.metric + SUFFIXES.get(line.recogniser, "")
        entries.setdefault(slug(line.row), {})[name] = entry((line.estimate, line.low, line.high), form=".2f")
    return entries


def seeds(results: Results) -> Entries:
    """UAR of each row by the seed of the recogniser, seeds 0, 1, 2."""
    entries: Entries = {}
    for line in seed_spread(results).itertuples():
        values = [round(value, DIGITS) for value in (line.seed0, line.seed1, line.seed2)]
        entries.setdefault(slug(line.row), {})["uar" + SUFFIXES[line.recogniser]] = {"values": values, "unit": "%"}
    return entries


def shares(profile: Profile) -> Entries:
    """What each decision costs of UAR: ``HuBERT_mini.RAVDESS.functionals.soft_units``, from the recorded table."""
    entries: Entries = {}
    for line in pd.read_csv(numbers_record(profile).tables[2]).itertuples():
        own = branch(entries, slug(line.encoder), slug(line.corpus), line.recogniser)
        values = (line.estimate, line.low, line.high)
        own[slug(line.decision)] = entry(values, "points", over=line.over)
    return entries


def unfamiliar(profile: Profile) -> Entries:
    """What a row loses of UAR, and how much less by a matched recogniser: ``RAVDESS.none_T1.functionals.lost``."""
    entries: Entries = {}
    for line in pd.read_csv(numbers_record(profile).tables[4]).itertuples():
        own = branch(entries, slug(line.corpus), slug(line.row), line.recogniser)
        own["lost"] = entry((line.lost, line.lost_low, line.lost_high), "points")
        own["unfamiliar"] = entry((line.unfamiliar, line.low, line.high), "points")
    return entries


def further_seeds(made: Results) -> Entries:
    """Rows by further seeds of their acoustic model: METRIC_SEED beside METRIC, METRIC_SEED_difference."""
    entries: Entries = {}
    for line in model_spread(made).itertuples():
        row, name = entries.setdefault(slug(line.row), {}), f"{line.metric}_{line.seed}"
        row[name] = {"values": [round(line.seed0, DIGITS), round(line.other, DIGITS)], "unit": "%"}
        row[f"{name}_difference"] = entry((line.estimate, line.low, line.high), "points", "+.1f")
    return entries


def course(snapshots: Results) -> Entries:
    """Followed rows: METRIC at each step of their training; of further recognisers as METRIC_second, METRIC_third."""
    entries: Entries = {}
    for recogniser in snapshots.recognisers:
        suffix, metrics = SUFFIXES[recogniser], OF_EMOTION if SUFFIXES[recogniser] else METRICS
        for line in training_course(snapshots, metrics, recogniser).itertuples():
            found = entry((line.estimate, line.low, line.high), UNITS.get(line.metric, ""))
            branch(entries, slug(line.row), f"step{line.step}")[line.metric + suffix] = found
    return entries


def effects(results: Results) -> Entries:
    """Points by which each effect changes the recall of angry, the UAR and the share of others called angry.

    Of further recognisers as OUTCOME_second, OUTCOME_third.
    """
    entries: Entries = {}
    for recogniser, suffix in zip(results.recognisers, SUFFIXES.values(), strict=False):
        for line in effect_changes(results, recogniser).itertuples():
            if line.outcome in SHOWN_EFFECTS:
                effect = entries.setdefault(slug(line.row), {}).setdefault(slug(line.effect), {})
                effect[line.outcome + suffix] = entry((line.estimate, line.low, line.high), "points", "+.1f")
    for line in manipulation_table(results).itertuples():
        entries[slug(line.row)][slug(line.effect)][f"changed_{slug(line.quantity)}"] = f"{line.median:.2f}"
    return entries


def learned(profile: Profile) -> Entries:
    """The learning curve, as official_control.kept.speakers12, and gap_change; by recogniser as in SUFFIXES."""
    entries: Entries = {}
    for line in learning_curve(profile, n_bootstrap=N_BOOTSTRAP).itertuples():
        row = entries.setdefault(slug(line.row), {}).setdefault(line.metric + SUFFIXES[line.recogniser], {})
        unit, form = ("%", ".1f") if line.metric == "uar" else ("", ".2f")
        row[f"speakers{line.speakers}"] = entry((line.estimate, line.low, line.high), unit, form)
    for line in gap_changes(profile, n_bootstrap=N_BOOTSTRAP).itertuples():
        name = "gap_change" + SUFFIXES[line.recogniser]
        entries[slug(line.row)][name] = entry((line.estimate, line.low, line.high), "points", "+.1f")
    return entries


def reproduced(profile: Profile) -> Entries:
    """What reproductions of rows of the table found, with the results at hand; {} without any."""
    lines = read_reproductions(profile, profile.rows)
    if (lines := lines[lines["verdict"] != "outdated"]).empty:
        return {}
    counts = {name: f"{lines[name].sum():,.0f}" for name in ("predictions", "different", "transcripts")}
    return counts | {
        "rows": f"{lines['row'].nunique()}",
        "labels": f"{lines['different'].sum() - lines['transcripts'].sum():,.0f}",
        "features": f"{lines['features'].max():.1%}",
    }


def probed(table: pd.DataFrame) -> Entries:
    """What a probe reads from each representation: R2, or percent; of means over utterances as TARGET_mean."""
    entries: Entries = {}
    for line in table.itertuples():
        name = slug(line.target.lower()) + ("_mean" if line.probe.endswith("mean") else "")
        values = (line.estimate, line.low, line.high)
        found = entry(values, form=".2f") if line.score == "R2" else entry([100 * v for v in values], "%")
        entries.setdefault(name, {})[slug(line.representation)] = found
    return entries


def slug(name: str) -> str:
    """A name as templates can write it: "ECAPA_anon_T6"."""
    return re.sub("[-~@ ]", "_", name)


def is_entry(value: Any) -> bool:
    """Whether a value is a number with its interval, or several, and not a branch of the tree."""
    return isinstance(value, dict) and ("estimate" in value or "values" in value)


def flat(entries: Entries, before: str = "") -> dict[str, Any]:
    """{"scale.none_T1.uar": entry, ...}"""
    leaves: dict[str, Any] = {}
    for name, value in entries.items():
        branch = isinstance(value, dict) and not is_entry(value)
        leaves |= flat(value, f"{before}{name}.") if branch else {f"{before}{name}": value}
    return leaves


def texts(entries: Entries) -> Entries:
    """The tree with words for numbers: NAME "55.0 %", NAME_interval "55.0 % [50.0, 59.7]"; where text becomes text."""
    shown: Entries = {}
    for name, value in entries.items():
        if not isinstance(value, dict):
            shown[name] = value
        elif not is_entry(value):
            shown[name] = texts(value)
        elif "values" in value:
            *first, last = (f"{number:.1f}" for number in value["values"])
            shown[name] = f"{', '.join(first)} and {last} {value['unit']}"
        else:
            shown |= {name: text_of(value, bounds=False), f"{name}_interval": text_of(value)}
    return shown


def text_of(value: Entries, *, bounds: bool = True) -> str:
    """An entry in words: "55.0 % [50.0, 59.7]"."""
    estimate, low, high = (format(value[name], value["form"]) for name in Interval._fields)
    unit = f" {value['unit']}" if value["unit"] else ""
    return f"{estimate}{unit}" + (f" [{low}, {high}]" if bounds else "")


def disagreements(written: Entries, made: Entries) -> list[str]:
    """One line for each entry that differs, is missing, or is no longer made."""
    old, new = flat(written), flat(made)
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return [f"{key}: {_said(old.get(key))} in numbers.json, {_said(new.get(key))} in the results" for key in keys]


def _said(value: Any) -> str:
    if value is None:
        return "absent"
    return text_of(value) if isinstance(value, dict) and "estimate" in value else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(description="Export the numbers that the book's prose uses.")
    parser.add_argument("--check", action="store_true", help="write nothing; say what is out of date")
    made = export()
    if not parser.parse_args().check:
        write_text_atomic(NUMBERS, json.dumps(made, indent=1, ensure_ascii=False) + "\n")
        print(f"{NUMBERS}: {len(flat(made))} entries")
        return 0
    problems = disagreements(json.loads(NUMBERS.read_text()), made)
    print("\n".join(problems) or "numbers.json agrees with the results", file=sys.stderr if problems else sys.stdout)
    return bool(problems)


if __name__ == "__main__":
    raise SystemExit(main())
