"""The report of an evaluation: its numbers are those of summary.csv, it loads nothing, and it says what it compares."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from evaluated import IDENTITY, evaluation
from html_page import Page

from emotrace.analysis.summary import difference_table, summary_table
from emotrace.pipeline.measures import Recognisers
from emotrace.show.report.page import (
    RECORDED_SPEECH,
    _among,
    facts,
    findings,
    number,
    remarks,
    render_report,
    same_protocol,
)
from emotrace.study.results import Results

RECORDED = {
    "components": IDENTITY["components"] | {"vocoder two-stage": {"code": "v" * 64}},
    "corpora": {"emotional": {"data": "a" * 64}},
    "ser_training": None,
}


@pytest.fixture(scope="module")
def found() -> Results:
    return evaluation()


@pytest.fixture(scope="module")
def html(found) -> str:
    return render_report(found)


def test_the_numbers_are_those_of_the_summary_and_of_the_differences(found, html):
    table = pd.concat([summary_table(found), difference_table(found)])
    shown = [[float(value[f"data-{name}"]) for name in ("sort", "low", "high")] for value in Page(html).values]
    np.testing.assert_array_equal(np.array(shown), table[["estimate", "low", "high"]].to_numpy())


def test_every_estimate_is_also_there_to_read(found, html):
    for line in summary_table(found).itertuples():
        assert f">{number(line.estimate, line.low, line.high)}</td>" in html


def test_differences_are_those_of_the_estimates(found):
    summary = summary_table(found).set_index(["version", "metric", "of"])["estimate"]
    differences = difference_table(found).set_index(["metric", "of"])
    assert differences.at[("recall sad [%]", "functionals"), "estimate"] == pytest.approx(-20)
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
    assert "What could not be measured" not in html
    bare = evaluation(notes=("no EER: there are no trials or no enrolls file",))
    page = render_report(replace(bare, trials=bare.trials.iloc[:0]))
    assert "no EER: there are no trials or no enrolls file" in page and "Who is recognised" not in page


def test_the_verdict_and_the_recorded_rows_come_before_the_numbers(html):
    order = [
        'class="verdict"',
        "<h2>Beside the recorded rows</h2>",
        "<h2>Recall of each emotion</h2>",
        "<h2>All numbers</h2>",
    ]
    assert sorted(order, key=html.index) == order


def test_one_speaker_has_numbers_without_intervals():
    alone = evaluation()
    one = alone.utterances[alone.utterances["speaker"] == "a"]
    page = render_report(replace(alone, utterances=one, trials=alone.trials.iloc[:0]))
    assert "(no interval)" in page and "too few speakers" in page


def test_names_are_escaped():
    lines = evaluation()
    rows = ("original", "<script>mine")
    utterances = lines.utterances.replace({"row": {"mine": rows[1]}})
    page = render_report(replace(lines, rows=rows, utterances=utterances))
    assert "<script>mine" not in page and "&lt;script&gt;mine" in page


def test_several_systems_stand_in_one_report(found):
    """A second system with the lines of the first has the same sentences, under its own name."""
    again = [table[table["row"] == "mine"].assign(row="other") for table in (found.utterances, found.trials)]
    tables = [pd.concat(both) for both in zip((found.utterances, found.trials), again, strict=True)]
    several = replace(found, rows=(*found.rows, "other"), utterances=tables[0], trials=tables[1])
    page = render_report(several)
    assert "<h1>mine, other: what anonymization left</h1>" in page
    sentences = list(findings(summary_table(several), difference_table(several), several))
    alone = list(findings(summary_table(found), difference_table(found), found))
    for name in ("mine", "other"):
        assert [each.removeprefix(f"{name}: ") for each in sentences if each.startswith(f"{name}: ")] == alone
    assert facts(several)["Utterances"] == facts(found)["Utterances"]


def test_the_explorer_plays_what_was_evaluated_from_where_the_report_lies(found, tmp_path):
    name = found.utterances["utterance"].iloc[0]
    places = {"original": tmp_path / "speech" / "a b.wav", "mine": tmp_path / "reports" / "out" / "c.wav"}
    files = {(row, name): path for row, path in places.items()}
    page = render_report(replace(found, audio=files), folder=tmp_path / "reports")
    assert '"../speech/a%20b.wav"' in page and '"out/c.wav"' in page
    silent = render_report(found)
    assert "a%20b.wav" not in silent and "Which utterances" in silent
    unlabelled = found.utterances.assign(emotion=None, emotion_functionals=None, emotion_ge2e=None)
    assert "Which utterances" not in render_report(replace(found, utterances=unlabelled))


def test_every_recogniser_of_emotion_is_shown(found, html):
    """Of three, the third is as good as any other."""
    assert html.count("Confusion matrices of") == 2
    lines = found.utterances.assign(emotion_egemaps=found.utterances["emotion_functionals"])
    three = replace(found, utterances=lines, recognisers=("egemaps", *found.recognisers))
    page = render_report(three)
    assert page.count("Confusion matrices of") == 3
    labels = ("eGeMAPS + SVM", "functionals + SVM", "GE2E + SVM")
    assert all(f"mine, {label}: counts of utterances" in page and f"UAR ({label})" in page for label in labels)


def test_what_was_used_is_said(found):
    shown = facts(found)
    assert shown["Speech recogniser"] == "whisper-tiny.en" and shown["Speaker recogniser"] == "ge2e"
    labels = "functionals + SVM, GE2E + SVM, Whisper encoder + logistic regression"
    assert shown["Recognisers of emotion"] == labels
    assert shown["Recognisers of emotion learned from"] == "the originals' other folds"
    assert shown["Digest of the originals"] == "a" * 12
    assert "Speech recogniser" not in facts(replace(found, identity={}))


EGEMAPS = Recognisers(ser=("egemaps", "ge2e"))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"corpora": {"emotional": {"data": "b" * 64}}},
            f"Other corpus: the recorded rows were measured on {RECORDED_SPEECH}",
        ),
        ({"recognisers": EGEMAPS}, "Whisper encoder + logistic regression; recorded eGeMAPS + SVM, GE2E + SVM."),
        ({"ser_training": "d" * 64}, "Other training"),
        (
            {"components": RECORDED["components"] | {"tables": {"code": "0" * 64}}},
            "another version of the evaluation's code: tables.",
        ),
        ({}, "Same corpus."),
    ],
)
def test_each_difference_from_the_recorded_rows_is_said(changed, said):
    changed = dict(changed)
    recognisers = changed.pop("recognisers", Recognisers())
    found = remarks(IDENTITY, [RECORDED | changed], recognisers)
    assert said in " ".join(found)
    assert len([remark for remark in found if remark != "Same corpus."]) == (said != "Same corpus.")


def test_the_same_utterances_with_other_audio_are_said():
    other = RECORDED | {"corpora": {"emotional": {"data": "b" * 64}}}
    (said,) = remarks(IDENTITY, [other], Recognisers(), same_utterances=True)
    assert said.startswith("Same utterances, decoded or trimmed otherwise")


def test_stale_rows_and_unknown_origins_are_said():
    assert remarks(IDENTITY, [RECORDED], Recognisers(), ["none-T1"])[-1].endswith("those at hand: none-T1.")
    assert "not known" in remarks({}, [RECORDED], Recognisers())[0]


def test_the_recorded_rows_stand_beside_and_are_left_alone(found):
    from emotrace.study.profiles import get_profile

    results = get_profile("scale").results
    before = {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()}
    page = render_report(found)
    assert {path: path.stat().st_mtime_ns for path in results.rglob("*") if path.is_file()} == before
    assert page.count("measured: this evaluation") >= 2 and "measured: scale" in page and RECORDED_SPEECH in page


def test_under_the_same_protocol_a_system_stands_among_the_recorded_rows(found):
    """Recorded rows of the same frames: "mine" is one of them, so it differs from it in nothing."""

    def same(training: str | None = None, recognisers: Recognisers = Recognisers(), **changes) -> bool:  # noqa: B008
        study = SimpleNamespace(**vars(found), lines=found.lines, profile=SimpleNamespace(recognisers=recognisers))
        return same_protocol(replace(found, **changes), study, training)

    assert same()
    assert not same(recognisers=Recognisers("pocketsphinx"))
    assert not same(training="d" * 64)
    assert not same(identity={})
    fewer = found.utterances[found.utterances["utterance"] != found.utterances["utterance"].iloc[0]]
    assert not same(utterances=fewer)
    assert not same(utterances=found.utterances.replace({"emotion": {"sad": "neu"}}))
    shown = _among(found, found)
    (table,) = shown["standings"].values()
    assert list(table["row"]) == ["mine"] and "undecided +0.00 [+0.00, +0.00]" in set(table.iloc[0])
    assert len(shown["planes"]) == len(found.recognisers)
