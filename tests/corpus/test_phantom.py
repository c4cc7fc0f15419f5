"""The phantom corpus: shape of the directories, ground truth found again in the audio, targets of the recognisers."""

import shutil
import subprocess
import sys
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotrace.analysis.metrics import eer, uar
from emotrace.corpus.audio import load_audio, save_audio
from emotrace.corpus.datadir import DataDir
from emotrace.corpus.validate import validate
from emotrace.evaluation.acoustics import acoustic_features, oracle_mask
from emotrace.evaluation.asr import PocketSphinx, word_errors
from emotrace.evaluation.asv import Ge2e, asv_scores
from emotrace.evaluation.ser import EgemapsSvm, FunctionalsSvm, Ge2eSvm, cross_validated

PHANTOM = Path(__file__).resolve().parents[2] / "data" / "phantom"
sys.path.insert(0, str(PHANTOM))

from phantom_design import (  # noqa: E402
    ALL_CUES,
    EMOTIONS,
    FAMILIES,
    SETS,
    SPEAKERS,
    TRAINING,
    TRAINING_SPEAKERS,
    items,
)
from phantom_measure import band_periodicity, check, measure, tilt_difference  # noqa: E402


def truth(name: str) -> pd.DataFrame:
    return pd.read_csv(PHANTOM / name / "truth.csv").set_index("utterance")


def audio(name: str, utterance: str) -> np.ndarray:
    return load_audio(PHANTOM / name / "audio" / f"{utterance}.flac")


@pytest.fixture(scope="module")
def corpus() -> DataDir:
    return DataDir.read(PHANTOM / "test")


@pytest.fixture(scope="module")
def speech(corpus) -> dict[str, np.ndarray]:
    return {utterance.id: load_audio(utterance.path) for utterance in corpus}


@pytest.mark.parametrize("name", SETS)
def test_directories_are_valid(name):
    assert validate(PHANTOM / name) == []


def test_size():
    assert sum(file.stat().st_size for file in PHANTOM.rglob("*.flac")) < 12e6
    assert truth("test")["seconds"].sum() < 130


def test_full_set_is_balanced(corpus):
    assert Counter(s.gender for s in SPEAKERS) == {"f": 4, "m": 4}
    trial = [u for u in corpus if u.id not in corpus.enrolment]
    counts = Counter((u.speaker, str(u.emotion)) for u in trial)
    assert counts == {cell: 2 for cell in product([s.id for s in SPEAKERS], EMOTIONS)}
    assert Counter(corpus[name].speaker for name in corpus.enrolment) == {s.id: 2 for s in SPEAKERS}
    assert not {u.text for u in trial} & {corpus[name].text for name in corpus.enrolment}
    genders = {(u.fold, u.gender): u.speaker for u in corpus}
    assert len(genders) == 8 and {fold for fold, _ in genders} == {"1", "2", "3", "4"}


def test_trials_are_all_pairs_of_a_gender(corpus):
    pairs = {(trial.speaker, trial.utterance) for trial in corpus.trials}
    trial = [u for u in corpus if u.id not in corpus.enrolment]
    assert pairs == {(s.id, u.id) for s in SPEAKERS for u in trial if s.gender == u.gender}
    assert all(trial.target == (corpus[trial.utterance].speaker == trial.speaker) for trial in corpus.trials)


@pytest.mark.parametrize("name", SETS)
def test_audio_agrees_with_truth(name):
    """F0 level, F0 range and duration within 10 % and level within 0.5 dB, for every utterance."""
    assert check(PHANTOM / name) == []


def test_f0_set_on_oracle_speech():
    """The study's own measurement, on the frames of the voice activity detector, within 10 % as well."""
    for utterance, row in truth("f0").iterrows():
        waveform = audio("f0", utterance)
        measured = acoustic_features(waveform, oracle_mask(waveform))
        assert measured["f0_mean_hz"] == pytest.approx(row["f0_mean_hz"], rel=0.10), utterance
        assert measured["f0_range_st"] == pytest.approx(row["f0_range_st"], rel=0.10), utterance


def test_tempo_against_neutral():
    """Tempo as two measured durations: the speaker's neutral utterance over this one."""
    lines = truth("tempo")
    seconds = pd.Series({u: measure(audio("tempo", u))["speech_seconds"] for u in lines.index})
    for _, own in lines.groupby("speaker"):
        neutral = own.index[own["emotion"] == "neu"][0]
        found = seconds[neutral] / seconds[own.index]
        np.testing.assert_allclose(found, own["tempo"] / own.loc[neutral, "tempo"], rtol=0.10)


def test_tilt_of_the_voice_set():
    lines = truth("voice")
    for utterance, row in lines[lines["emotion"] != "neu"].iterrows():
        neutral = utterance.replace(row["emotion"], "neu")
        wanted = row["tilt_db_per_octave"] - lines.loc[neutral, "tilt_db_per_octave"]
        found = tilt_difference(audio("voice", utterance), audio("voice", neutral))
        assert found == pytest.approx(wanted, abs=0.2), utterance


def test_breathiness_makes_noise():
    """Periodicity from 1.5 to 4 kHz falls with breathiness for every speaker: sad, then happy, then the other two."""
    for _, own in truth("voice").groupby("speaker"):
        found = {row["emotion"]: band_periodicity(audio("voice", name)) for name, row in own.iterrows()}
        assert found["sad"] < found["hap"] - 0.05 < min(found["neu"], found["ang"]) - 0.05


@pytest.mark.parametrize("family", FAMILIES)
def test_isolation_sets_move_one_family(family):
    lines = truth(family)
    moving = {name for name in ALL_CUES if lines[name].nunique() > 1}
    assert moving == set(FAMILIES[family])
    measured = pd.DataFrame({u: measure(audio(family, u)) for u in lines.index}).T.join(lines["speaker"])
    spread = measured.groupby("speaker").agg(lambda values: values.max() / values.min())
    still = {"f0": ["speech_seconds"], "tempo": ["f0_mean_hz"], "voice": ["speech_seconds", "f0_mean_hz"]}[family]
    assert (spread[still] < 1.03).all(axis=None)
    assert np.ptp(measured["level_dbfs"]) < 0.5


def test_check_names_what_is_wrong(tmp_path):
    broken = tmp_path / "f0"
    shutil.copytree(PHANTOM / "f0", broken)
    fast, quiet = "f1-f0-ang-s2", "m2-f0-sad-s2"
    save_audio(broken / "audio" / f"{fast}.flac", audio("f0", fast)[::2])
    save_audio(broken / "audio" / f"{quiet}.flac", audio("f0", quiet) / 2)
    found = check(broken)
    assert {line.split(":")[0] for line in found} == {fast, quiet}
    assert any("speech_seconds" in line for line in found) and any("level_dbfs" in line for line in found)


def test_maker_help():
    done = subprocess.run([sys.executable, PHANTOM / "make.py", "--help"], capture_output=True, text=True)
    assert done.returncode == 0 and "--check" in done.stdout


def test_intelligible(corpus, speech):
    """WER of pocketsphinx at most 0.35 for every emotion; one utterance per speaker and emotion, for time."""
    first = {(u.speaker, u.emotion): u for u in reversed(corpus.utterances) if u.id not in corpus.enrolment}
    recogniser, counts = PocketSphinx(), Counter()
    for (_, emotion), utterance in first.items():
        errors, words = word_errors(utterance.text, recogniser.transcribe(speech[utterance.id]).text)
        counts.update({(emotion, "errors"): errors, (emotion, "words"): words})
    assert len(first) == 32
    assert all(counts[emotion, "errors"] / counts[emotion, "words"] <= 0.35 for emotion in EMOTIONS)


def test_speakers_differ(corpus, speech):
    """EER of GE2E at most 15 % for both genders, over all emotions."""
    encoder = Ge2e()
    embeddings = {name: encoder.embed(waveform) for name, waveform in speech.items()}
    for gender, scores in asv_scores(corpus, embeddings, embeddings).groupby("gender"):
        rate, _ = eer(scores.loc[scores["target"], "score"], scores.loc[~scores["target"], "score"])
        assert rate <= 0.15, gender


@pytest.mark.parametrize("recogniser", [EgemapsSvm, FunctionalsSvm, Ge2eSvm])
def test_emotions_are_recognised(corpus, speech, recogniser):
    """Leave-one-fold-out UAR of each recogniser at least 0.7."""
    model = recogniser()
    features = {name: model.features(waveform) for name, waveform in speech.items()}
    predicted = cross_validated(model, list(corpus), features, features)
    folds = [utterance.fold for utterance in corpus]
    assert uar([u.emotion for u in corpus], [predicted[u.id] for u in corpus], folds) >= 0.7


def test_the_training_set_shares_no_speaker_and_no_sentence_with_the_others():
    training, others = items(TRAINING), [item for name in SETS for item in items(name)]
    assert len(training) == 8 * (16 + 8 * 3) and len({item.id for item in training}) == len(training)
    assert {item.text for item in training}.isdisjoint({item.text for item in others})
    voices = [(speaker.formant, speaker.f0_hz, speaker.timbre) for speaker in (*SPEAKERS, *TRAINING_SPEAKERS)]
    assert len(set(voices)) == 16 and len({speaker.id for speaker in (*SPEAKERS, *TRAINING_SPEAKERS)}) == 16
    assert Counter(item.emotion for item in training) == {"neu": 128, "sad": 64, "ang": 64, "hap": 64}
