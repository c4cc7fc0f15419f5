"""The report of an evaluation: its numbers are those of summary.csv, it loads nothing, and it says what it compares."""

from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from test_tables import trial_lines, utterance_lines

from emotrace.show.report.page import number, render_report, write_report
from emotrace.show.report.comparison import RECORDED_SPEECH, remarks
from emotrace.study.directories import Evaluation
from emotrace.analysis.summary import difference_table, summary_table
from emotrace.analysis.tables import ACOUSTIC_COLUMNS

IDENTITY = {
    "backends": {"asr": "pocketsphinx", "asv": "ge2e", "ser": "functionals", "ser_second": "ge2e", "device": "cpu"},
    "data": {"emotional": "a" * 64},
    "evaluation_code": "c" * 64,
    "ser_training": False,
}


def evaluation(**changes: object) -> Evaluation:
    """An evaluation whose anonymised version calls a fifth of the sad utterances angry."""
    lines = utterance_lines("original", {}, 1) + utterance_lines("mine", {"sad": "ang"}, 3)
    utterances = pd.DataFrame(lines)
    rng = np.random.default_rng(0)
    for place, name in enumerate(ACOUSTIC_COLUMNS):
        utterances[name] = 1000.0 / (place + 1) + rng.random(len(utterances))
    trials = pd.DataFrame(
        trial_lines("original", "original", 2.0)
        + trial_lines("mine", "ignorant", 0.0)
        + trial_lines("mine", "lazy-informed", 1.0)
    )
    given = {"notes": (), "n_bootstrap": 100, "identity": IDENTITY} | changes
    return Evaluation(("original", "mine"), utterances, trials, **given)


class Page(HTMLParser):
    """What a report loads, and the cells of its tables with what they carry."""

    def __init__(self, html: str):
        super().__init__()
        self.loaded: list[str] = []
        self.alts: list[str] = []
        self.values: list[dict[str, str | None]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.loaded += [str(found[name]) for name in ("src", "href", "srcset", "data", "action") if name in found]
        if tag == "img":
            self.alts.append(found.get("alt") or "")
        if "data-low" in found:
            self.values.append(found)


@pytest.fixture(scope="module")
def found() -> Evaluation:
    return evaluation()


@pytest.fixture(scope="module")
def html(found) -> str:
    return render_report(found)


def test_the_numbers_are_those_of_the_summary_and_of_the_differences(found, html):
    table = pd.concat([difference_table(found), summary_table(found)])
    shown = [[float(value[f"data-{name}"]) for name in ("sort", "low", "high")] for value in Page(html).values]
    np.testing.assert_array_equal(np.array(shown), table[["estimate", "low", "high"]].to_numpy())


def test_every_estimate_is_also_there_to_read(found, html):
    for line in summary_table(found).itertuples():
        assert f">{number(line.estimate, line.low, line.high)}</td>" in html


def test_differences_are_those_of_the_estimates(found):
    summary = summary_table(found).set_index(["version", "metric", "of"])["estimate"]
    differences = difference_table(found).set_index(["metric", "of"])
    assert differences.at[("recall sad [%]", "ser"), "estimate"] == pytest.approx(-20)
    assert differences.at[("WER [%]", ""), "estimate"] == pytest.approx(20)
    expected = summary["mine", "EER [%]", "ignorant, female"] - summary["original", "EER [%]", "original, female"]
    assert differences.at[("EER [%]", "ignorant, female"), "estimate"] == pytest.approx(expected)
    assert len(differences) == len(summary["mine"])


def test_nothing_is_loaded_from_elsewhere(html):
    page = Page(html)
    assert page.loaded and all(url.startswith("data:") for url in page.loaded)
    assert "http://" not in html and "https://" not in html and "@import" not in html and "url(" not in html


def test_every_picture_has_its_own_alt_text(html):
    alts = Page(html).alts
    assert len(alts) >= 9 and min(map(len, alts)) > 40 and len(set(alts)) == len(alts)


def test_what_could_not_be_measured_is_said(html):
    assert "Nothing: the files allowed every measurement." in html
    bare = evaluation(notes=("no EER: there are no trials or no enrolls file",))
    without = Evaluation(**{**vars(bare), "trials": bare.trials.iloc[:0]})
    page = render_report(without)
    assert "no EER: there are no trials or no enrolls file" in page and "Who is recognised" not in page


def test_one_speaker_has_numbers_without_intervals():
    alone = evaluation()
    one = alone.utterances[alone.utterances["speaker"] == "a"]
    page = render_report(Evaluation(**{**vars(alone), "utterances": one, "trials": alone.trials.iloc[:0]}))
    assert "(no interval)" in page and "too few speakers" in page


def test_names_are_escaped():
    lines = evaluation()
    rows = ("original", "<script>mine")
    utterances = lines.utterances.replace({"row": {"mine": rows[1]}})
    page = render_report(Evaluation(**{**vars(lines), "rows": rows, "utterances": utterances}))
    assert "<script>mine" not in page and "&lt;script&gt;mine" in page


class RecordedStudy:
    states = ()


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"data": {"emotional": "b" * 64}}, f"Other corpus: the recorded rows were measured on {RECORDED_SPEECH}"),
        ({"backends": {**IDENTITY["backends"], "ser": "egemaps"}}, "here functionals, recorded egemaps"),
        ({"data": {**IDENTITY["data"], "ser training": "d" * 64}, "ser_training": True}, "Other training"),
        ({"evaluation_code": "0" * 64}, "another version of the evaluation's code"),
        ({}, "Same corpus."),
    ],
)
def test_each_difference_from_the_recorded_rows_is_said(changed, said):
    found = remarks(IDENTITY, {"original": IDENTITY | changed}, RecordedStudy())
    assert said in " ".join(found)
    assert len([remark for remark in found if remark != "Same corpus."]) == bool(changed)


def test_the_recorded_rows_stand_beside_and_are_left_alone(html, tmp_path, found):
    from emotrace.study.profiles import get_profile

    results = get_profile("scale").results
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()}
    write_report(tmp_path / "report.html", found)
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()} == before
    page = (tmp_path / "report.html").read_text()
    assert page.count("measured: this evaluation") >= 2 and "measured: scale" in page and RECORDED_SPEECH in page
