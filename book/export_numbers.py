"""The numbers that prose uses, from data/results/scale and data/paper, as book/numbers.json. Never edit that by hand.

    python book/export_numbers.py           # write it
    python book/export_numbers.py --check   # say what differs from the results at hand; exit code 1 where anything does

Pages write ``{{ scale.none_T1.uar }}``; `_ext/result_numbers.py` hands the entries to Sphinx. Of a row there are the
columns of table II and, measured, what FURTHER names, each also as NAME_interval; ``minus_original`` holds differences.
Hyphens in the names of rows become underscores. Reported numbers are as printed: ``{{ paper.none_T1.uar }}``. Further:
``gates.official_control.uar_second`` (as a multiple of the original's, or in percent), ``seeds.original.uar`` (by the
recogniser's seed) and, where they are recorded, ``attribution.soft_units``, ``model_seeds.none_T1.uar``,
``course.unified_none_T1.step300.uar``, ``course.unified_none_T1.discriminators.uar`` (what they change),
``learning_curve.official_control.kept.speakers12``, ``reproduction.different``, ``reproduction.reported.different``,
``probes.emotion.soft_units``,
``effects.original.kurtosis_up.called_ang`` and ``level.as_recorded.original.peak.uar``.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from emotrace.corpus.files import write_text_atomic
from emotrace.show.experiments import level_title, open_experiment, open_level
from emotrace.show.notebook import RECORDED, SPEECH, recorded_rows
from emotrace.study import Study
from emotrace.analysis.attribution import attribution
from emotrace.analysis.claims import CLAIMS, verdicts
from emotrace.analysis.gates import gate_table
from emotrace.experiments.variants import COURSE_METRICS, HEARD, adversarial_change, training_course
from emotrace.experiments.effects import effect_changes
from emotrace.study.layout import Layout
from emotrace.experiments.learning_curve import curve_record
from emotrace.experiments.learning_curve import gap_changes, learning_curve
from emotrace.experiments.level import HEARINGS
from emotrace.experiments.variants import model_spread
from emotrace.experiments.probing import read_probing, read_probing_provenance
from emotrace.study.profiles import Profile, get_profile
from emotrace.experiments.reproduction import read_reproductions
from emotrace.analysis.tables import COLUMNS, REPORTED, TableError, differences, metric_interval, seed_spread

NUMBERS = Path(__file__).resolve().with_name("numbers.json")
SHARES = (*COLUMNS, "recall_spread", "sad_called_ang", "neu_called_ang", "hap_called_ang")
UNITS = dict.fromkeys(SHARES, " %") | {"recall_spread": " points"}
UNITS |= {"centroid_hz": " Hz", "centroid_median": " Hz", "centroid_p99": " Hz", "loudness_median": " LUFS"}
FURTHER = (*SHARES[len(COLUMNS) :], "centroid_hz", "kurtosis", "loudness_lufs", "centroid_median", "centroid_p99")
FURTHER += ("kurtosis_median", "kurtosis_p99", "loudness_median")
N_BOOTSTRAP = 1000
SUFFIXES = {"ser": "", "ser_second": "_second"}  # of an entry, by recogniser
COMPARED = ("wer_read", "wer_emotional", "sad", "neu", "ang", "hap", "uar", "sad_called_ang")

Entries = dict[str, Any]


def export(study: Study | None = None) -> Entries:
    """All numbers: {"scale": {row: {name: text}}, "paper": {row: {name: text}}, "claims": {...}, ...}."""
    further = {} if study else experiments()
    study = study or recorded_study()
    return {
        study.profile.name: {slug(row): measured(study, row) for row in study.rows},
        "paper": reported(),
        "claims": {line.claim: line.verdict for line in verdicts(study, CLAIMS).itertuples()},
        "gates": gates(study),
        "seeds": seeds(study),
    } | further


def recorded_study() -> Study:
    """The recorded rows, loaded and not run. Raises FileNotFoundError where there are none."""
    rows = recorded_rows(RECORDED, [], layer=6, seed=0)
    if not rows:
        raise FileNotFoundError(f"no rows of profile {RECORDED} are recorded in data/results")
    return Study(RECORDED, rows, n_bootstrap=N_BOOTSTRAP)


def experiments() -> Entries:
    """What the recorded experiments beside the table found; {} for one that lacks a row."""
    found: Entries = {}
    for name, group, texts in (
        ("attribution", "attribution", shares),
        ("model_seeds", "seeds", second_seeds),
        ("effects", "effects", effects),
        ("course", "snapshots", course),
    ):
        study = open_experiment(group, N_BOOTSTRAP).studies.get(SPEECH[RECORDED])
        found[name] = texts(study) if study else {}
    hearings = open_level(N_BOOTSTRAP).studies
    heard = {slug(hearing): hearings.get(level_title(RECORDED, hearing)) for hearing in HEARINGS}
    found["level"] = {hearing: effects(study) for hearing, study in heard.items() if study}
    profile = get_profile(RECORDED)
    found["learning_curve"] = learned(profile) if curve_record(profile).read_provenance() else {}
    found["reproduction"] = reproduced(profile)
    found["probes"] = probed(read_probing(profile)) if read_probing_provenance(profile) else {}
    return found


def measured(study: Study, row: str) -> Entries:
    """One row as texts, with intervals under NAME_interval; metrics that its results do not hold are left out."""
    found: Entries = {}
    for name in (*COLUMNS, *FURTHER):
        try:
            estimate, low, high = metric_interval(study, row, name)
        except TableError:  # not measured, or results of a time before the column
            continue
        unit = UNITS.get(name, "")
        found[name] = f"{estimate:.1f}{unit}"
        found[f"{name}_interval"] = interval((estimate, low, high), unit)
    found |= dict(_second(study, row))
    return found | {"minus_original": dict(_differences(study, row)) if row != "original" else {}}


def _second(study: Study, row: str) -> Iterator[tuple[str, str]]:
    """What the second recogniser hears, with intervals, as METRIC_second."""
    for name in HEARD:
        try:
            found = metric_interval(study, row, name, recogniser="ser_second")
        except TableError:
            continue
        yield f"{name}_second", interval(found, UNITS[name])


def _differences(study: Study, row: str) -> Iterator[tuple[str, str]]:
    for name in COMPARED if "original" in study.rows else ():
        try:
            line = differences(study, [(row, "original")], name).iloc[0]
        except TableError:
            continue
        yield name, f"{line['estimate']:+.1f} points"
        yield f"{name}_interval", interval(line[["estimate", "low", "high"]], " points", "+.1f")


def reported() -> Entries:
    """The paper's table II, digits as printed."""
    table = pd.read_csv(REPORTED, index_col="row", dtype=str)
    return {slug(str(row)): {name: f"{line[name]} %" for name in COLUMNS} for row, line in table.iterrows()}


def gates(study: Study) -> Entries:
    """What each gate measured, by row and metric; of the second recogniser as METRIC_second."""
    found: Entries = {}
    for line in gate_table(study).itertuples():
        name = line.metric + SUFFIXES.get(line.recogniser, "")
        found.setdefault(slug(line.row), {})[name] = interval((line.estimate, line.low, line.high), form=".2f")
    return found


def seeds(study: Study) -> Entries:
    """UAR of each row by the seed of the recogniser, seeds 0, 1, 2."""
    found: Entries = {}
    for line in seed_spread(study).itertuples():
        name = "uar" + SUFFIXES[line.recogniser]
        found.setdefault(slug(line.row), {})[name] = f"{line.seed0:.1f}, {line.seed1:.1f} and {line.seed2:.1f} %"
    return found


def shares(lattice: Study) -> Entries:
    """What each decision costs of UAR, by its name; of the second recogniser as NAME_second."""
    found = {}
    for recogniser, suffix in SUFFIXES.items():
        for line in attribution(lattice, recogniser=recogniser).itertuples():
            found[slug(line.decision) + suffix] = interval((line.loss, line.low, line.high), " points")
    return found


def second_seeds(twice: Study) -> Entries:
    """Rows by two seeds of their acoustic model: METRIC as "seed 0 and seed 1", METRIC_difference with its interval."""
    found: Entries = {}
    for line in model_spread(twice).itertuples():
        row = found.setdefault(slug(line.row), {})
        row[line.metric] = f"{line.seed0:.1f} and {line.seed1:.1f} %"
        row[f"{line.metric}_difference"] = interval((line.estimate, line.low, line.high), " points", "+.1f")
    return found


def course(snapshots: Study) -> Entries:
    """Unified vocoders: METRIC at each step, and under "discriminators" the change by the steps with them.

    Of the second recogniser as METRIC_second.
    """
    found: Entries = {}
    for (recogniser, suffix), metrics in zip(SUFFIXES.items(), (COURSE_METRICS, HEARD), strict=True):
        at_steps = training_course(snapshots, metrics, recogniser=recogniser)
        changes = adversarial_change(snapshots, metrics, recogniser=recogniser)
        at_steps["entry"], changes["entry"] = "step" + at_steps["step"].astype(str), "discriminators"
        for line in pd.concat([at_steps, changes]).itertuples():
            unit, form = UNITS.get(line.metric, ""), ".1f"
            if line.entry == "discriminators":
                unit, form = " points" if unit == " %" else unit, "+.1f"
            entry = found.setdefault(slug(line.row), {}).setdefault(line.entry, {})
            entry[line.metric + suffix] = interval((line.estimate, line.low, line.high), unit, form)
    return found


def effects(study: Study) -> Entries:
    """Points by which each effect changes the recall of angry, the UAR and the share of others called angry.

    Of the second recogniser as OUTCOME_second.
    """
    found: Entries = {}
    for recogniser, suffix in SUFFIXES.items():
        for line in effect_changes(study, recogniser).itertuples():
            if line.outcome in ("ang", "uar", "called_ang"):
                effect = found.setdefault(slug(line.row), {}).setdefault(slug(line.effect), {})
                effect[line.outcome + suffix] = interval((line.estimate, line.low, line.high), " points", "+.1f")
    return found


def learned(profile: Profile) -> Entries:
    """The learning curve, as official_control.kept.speakers12, and gap_change; of the second recogniser NAME_second."""
    found: Entries = {}
    for line in learning_curve(profile, n_bootstrap=N_BOOTSTRAP).itertuples():
        row = found.setdefault(slug(line.row), {}).setdefault(line.metric + SUFFIXES[line.recogniser], {})
        unit, form = (" %", ".1f") if line.metric == "uar" else ("", ".2f")
        row[f"speakers{line.speakers}"] = interval((line.estimate, line.low, line.high), unit, form)
    for line in gap_changes(profile, n_bootstrap=N_BOOTSTRAP).itertuples():
        name = "gap_change" + SUFFIXES[line.recogniser]
        found[slug(line.row)][name] = interval((line.estimate, line.low, line.high), " points", "+.1f")
    return found


def reproduced(profile: Profile) -> Entries:
    """What reproductions of rows of the table found, with the results at hand; {} without any.

    Those with a note, made elsewhere or under other conditions, stand apart, by the note's first word.
    """
    found = read_reproductions(Layout(profile), profile.rows)
    if (found := found[found["verdict"] != "outdated"]).empty:
        return {}
    here, noted = found[found["note"].isna()], found[found["note"].notna()]
    elsewhere = {note: compared(lines) for note, lines in noted.groupby(noted["note"].str.split(r"\W").str[0])}
    minutes = {"minutes": f"{here['minutes'].sum():.0f}", "rows": f"{len(here)} of {len(profile.rows)}"}
    return compared(here) | minutes | elsewhere


def compared(lines: pd.DataFrame) -> Entries:
    """How many predictions of some reproductions differ from the record, and how far the numbers do."""
    counts = {name: f"{lines[name].sum():,.0f}" for name in ("predictions", "different", "transcripts")}
    return counts | {"features": f"{lines['features'].max():.2g}", "metrics": f"{lines['metrics'].max():.2g} points"}


def probed(table: pd.DataFrame) -> Entries:
    """What a probe reads from each representation: R2, or percent; of means over utterances as TARGET_mean."""
    found: Entries = {}
    for line in table.itertuples():
        name = slug(line.target.lower()) + ("_mean" if line.probe.endswith("mean") else "")
        values = (line.estimate, line.low, line.high)
        text = interval(values, form=".2f") if line.score == "R2" else interval([100 * v for v in values], " %")
        found.setdefault(name, {})[slug(line.representation)] = text
    return found


def interval(values: Iterable[float], unit: str = "", form: str = ".1f") -> str:
    """An estimate and the ends of its interval: "55.0 % [50.0, 59.7]"."""
    estimate, low, high = (format(value, form) for value in values)
    return f"{estimate}{unit} [{low}, {high}]"


def slug(name: str) -> str:
    """A name as templates can write it: "ECAPA_anon_T6"."""
    return re.sub("[-~@ ]", "_", name)


def flat(entries: Entries, before: str = "") -> dict[str, str]:
    """{"scale.none_T1.uar": "34.5 %", ...}"""
    found: dict[str, str] = {}
    for name, value in entries.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, dict) else {f"{before}{name}": value}
    return found


def disagreements(written: Entries, made: Entries) -> list[str]:
    """One line for each entry that differs, is missing, or is no longer made."""
    old, new = flat(written), flat(made)
    keys = [key for key in {**old, **new} if old.get(key) != new.get(key)]
    return [f"{key}: {old.get(key, 'absent')} in numbers.json, {new.get(key, 'absent')} in the results" for key in keys]


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
