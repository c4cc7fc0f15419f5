"""Which cues survive, on isolation sets whose truth is known by construction."""

import frames
import numpy as np
import pandas as pd
import pytest

from emotrace.experiments.cues import CUES, cue_retention
from emotrace.study.profiles import CUE_MEASURES, Corpus, Profile
from emotrace.study.study import StudyResults


@pytest.fixture
def isolation(tmp_path) -> StudyResults:
    """An isolation set whose F0 range the row halves and whose F0 level it keeps."""
    rng = np.random.default_rng(0)
    truth = pd.DataFrame(
        {
            "utterance": [f"{s}-{n}" for s in frames.SPEAKERS for n in range(6)],
            "speaker": [s for s in frames.SPEAKERS for _ in range(6)],
        }
    ).assign(f0_mean_hz=rng.uniform(100, 200, 48), f0_range_st=rng.uniform(4, 10, 48))
    (tmp_path / "f0").mkdir()
    truth.to_csv(tmp_path / "f0" / "truth.csv", index=False)
    original = truth.assign(row="original", corpus="f0")
    halved = original.assign(row="none-T1", f0_range_st=truth["f0_range_st"] / 2)
    corpora = (Corpus("f0", tmp_path / "f0", CUE_MEASURES),)
    profile = Profile(name="made-up", corpora=corpora, work=tmp_path, results=tmp_path)
    lines = pd.concat([original, halved], ignore_index=True)
    return StudyResults(lines, pd.DataFrame(), ("original", "none-T1"), n_bootstrap=200, profile=profile)


@pytest.fixture(autouse=True)
def cues_of_f0(monkeypatch) -> None:
    monkeypatch.setattr("emotrace.experiments.cues.CUES", [cue for cue in CUES if cue.corpus == "f0"])


def test_a_cue_is_retained_as_far_as_it_follows_the_truth(isolation):
    table = cue_retention(isolation).set_index(["row", "cue"])
    assert table.loc[("original", "F0 range"), "estimate"] == pytest.approx(1)
    assert table.loc[("none-T1", "F0 range"), ["estimate", "retained"]].tolist() == pytest.approx([0.5, 0.5])
    assert table.loc[("none-T1", "F0 level"), ["low", "estimate", "high"]].tolist() == pytest.approx([1, 1, 1])


def test_a_cue_that_is_left_in_one_speaker_only_is_not_measurable(isolation):
    lines = isolation.utterances
    lost = (lines["row"] == "none-T1") & (lines["speaker"] != "a")
    lines.loc[lost, "f0_mean_hz"] = np.nan
    table = cue_retention(isolation).set_index(["row", "cue"])
    assert table.loc[("none-T1", "F0 level"), ["low", "estimate", "high", "retained"]].isna().all()
    assert table.loc[("original", "F0 level"), "estimate"] == pytest.approx(1)
