"""The tables that the notebooks share, on a study made by hand whose numbers can be counted."""

from types import SimpleNamespace

import pandas as pd
import pytest

from emotrace.show import notebook
from emotrace.analysis.gates import Gate, gate_table

EMOTIONS = ("sad", "neu", "ang", "hap")
SPEAKERS = {"f1": "1", "f2": "2", "m1": "1", "m2": "2"}


def _utterances(row: str, sad_called: str) -> list[dict]:
    """Every emotion twice for each speaker, recognised rightly but for one sad utterance of each."""
    return [
        {
            "row": row,
            "corpus": "emotional",
            "utterance": f"{speaker}-{emotion}{take}",
            "speaker": speaker,
            "gender": speaker[0],
            "emotion": emotion,
            "fold": fold,
            "kurtosis": {"sad": 1.0, "neu": 2.0, "ang": 4.0, "hap": 3.0}[emotion],
            "ser": sad_called if (emotion, take) == ("sad", 0) else emotion,
            "ser_second": emotion,
        }
        for speaker, fold in SPEAKERS.items()
        for emotion in EMOTIONS
        for take in (0, 1)
    ]


@pytest.fixture
def studies() -> dict:
    rows = ("original", "ECAPA-anon-T12-soft", "none-T3")
    lines = [line for row, called in zip(rows, ("sad", "ang", "neu"), strict=True) for line in _utterances(row, called)]
    study = SimpleNamespace(
        profile=SimpleNamespace(name="phantom", corpora=()),
        rows=rows,
        utterances=pd.DataFrame(lines),
        seed=0,
        n_bootstrap=50,
    )
    return {"phantom (synthetic speech)": study}


def test_recalls_stand_beside_the_papers(studies):
    table = notebook.recalls_beside(studies, "ser").set_index(["line", "emotion"])
    assert table.at[("original", "sad"), "estimate"] == 100
    assert table.at[("ECAPA-anon-T12-soft", "sad"), "estimate"] == 50
    assert table.at[("ECAPA-anon-T12-soft", "uar"), "estimate"] == 87.5
    assert table.at[("ECAPA-anon-T12-soft", "sad"), "reported"] == 3.42
    assert pd.isna(table.at[("none-T3", "sad"), "reported"])


def test_the_papers_systems_stand_with_the_rows_of_their_representations(monkeypatch):
    rows = ("original", "B4-IR", "none-T1")
    reported = pd.read_csv(notebook.REPORTED).assign(source="reported: paper")
    measured = pd.DataFrame({"row": rows, "source": "measured: scale", "uar": [70.0, 40.0, 60.0]})
    monkeypatch.setattr(notebook, "table2", lambda study: pd.concat([measured, reported]))
    table = notebook.table2_beside({"acted": SimpleNamespace(rows=rows)})
    assert list(table["row"]) == ["original", "original", "B4-IR", "B4", "none-T1", "none-T1"]
    assert list(table["uar"]) == [70.0, 71.06, 40.0, 42.78, 60.0, 64.78]


def test_rows_stand_in_the_order_of_the_fullest_study(monkeypatch):
    monkeypatch.setattr(notebook, "table2", lambda study: pd.DataFrame({"row": study.rows, "source": study.source}))
    people = SimpleNamespace(rows=("original", "none-T1"), source="measured: scale")
    phantom = SimpleNamespace(rows=("original", "none-T3", "none-T1"), source="measured: phantom")
    table = notebook.table2_beside({"people": people, "phantom": phantom})
    assert list(table["row"]) == ["original", "original", "none-T3", "none-T1", "none-T1"]
    assert list(table["source"].str.removeprefix("measured: ")) == ["scale", "phantom", "phantom", "scale", "phantom"]


def test_speech_of_people_comes_first(monkeypatch):
    monkeypatch.setattr(notebook, "recorded_rows", lambda *arguments, **options: ["original"])
    monkeypatch.setattr(notebook, "Study", lambda *, profile, **options: profile)
    assert list(notebook.open_studies("phantom", [], 6, 0, 10).values()) == ["scale", "phantom"]
    assert list(notebook.open_studies("scale", [], 6, 0, 10).values()) == ["scale"]


def test_both_recognisers_by_default(studies):
    panels = set(notebook.recalls_beside(studies)["panel"])
    assert {panel.split("\n")[1] for panel in panels} == set(notebook.RECOGNISER_NAMES.values())


def test_share_called(studies):
    angry = notebook.share_called(studies, "sad", "ang").set_index("line")["estimate"]
    assert angry.to_dict() == {"original": 0, "ECAPA-anon-T12-soft": 50, "none-T3": 0}
    others = notebook.share_called(studies, "other", "ang").set_index("line")["estimate"]
    assert others["ECAPA-anon-T12-soft"] == pytest.approx(100 / 6)


def test_differences_and_their_direction(studies):
    pairs = [("ECAPA-anon-T12-soft", "original"), ("none-T3", "original"), ("none-T6", "original")]
    found = notebook.compare(studies, pairs, ["uar", "ang"]).set_index(["line", "metric"])
    anonymised = found.loc[("ECAPA-anon-T12-soft\n− original", "uar")]
    assert anonymised["estimate"] == -12.5
    assert anonymised["reported"] == pytest.approx(45.19 - 71.06)
    assert anonymised["direction"] == "as in the paper"
    assert found.at[("ECAPA-anon-T12-soft\n− original", "ang"), "direction"] == "undecided"
    assert found.at[("none-T3\n− original", "uar"), "direction"] == "down"
    assert "none-T6\n− original" not in found.index.get_level_values(0)


@pytest.mark.parametrize(
    ("low", "high", "reported", "direction"),
    [
        (1, 2, 5, "as in the paper"),
        (-2, -1, 5, "opposite"),
        (-1, 2, 5, "undecided"),
        (1, 2, float("nan"), "up"),
        (-2, -1, float("nan"), "down"),
    ],
)
def test_direction(low, high, reported, direction):
    assert notebook._direction(low, high, reported) == direction


def test_verdicts_show_sign_and_interval(studies):
    shown = notebook.verdicts(notebook.compare(studies, [("none-T3", "original")], ["sad"])).data
    assert shown.at[0, "measured"].startswith("-50.0")
    assert shown.at[0, "speech"] == "phantom"


def test_order_of_the_medians(studies):
    table = notebook.emotion_order(notebook.utterances_beside(studies), ["kurtosis"]).data
    assert set(table["kurtosis"]) == {"ang > hap > neu > sad"}


def test_medians_stand_beside_the_utterances_that_have_none(studies):
    lines = notebook.utterances_beside(studies)
    lines["speech_frames"] = [0] + [7] * (len(lines) - 1)
    lines["f0_voiced"] = [0, 0] + [5] * (len(lines) - 2)
    table = notebook.medians_beside(lines, ["kurtosis"]).data
    assert table["utterances"].astype(int).sum() == len(lines)
    assert table["without speech"].tolist() == ["1"] + ["0"] * (len(table) - 1)
    assert table["without F0"].tolist() == ["2"] + ["0"] * (len(table) - 1)
    first = lines[(lines["row"] == table.at[0, "row"]) & (lines["panel"] == table.at[0, "speech"])]
    assert table.at[0, "kurtosis"] == f"{first['kurtosis'].median():.1f}"


def test_cells_are_broken_before_the_interval():
    shown = notebook.readable(pd.DataFrame({"sad [%]": ["50.0 [40.0, 60.0]", "3.42"]})).data
    assert list(shown["sad [%]"]) == ["50.0<br><small>[40.0, 60.0]</small>", "3.42"]


def test_confusions_only_of_rows_that_are_there(studies):
    shown = notebook.confusions_beside(studies, ["original", "none-T6"])
    assert list(shown) == ["original\nphantom"]
    assert shown["original\nphantom"].to_numpy().trace() == 32


def test_gates_read_as_met_or_missed(studies, monkeypatch):
    gates = [Gate("none-T3", "uar", 0.95, True), Gate("none-T3", "uar", 0.95, True, recogniser="ser_second")]
    monkeypatch.setattr(notebook, "gate_table", lambda study: gate_table(study, gates))
    shown = notebook.show_gates(studies).data
    assert list(shown["gate"]) == ["missed, surely", "met, surely"]
    assert [cell.split(" x original")[0] for cell in shown["measured"]] == ["0.88", "1.00"]
    assert shown["of"][0].endswith("functionals + SVM</small>") and set(shown["speech"]) == {"phantom"}
