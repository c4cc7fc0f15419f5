"""Which stage of a system loses what: toy systems whose culprits are known, and where labels and words get lost."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import pyworld
from command_line import run
from evaluated import evaluation
from frames import results as results_of
from frames import utterance_lines
from scipy.signal import butter, sosfiltfilt
from speech import phantom

from emotrace import evaluate
from emotrace.analysis.stages import diagnosis, stage_table
from emotrace.corpus.audio import SAMPLE_RATE, load_audio, save_audio
from emotrace.corpus.datadir import DataDir, write_datadir
from emotrace.pipeline.measures import Recognisers
from emotrace.show.report.page import render_report


def quieter(wave: np.ndarray) -> np.ndarray:
    return 0.25 * wave


def flattened(wave: np.ndarray) -> np.ndarray:
    """The same with its F0 held, by WORLD."""
    f0, spectrum, aperiodicity = pyworld.wav2world(wave.astype(np.float64), SAMPLE_RATE)
    held = np.where(f0 > 0, np.median(f0[f0 > 0]), 0.0)
    made = pyworld.synthesize(held, spectrum, aperiodicity, SAMPLE_RATE)[: len(wave)]
    return np.clip(np.pad(made, (0, len(wave) - len(made))), -1, 1)


def band_limited(wave: np.ndarray) -> np.ndarray:
    return sosfiltfilt(butter(8, 1200, fs=SAMPLE_RATE, output="sos"), wave)


CULPRITS = {"level": quieter, "pitch": flattened, "band": band_limited}
NAMED = {"level": "loudness by -", "pitch": "F0 range by -", "band": "spectral centroid by -"}
ORDERS = [("level", "pitch", "band"), ("pitch", "band", "level"), ("band", "level", "pitch")]


@pytest.fixture(scope="module")
def recordings(tmp_path_factory) -> DataDir:
    """Two utterances of every speaker of the phantom, without labels: their acoustics alone are measured."""
    kept = [replace(each, text=None, emotion=None, fold=None) for each in phantom() if each.id.endswith("-s1")]
    return write_datadir(
        tmp_path_factory.mktemp("recordings"), [each for each in kept if "sad" in each.id or "hap" in each.id]
    )


def staged(recordings: DataDir, order: tuple[str, ...], folder: Path) -> dict[str, Path]:
    """Folders with what each stage makes of the speech behind the one before."""
    waves = {utterance.id: load_audio(utterance.path) for utterance in recordings}
    for stage in order:
        waves = {name: CULPRITS[stage](wave) for name, wave in waves.items()}
        for name, wave in waves.items():
            save_audio(folder / stage / f"{name}.wav", np.clip(wave, -1, 1))
    return {stage: folder / stage for stage in order}


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_a_culprit_is_named_wherever_it_stands(order, recordings, tmp_path, inline_workers):
    folders = staged(recordings, order, tmp_path)
    results = evaluate(recordings, folders, recognisers=Recognisers(naturalness=""), work=tmp_path / "work")
    assert results.rows == ("original", *order)
    said = diagnosis(results, stage_table(results))
    assert [sentence.partition(" changes")[0] for sentence in said] == list(order)
    for stage, sentence in zip(order, said, strict=True):
        assert NAMED[stage] in sentence, said
        assert not any(NAMED[other] in sentence for other in order if other != stage), said


def test_stages_add_up_to_the_whole(recordings, tmp_path, inline_workers):
    folders = staged(recordings, ORDERS[0], tmp_path)
    results = evaluate(recordings, folders, recognisers=Recognisers(naturalness=""), work=tmp_path / "work")
    means = results.utterances.groupby("row")[["loudness_lufs", "centroid_hz"]].mean()
    summed = stage_table(results).groupby("metric")["estimate"].sum()
    for feature in means:
        assert summed[feature] == pytest.approx(means.at["band", feature] - means.at["original", feature])


def test_labels_and_words_are_lost_where_they_are_lost():
    """The second of three stages calls sad speech angry; the third gets words wrong."""
    rows = {"original": ({}, 1), "vocoded": ({}, 1), "resynthesised": ({"sad": "ang"}, 1), "mine": ({"sad": "ang"}, 3)}
    lines = [line for row, (confused, wrong) in rows.items() for line in utterance_lines(row, confused, wrong)]
    found = results_of(pd.DataFrame(lines), [], n_bootstrap=100)
    said = diagnosis(found, stage_table(found))
    assert [sentence.partition(":")[0] for sentence in said if "UAR" in sentence] == [
        "UAR (functionals + SVM) falls the most in resynthesised",
        "UAR (GE2E + SVM)",
    ]
    assert "UAR (GE2E + SVM): no stage has a measurable effect for the worse." in said
    assert [sentence.partition(":")[0] for sentence in said if "WER" in sentence] == ["WER rises the most in mine"]


def test_the_report_has_the_stages_where_they_are_given():
    found = evaluation()
    assert "Which stage loses what" not in render_report(found)
    page = render_report(found, stages=stage_table(found))
    assert "Which stage loses what" in page and "UAR (functionals + SVM) falls the most in mine" in page


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["mine", "--stages", "vocoded"], "give a name and a folder"),
        (["mine", "--stages", "=vocoded"], "give a name and a folder"),
        (["mine", "--stages", "a/b=vocoded"], "give a name and a folder"),
        (["mine", "theirs", "--stages", "a=vocoded"], "not 2 folders"),
        (["mine", "--stages", "a=one", "a=two"], "the same name"),
        (["mine", "--stages", "mine=one"], "the same name"),
        (["mine", "--stages", "a=one", "b=two"], "mine|one|nowhere"),
    ],
)
def test_stages_that_are_none_are_one_message(arguments, message, tmp_path):
    code, lines = run("evaluate", tmp_path / "nowhere", *arguments)
    assert code == 2 and len(lines) == 1
    assert any(part in lines[0] for part in message.split("|"))
