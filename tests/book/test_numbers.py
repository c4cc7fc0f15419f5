"""Numbers in the prose of the book: they are those of the results, and a changed result does not go unseen."""

import importlib.util
import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import jinja2
import pandas as pd
import pytest

from emotrace.study import Study
from emotrace.study.profiles import get_profile

ROOT = Path(__file__).parents[2]
ROWS = ["original", "none-T1"]
ALLOWED = pd.DataFrame({"page": ["*", "a.md"], "number": ["95", "49"], "kind": ["constant", "reported"]})


def _script(name: str, folder: str = "book"):
    spec = importlib.util.spec_from_file_location(name, ROOT / folder / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def numbers():
    return _script("export_numbers")


@pytest.fixture(scope="module")
def prose(numbers):
    return _script("check_prose")


@pytest.fixture
def results(tmp_path) -> Path:
    """A copy of two recorded rows."""
    recorded = get_profile("scale").results
    if not all((recorded / row / "utterances.parquet").is_file() for row in ROWS):
        pytest.skip(f"no recorded results of {', '.join(ROWS)} in {recorded}")
    for row in ROWS:
        shutil.copytree(recorded / row, tmp_path / "scale" / row)
    return tmp_path / "scale"


def _study(results: Path) -> Study:
    return Study(replace(get_profile("scale"), results=results), ROWS, n_bootstrap=50)


def test_the_exported_numbers_are_those_of_the_recorded_results(numbers):
    assert numbers.disagreements(json.loads(numbers.NUMBERS.read_text()), numbers.export()) == []


def test_every_number_in_the_prose_is_traced(prose):
    assert prose.check_prose() == []


def test_a_result_file_that_changes_by_one_percent_is_named_number_by_number(numbers, prose, results):
    written = numbers.export(_study(results))
    path = results / "none-T1" / "utterances.parquet"
    changed = pd.read_parquet(path)
    changed["centroid_hz"] *= 1.01
    changed.to_parquet(path)
    made = numbers.export(_study(results))
    found = numbers.disagreements(written, made)
    assert [problem.partition(":")[0] for problem in found] == ["scale.none_T1.centroid_hz"]
    before, after = (each["scale"]["none_T1"]["centroid_hz"]["estimate"] for each in (written, made))
    assert f"{before:.1f} Hz" in found[0] and f"{after:.1f} Hz" in found[0]
    page = "The centroid is {{ scale.none_T1.centroid_hz }}."
    assert jinja2.Template(page).render(**numbers.texts(made)) == f"The centroid is {after:.1f} Hz."
    assert after == pytest.approx(1.01 * before, rel=1e-4)
    statement = f"% holds: scale.none_T1.centroid_hz < {before + 0.005 * before}"
    assert prose.broken_statements("a.md", statement, numbers.flat(written)) == []
    (problem,) = prose.broken_statements("a.md", statement, numbers.flat(made))
    assert "no longer holds: scale.none_T1.centroid_hz <" in problem


def test_a_comparison_with_what_is_not_there_names_it(prose):
    entries = {"a.zero": _points(1.0, -0.8, 2.8)}
    text = "% holds: a.zero > a.gone\n% holds: a.zero < 5\n"
    assert prose.unknown_keys("a.md", text, entries) == ["a.md: no entry a.gone in numbers.json"]
    assert prose.broken_statements("a.md", text, entries) == []


def _points(estimate: float, low: float, high: float) -> dict:
    """An entry of numbers.json."""
    return {"estimate": estimate, "low": low, "high": high, "unit": "points", "form": "+.1f", "n": 1000, "seed": 0}


def test_a_page_may_say_that_an_interval_has_both_signs(prose):
    entries = {"a.zero": _points(1.0, -0.8, 2.8), "a.loss": _points(5.5, 2.7, 8.3)}
    text = "% undecided: a.zero\n% undecided: a.loss\n"
    assert prose.broken_statements("a.md", text, entries) == [
        "a.md: no longer undecided: a.loss (+5.5 points [+2.7, +8.3])"
    ]
    assert prose.unknown_keys("a.md", "% undecided: a.gone\n", entries) == ["a.md: no entry a.gone in numbers.json"]


def test_a_page_may_say_that_a_whole_interval_lies_on_one_side(prose):
    entries = {"a.zero": _points(1.0, -0.8, 2.8), "a.loss": _points(-5.5, -8.3, -2.7)}
    with pytest.raises(ValueError, match="'a.bare' has no interval"):
        prose.broken_statements("a.md", "% surely: a.bare > 0\n", {"a.bare": "44.1 %"})
    text = "% surely: a.zero > 0\n% surely: a.loss < 0\n% surely: a.loss < -5\n"
    assert prose.broken_statements("a.md", text, entries) == [
        "a.md: no longer sure: a.zero > 0 (+1.0 points [-0.8, +2.8])",
        "a.md: no longer sure: a.loss < -5 (-5.5 points [-8.3, -2.7])",
    ]
    assert prose.unknown_keys("a.md", "% surely: a.gone > 0\n", entries) == ["a.md: no entry a.gone in numbers.json"]


def test_a_direction_needs_an_interval(prose):
    sentence = "The recall of neutral rises from {{ a.zero }} to {{ a.loss_interval }}."
    assert len(prose.unborne_directions("a.md", f"% holds: a.loss > a.zero\n\n{sentence}\n")) == 1
    for statement in ("% surely: a.loss > 0", "% undecided: a.loss"):
        assert prose.unborne_directions("a.md", f"{statement}\n\n{sentence}\n") == []
    for other in ("It rises.", "It is {{ a.zero }}. More of it below.", "It falls to {{ paper.none_T1.uar }}."):
        assert prose.unborne_directions("a.md", other) == []


def test_one_percent_of_the_decisions_changes_recalls_and_their_differences(numbers, results):
    written = numbers.export(_study(results))
    path = results / "none-T1" / "utterances.parquet"
    changed = pd.read_parquet(path)
    acted = changed[(changed["corpus"] == "emotional") & (changed["emotion"] == "ang")]
    right = acted.index[acted["emotion_functionals"] == acted["emotion"]]
    changed.loc[right[: round(0.01 * changed["emotion_functionals"].notna().sum())], "emotion_functionals"] = "hap"
    changed.to_parquet(path)
    keys = {problem.partition(":")[0] for problem in numbers.disagreements(written, numbers.export(_study(results)))}
    assert {"scale.none_T1.uar", "scale.none_T1.ang", "scale.none_T1.minus_original.uar"} <= keys
    assert not any("wer" in key or "eer" in key or key.startswith(("paper", "scale.original")) for key in keys)


def test_reproduced_rows_are_counted_unless_recorded_anew_since(numbers, results):
    profile = replace(get_profile("scale"), results=results)
    assert numbers.reproduced(profile) == {}
    times = [json.loads((results / row / "provenance.json").read_text())["recorded"] for row in ROWS]
    found = {"state": "done", "predictions": 1500, "features": 0.0, "machine": "x", "commit": "x", "reproduced": "x"}
    found |= {"cpu": "x", "kernels": "native", "transcripts": 0}
    lines = [
        found | {"row": row, "recorded": time, "different": 2 * place, "metrics": None, "minutes": 4.4}
        for place, (row, time) in enumerate(zip(ROWS, times, strict=True))
    ]
    lines.append(lines[1] | {"cpu": "y", "different": 30, "transcripts": 29, "features": 1.1e-3, "note": "2 speakers"})
    pd.DataFrame(lines).to_csv(results / "reproductions.csv", index=False)
    counts = {"predictions": "4,500", "different": "32", "transcripts": "29", "rows": "2", "labels": "3"}
    assert numbers.reproduced(profile) == counts | {"features": "0.1%"}
    for line in lines[1:]:
        line["recorded"] = "2000-01-01T00:00:00Z"
    pd.DataFrame(lines).to_csv(results / "reproductions.csv", index=False)
    entries = numbers.reproduced(profile)
    assert (entries["rows"], entries["different"], entries["features"]) == ("1", "0", "0.0%")


def test_an_entry_that_vanishes_or_appears_is_a_disagreement(numbers):
    assert numbers.disagreements({"a": {"b": "1"}}, {"a": {"b": "1"}}) == []
    assert numbers.disagreements({"a": {"b": "1"}}, {}) == ["a.b: 1 in numbers.json, absent in the results"]
    assert numbers.disagreements({}, {"a": "2"}) == ["a: absent in numbers.json, 2 in the results"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("UAR falls to 44.1 here.", "44.1 is not from numbers.json"),
        ("It rises by 3 points.", "3 is not from numbers.json"),
        ("Some 12 % are called angry.", "12 is not from numbers.json"),
        ("Loudness is −23.5 LUFS.", "23.5 is not from numbers.json"),
        ("Some 49 % are called angry.", "49 is reported, but its paragraph does not say so"),
        (":alt: A bar at 44.1.", "44.1 is not from numbers.json"),
        ("```{important}\nIt is 44.1 here.\n```", "44.1 is not from numbers.json"),
        ("The UAR of 64.78 is high.", "64.78 is reported, but its paragraph does not say so"),
    ],
)
def test_bare_numbers_are_named(prose, text, problem):
    (found,) = prose.bare_numbers("a.md", text, ALLOWED, {"64.78"})
    assert problem in found


@pytest.mark.parametrize(
    "text",
    [
        "Intervals of 95 % over 1000 draws of 16 kHz audio.",
        "The paper's 49 % are of sad utterances.",
        "Reported: 64.78.",
        "UAR is {{ scale.none_T1.uar }}, `0.123` is code, {glue:text}`uar:.1f` glue.",
        "```{code-cell} ipython3\nx = 0.25\n```",
        "See [arXiv](https://arxiv.org/abs/2501.13000), CC BY-NC-SA 4.0, Python 3.11 or 3.12.",
        "---\nversion: 0.13\n---\nText.",
    ],
)
def test_what_is_no_result_or_labelled_passes(prose, text):
    assert prose.bare_numbers("a.md", text, ALLOWED, {"64.78"}) == []


def test_unknown_entries_are_named(prose):
    (problem,) = prose.unknown_keys(
        "a.md", "{{ scale.none_T1.uar }} and {{ scale.none_T9.uar }}", {"scale.none_T1.uar": ""}
    )
    assert "scale.none_T9.uar" in problem


def test_an_entry_becomes_words_without_and_with_its_interval(numbers):
    made = numbers.texts(
        {"a": {"b": _points(5.53, 2.71, 8.34), "c": {"values": [1.0, 2.04], "unit": "%"}, "d": "as is"}}
    )
    assert made == {
        "a": {"b": "+5.5 points", "b_interval": "+5.5 points [+2.7, +8.3]", "c": "1.0 and 2.0 %", "d": "as is"}
    }


def test_the_extension_hands_the_numbers_to_sphinx(tmp_path):
    from types import SimpleNamespace

    (tmp_path / "numbers.json").write_text(json.dumps({"scale": {"none_T1": {"uar": _points(5.5, 2.7, 8.3)}}}))
    config = SimpleNamespace(myst_substitutions={"own": "kept"})
    _script("result_numbers", "book/_ext").add_numbers(SimpleNamespace(confdir=tmp_path), config)
    shown = config.myst_substitutions.pop("scale")["none_T1"]
    assert config.myst_substitutions == {"own": "kept"} and set(shown) == {"uar", "uar_interval"}
    assert "`+5.5 points|" in shown["uar"] and "`+5.5 points [+2.7, +8.3]|" in shown["uar_interval"]
