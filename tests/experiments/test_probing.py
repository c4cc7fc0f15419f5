"""Layer probing: targets measured on signals that are known, probes on features whose content is known, and the run."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import r2_score
from speech import phantom
from stand_in import SPEAKERS, tone
from tiny_models import make_models

from emotrace.corpus.audio import load_audio
from emotrace.corpus.datadir import DataDir, Utterance, write_datadir
from emotrace.corpus.datadir import Emotion
from emotrace.analysis.bootstrap import Draws
from emotrace.experiments.probe_features import (
    FLOOR_DB,
    frame_levels,
    log_f0,
    relative_energy,
    spectral_tilt,
    speech_frames,
)
from emotrace.experiments.linear_probes import (
    Determination,
    ProbeError,
    Score,
    baseline,
    between_speakers,
    classify,
    leave_one_fold_out,
    leave_texts_out,
    predict,
    regress,
    score_interval,
)
from emotrace.study.layout import Layout
from emotrace.experiments.probe_features import (
    EMBEDDINGS,
    FRAME_STREAMS,
    PHONES,
    REPRESENTATIONS,
    _aligner,
    write_probe_features,
)
from emotrace.experiments.probe_plan import TARGETS, Material, Probe, Split, read_lines
from emotrace.experiments.probing import (
    RESULTS,
    Probing,
    probing_beside,
    probing_state,
    read_probing,
    run_probing,
)
from emotrace.study.profiles import ALL_MEASURES, Corpus, Profile, ProfileError
from emotrace.training.phones import align

RATE = 16_000


# --- targets of frames


def test_a_click_has_no_tilt():
    click = np.zeros(400)
    click[200] = 1.0
    np.testing.assert_allclose(spectral_tilt(click), 0, atol=1e-9)


@pytest.mark.parametrize("tilt", [-9.0, -6.0, 3.0])
def test_a_filter_of_so_many_db_per_octave_adds_them(tilt):
    noise = np.random.default_rng(0).standard_normal(20 * RATE)
    frequency = np.fft.rfftfreq(len(noise), 1 / RATE)
    gain = (np.maximum(frequency, 20) / 1000) ** (tilt / (20 * np.log10(2)))
    tilted = np.fft.irfft(np.fft.rfft(noise) * gain)
    assert spectral_tilt(tilted).mean() - spectral_tilt(noise).mean() == pytest.approx(tilt, abs=0.2)


def test_tilt_does_not_hear_the_level():
    noise = np.random.default_rng(1).standard_normal(RATE)
    np.testing.assert_allclose(spectral_tilt(noise), spectral_tilt(0.01 * noise), atol=1e-9)


def test_levels_are_those_of_a_sine_and_relative_energy_forgets_the_gain():
    time = np.arange(RATE) / RATE
    sine = np.sin(2 * np.pi * 400 * time)  # ten periods in a frame
    np.testing.assert_allclose(frame_levels(sine), 10 * np.log10(0.5), atol=1e-6)
    swell = sine * np.linspace(0.1, 1, RATE)
    energy, softer = (relative_energy(frame_levels(gain * swell)) for gain in (1.0, 0.05))
    np.testing.assert_allclose(energy, softer, atol=1e-9)
    assert np.mean(10 ** (energy / 10)) == pytest.approx(1)


def test_only_frames_within_forty_db_are_speech_and_silence_has_none():
    time = np.arange(RATE) / RATE
    steps = np.sin(2 * np.pi * 400 * time) * np.where(time < 0.5, 1, np.where(time < 0.75, 0.02, 0.002))
    speech = speech_frames(frame_levels(steps))
    assert speech[:36].all() and not speech[39:].any()
    silence = frame_levels(np.zeros(RATE))
    assert not speech_frames(silence).any() and np.isnan(relative_energy(silence)).all()
    assert silence.max() == FLOOR_DB


def test_frames_are_as_many_as_huberts_and_f0_is_the_nearest_value():
    waveform = np.random.default_rng(0).standard_normal(16_123)
    frames = (len(waveform) - 80) // 320
    assert len(frame_levels(waveform)) == len(spectral_tilt(waveform)) == frames
    track = np.arange(-(-len(waveform) // 160), dtype=float)  # value j is centred on sample 160 j
    centres = 320 * np.arange(frames) + 200
    nearest = np.abs(160 * track[None] - centres[:, None]).argmin(axis=1)
    np.testing.assert_allclose(2 ** log_f0(track, frames), nearest)
    assert np.isnan(log_f0(np.zeros(20), 10)).all()
    with pytest.raises(ValueError, match="does not cover"):
        log_f0(np.zeros(19), 10)
    with pytest.raises(ValueError, match="at least 400 samples"):
        frame_levels(np.zeros(399))


# --- probes


def _features(seed: int = 0, frames: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features (N, 20), hidden F0 (N,), groups (N,)."""
    rng = np.random.default_rng(seed)
    f0 = rng.normal(7.3, 0.3, frames)
    return rng.standard_normal((frames, 20)), f0, np.repeat([f"s{i}" for i in range(6)], frames // 6)


def test_a_feature_that_holds_f0_linearly_is_read_and_noise_is_not():
    noise, f0, groups = _features()
    other_noise, other_f0, _ = _features(1)
    mixing = np.random.default_rng(2).standard_normal((20, 20))
    holds, other_holds = (
        np.column_stack([x[:, :19], 300 * y + 5]) @ mixing for x, y in ((noise, f0), (other_noise, other_f0))
    )
    assert r2_score(other_f0, regress(holds, f0, list(groups), other_holds)) > 0.99
    assert abs(r2_score(other_f0, regress(noise, f0, list(groups), other_noise))) < 0.05


def test_more_channels_than_lines_of_noise_are_regularised_away():
    rng = np.random.default_rng(0)
    x, y, groups = rng.standard_normal((60, 400)), rng.standard_normal(60), [f"s{i % 6}" for i in range(60)]
    test = rng.standard_normal((500, 400))
    assert np.var(regress(x, y, groups, test)) < 0.1
    assert np.var(regress(x, x[:, 0] * 3, groups, test)) < 9


def test_units_of_a_feature_leave_no_trace():
    noise, f0, groups = _features()
    scaled = noise * np.logspace(-3, 3, 20) + 7
    np.testing.assert_allclose(regress(noise, f0, list(groups), noise), regress(scaled, f0, list(groups), scaled))
    labels = np.where(f0 > 7.3, "high", "low")
    assert (classify(noise, labels, noise) == classify(scaled, labels, scaled)).all()


def test_classes_with_other_means_are_told_apart_and_noise_is_chance():
    rng = np.random.default_rng(0)
    labels = rng.choice([str(emotion) for emotion in Emotion], 400)
    noise = rng.standard_normal((400, 30))
    means = {name: 3 * rng.standard_normal(30) for name in np.unique(labels)}
    apart = noise + np.stack([means[name] for name in labels])
    assert np.mean(classify(apart[:200], labels[:200], apart[200:]) == labels[200:]) > 0.99
    assert np.mean(classify(noise[:200], labels[:200], noise[200:]) == labels[200:]) == pytest.approx(0.25, abs=0.1)


def test_balanced_classes_have_the_same_prior():
    """With nothing to see, the frequent class wins by its share; balanced, it does not."""
    rng = np.random.default_rng(0)
    labels = np.array(["often"] * 270 + ["rarely"] * 30)
    noise, test = rng.standard_normal((300, 4)), rng.standard_normal((500, 4))
    assert np.mean(classify(noise, labels, test) == "often") == 1
    assert 0.2 < np.mean(classify(noise, labels, test, balanced=True) == "often") < 0.8


def test_a_class_of_one_line_is_not_learned_and_one_class_is_refused():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((21, 3))
    assert set(classify(x, np.array(["a"] * 10 + ["b"] * 10 + ["c"]), x)) <= {"a", "b"}
    with pytest.raises(ProbeError, match="two classes"):
        classify(x[:11], np.array(["a"] * 10 + ["b"]), x)


def test_what_cannot_be_probed_is_refused():
    x, y, groups = _features()
    with pytest.raises(ProbeError, match="NaN or infinite features"):
        regress(np.where(x > 3, np.nan, x), y, list(groups), x)
    with pytest.raises(ProbeError, match="NaN or infinite targets"):
        regress(x, np.where(y > 7.3, np.nan, y), list(groups), x)
    with pytest.raises(ProbeError, match="two or more"):
        regress(x, y, ["s1"] * len(x), x)
    with pytest.raises(ProbeError, match="do not match"):
        predict(Score.R2, x, y, list(groups), x[:, :3])
    with pytest.raises(ProbeError, match="600 lines that have the target to learn from, 0 to be tested on"):
        predict(Score.R2, x, y, list(groups), x[:0])


# --- scores


def _lines(target, predicted, speakers: int = 4) -> pd.DataFrame:
    names = [f"s{i % speakers}" for i in range(len(target))]
    lines = {"target": target, "predicted": predicted, "speaker": names, "fold": "all"}
    return pd.DataFrame(lines | {"utterance": [f"u{i}" for i in range(len(target))]})


def test_r2_is_that_of_sklearn_for_every_draw():
    rng = np.random.default_rng(0)
    target = rng.normal(1000, 1, 80)
    lines = _lines(target, target + rng.normal(0, 0.7, 80))
    draws = Draws.of(lines, "speaker", 20, 0)
    values = Determination("predicted").weighted(lines, draws)
    for weights, value in zip(draws.weights, values, strict=True):
        weight = weights[draws.groups(lines["speaker"])]
        assert value == pytest.approx(r2_score(lines["target"], lines["predicted"], sample_weight=weight), abs=1e-9)


def test_scores_and_baselines_by_hand():
    labels = ["sad", "sad", "ang", "ang", "ang", "ang", "ang", "ang"]
    lines = _lines(labels, ["sad", "ang", *labels[2:]])
    assert score_interval(lines, Score.ACCURACY, by="speaker", n=50, seed=0).estimate == 7 / 8
    assert score_interval(lines, Score.UAR, by="utterance", n=50, seed=0).estimate == 0.75
    assert baseline(lines, Score.ACCURACY) == 6 / 8 and baseline(lines, Score.UAR) == 0.5


@pytest.mark.parametrize("score", Score)
def test_no_constant_beats_the_baseline(score):
    rng = np.random.default_rng(0)
    labels = rng.choice(["sad", "ang", "hap"], 40, p=[0.5, 0.3, 0.2])
    target = rng.normal(3, 1, 40) if score is Score.R2 else labels
    constants = [*np.linspace(1, 5, 9), target.mean()] if score is Score.R2 else ["sad", "neu", "ang", "hap"]
    found = [
        score_interval(_lines(target, np.full(40, value)), score, by="utterance", n=5, seed=0).estimate
        for value in constants
    ]
    assert max(found) == pytest.approx(baseline(_lines(target, target), score), abs=1e-12)


# --- splits


def _utterances(texts: int = 2, folds: int = 2) -> list[Utterance]:
    return [
        Utterance(f"{s}-{e}-{t}", s, g, Path("x"), f"TEXT {t}", e, str(i % folds))
        for i, (s, g) in enumerate(SPEAKERS.items())
        for e in Emotion
        for t in range(texts)
    ]


def test_no_speaker_is_on_both_sides_of_a_split_between_speakers():
    utterances = _utterances()
    speakers = {u.id: u.speaker for u in utterances}
    folds = leave_one_fold_out(utterances)
    assert len(folds) == 2
    for train, test in folds:
        assert not {speakers[name] for name in train} & {speakers[name] for name in test}
    assert frozenset.union(*(test for _, test in folds)) == set(speakers)
    with pytest.raises(ProbeError, match=r"speakers \['s1'\] are in training and in test"):
        between_speakers(utterances, utterances[:1])
    with pytest.raises(ProbeError, match="has no fold"):
        leave_one_fold_out([replace(u, fold=None) for u in utterances])


@pytest.mark.parametrize(("texts", "groups"), [(2, 2), (6, 6), (9, 6)])
def test_no_text_is_on_both_sides_of_a_split_between_texts_and_every_speaker_is(texts, groups):
    utterances = _utterances(texts)
    text, speaker = ({u.id: getattr(u, name) for u in utterances} for name in ("text", "speaker"))
    folds = leave_texts_out(utterances)
    assert len(folds) == groups
    for train, test in folds:
        assert not {text[name] for name in train} & {text[name] for name in test}
        assert {speaker[name] for name in train} == {speaker[name] for name in test} == set(SPEAKERS)
    assert sum(len(test) for _, test in folds) == len(utterances)
    with pytest.raises(ProbeError, match="say the same"):
        leave_texts_out(_utterances(1))


# --- features of an utterance


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    return make_models(tmp_path_factory.mktemp("models"), layers=(6,))


def test_stored_frames_are_every_fifth_and_stored_phones_those_of_the_sentence(models, tmp_path):
    utterance = phantom().utterances[0]
    write_probe_features(tmp_path / "u", utterance, models, "cpu", True)
    material = Material((utterance,), (tmp_path / "u",), ())
    phone = next(target for target in TARGETS if target.name == "phone")
    lines = read_lines(material, "T6", phone)
    frames = len(frame_levels(np.zeros(_samples(utterance))))
    assert 0.5 * frames / 5 < len(lines.x) < frames / 5
    assert set(lines.targets) <= set(PHONES) and len(set(lines.targets)) > 5
    assert set(lines.owners["utterance"]) == {utterance.id}
    energy = next(target for target in TARGETS if (target.name, target.probe) == ("energy", Probe.FRAME))
    shapes = {name: read_lines(material, name, energy).x.shape[1] for name in FRAME_STREAMS}
    assert shapes == {"log-mel": 80, **{f"T{n}": 16 for n in range(13)}, "soft units": 8}


def _samples(utterance: Utterance) -> int:
    import soundfile

    return soundfile.info(utterance.path).frames


def test_phones_do_not_depend_on_what_was_aligned_before():
    """The tasks of a worker share an aligner, and which tasks those are is chance."""
    speech = {u.id: (load_audio(u.path), u.text) for u in phantom().utterances[:3]}
    forward = {name: align(_aligner(), *pair) for name, pair in speech.items()}
    backward = {name: align(_aligner(), *pair) for name, pair in reversed(speech.items())}
    assert forward == backward and all(forward.values())


def test_a_damaged_file_is_named(models, tmp_path):
    (tmp_path / "u").write_bytes(b"not tensors")
    with pytest.raises(ValueError, match="u: damaged .*repeat the command"):
        read_lines(Material((phantom().utterances[0],), (tmp_path / "u",), ()), "T6", TARGETS[0])


# --- the run


def make_probed_corpus(path: Path) -> DataDir:
    """Four speakers, two emotions, two texts, two folds; words that the aligner knows, though nobody speaks."""
    import soundfile

    utterances = []
    (path / "wav").mkdir(parents=True)
    for u in [u for u in _utterances() if u.emotion in ("sad", "ang")]:
        place = list(SPEAKERS).index(u.speaker) * 30 + list(Emotion).index(u.emotion) * 7 + 11 * int(u.text[-1])
        file = path / "wav" / f"{u.id}.wav"
        soundfile.write(file, tone(0.7, f0=110.0 + place), RATE)
        utterances.append(replace(u, path=file, text=("YES PLEASE", "NO THANKS")[int(u.text[-1])]))
    return write_datadir(path, utterances)


def probed_layout(shared: Path, folder: Path, **options) -> Layout:
    corpora = (Corpus("emotional", shared / "corpus", ALL_MEASURES),)
    profile = Profile("tiny", corpora, folder / "work", folder / "results")
    return Layout(profile, models=shared / "models", **options)


@pytest.fixture(scope="module")
def shared(models, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    make_probed_corpus(folder / "corpus")
    (folder / "models").symlink_to(models)
    return folder


LABELS = tuple(target for target in TARGETS if target.name in ("emotion", "speaker"))  # the fast ones
SCRIPT = """
import sys; sys.path[:0] = sys.argv[3:]
from pathlib import Path
import test_probing
if __name__ == "__main__":
    test_probing.run_labels(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def run_labels(shared: Path, folder: Path) -> Layout:
    """Probe for emotion and speaker alone, in one worker."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emotrace.experiments.probing.TARGETS", LABELS)
        layout = probed_layout(shared, folder)
        run_probing(layout, jobs=1, n_bootstrap=20)
    return layout


@pytest.fixture(scope="module")
def finished(shared, tmp_path_factory) -> Layout:
    return run_labels(shared, tmp_path_factory.mktemp("finished"))


def test_a_killed_run_ends_with_the_same_bytes(shared, finished, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    folders = [str(Path(__file__).parents[1] / "fixtures"), str(Path(__file__).parents[2] / "src")]
    command = [sys.executable, str(tmp_path / "script.py"), str(shared), str(tmp_path), *folders]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": folders[1]})
    _wait_for_files(tmp_path / "work" / "probing", 24, process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "results" / "probing.json").exists()
    left = {path: path.stat().st_mtime_ns for path in (tmp_path / "work" / "probing").rglob("*.safetensors")}
    layout = run_labels(shared, tmp_path)
    assert (tmp_path / "results" / RESULTS).read_bytes() == (finished.profile.results / RESULTS).read_bytes()
    assert left and all(path.stat().st_mtime_ns == made for path, made in left.items())
    assert probing_state(layout, n_bootstrap=20).state == "done"


def _wait_for_files(folder: Path, count: int, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while sum(path.is_file() and path.name[0] != "." for path in folder.rglob("*")) < count:
        assert time.monotonic() < deadline, "waited for five minutes"
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.01)


def test_the_results_have_every_representation_and_say_what_the_intervals_are_over(finished):
    table = read_probing(finished.profile)
    for _, part in table.groupby("target"):
        assert list(part["representation"]) == list(REPRESENTATIONS)
    assert (table["low"] <= table["estimate"]).all() and (table["estimate"] <= table["high"]).all()
    assert set(table["interval_over"]) == {"speakers"}
    assert table.groupby("target")["baseline"].first().to_dict() == {"emotion": 0.5, "speaker": 0.25}
    # two folds of two speakers, two texts: each half of 16 utterances
    assert set(table["n_train"]) == {8} and set(table["n_test"]) == {16}


def test_nothing_is_probed_twice(shared, finished):
    before = (finished.profile.results / "probing.json").stat().st_mtime_ns
    assert run_probing(finished, n_bootstrap=20) is False
    assert (finished.profile.results / "probing.json").stat().st_mtime_ns == before


def test_probing_is_stale_for_the_reason_that_changed(shared, finished, tmp_path, monkeypatch):
    assert probing_state(finished, n_bootstrap=20).state == "done"
    assert probing_state(finished, n_bootstrap=21).reasons == ("n_bootstrap",)
    other = Layout(finished.profile, models=make_models(tmp_path / "models", layers=()))
    (tmp_path / "models" / "gst" / "config.json").write_text("{}")
    assert probing_state(other, n_bootstrap=20).reasons == ("models",)
    fewer = Layout(_with_corpus(finished.profile, _without_last(shared / "corpus", tmp_path)), models=shared / "models")
    assert probing_state(fewer, n_bootstrap=20).reasons == ("data",)
    probing = Probing(finished, n_bootstrap=20)
    monkeypatch.setattr("emotrace.experiments.probing.code_version", lambda parts: "other")
    assert probing_state(finished, n_bootstrap=20).reasons == ("feature_code", "probe_code")
    with pytest.raises(Exception, match="the code changed"):
        probing.require_unchanged_code()


def _with_corpus(profile: Profile, path: Path) -> Profile:
    return replace(profile, corpora=(Corpus("emotional", path, ALL_MEASURES),))


def _without_last(corpus: Path, folder: Path) -> Path:
    return write_datadir(folder / "fewer", DataDir.read(corpus).utterances[:-1]).path


def test_what_is_recorded_is_judged_without_the_data(finished, tmp_path):
    gone = Layout(_with_corpus(finished.profile, tmp_path / "gone"), models=finished.models.folder)
    assert probing_state(gone, n_bootstrap=20).state == "done"
    empty = Layout(replace(gone.profile, results=tmp_path / "none"), models=finished.models.folder)
    assert probing_state(empty).state == "missing"
    with pytest.raises(ProfileError, match="no data to probe"):
        run_probing(empty)
    with pytest.raises(ProfileError, match="emotrace probe --profile tiny"):
        read_probing(empty.profile)
    beside = probing_beside([empty.profile, finished.profile])
    assert len(beside) == len(read_probing(finished.profile)) and set(beside["panel"]) == {"tiny: utterance"}
    assert list(beside["representation"].cat.categories) == list(REPRESENTATIONS)
    with pytest.raises(ProfileError, match="emotrace probe --profile tiny"):
        probing_beside([empty.profile])


def test_provenance_says_what_the_results_depend_on(finished):
    recorded = json.loads((finished.profile.results / "probing.json").read_text())
    assert set(recorded["identity"]["models"]) == {"hubert", "soft", "ecapa", "gst"}
    assert set(recorded["identity"]["data"]) == {"emotional"}
    assert recorded["environment"]["versions"]["scikit-learn"]


def test_regressions_of_a_real_run_stand_on_both_sides(finished, tmp_path):
    """Made-up tones: the mean F0 of an utterance is in its mean log-mel, as two other speakers show."""
    from emotrace.experiments.probe_plan import probe_task

    target = next(target for target in TARGETS if (target.name, target.probe) == ("F0", Probe.MEAN))
    material = Probing(finished)._material(Split.SPEAKERS)
    task = probe_task("log-mel", target, material, tmp_path, 0, 20)
    task.function(task.output, *task.arguments)
    line = json.loads(task.output.read_text())
    assert line["baseline"] == 0 and line["estimate"] > line["baseline"] and line["score"] == "R2"


def test_scale_learns_from_the_training_parts_and_is_tested_on_the_others(tmp_path):
    """Directories in miniature, named as scale's: no actor and no utterance is on both sides."""
    profile = Profile(
        "scale",
        (
            Corpus("emotional", tmp_path / "ravdess" / "test", ALL_MEASURES),
            Corpus("read", tmp_path / "librispeech" / "test", ALL_MEASURES),
        ),
        tmp_path / "work",
        tmp_path / "results",
        ser_training=tmp_path / "ravdess" / "train",
    )
    speakers = {"ravdess/train": "a", "ravdess/test": "b", "librispeech/train": "r", "librispeech/test": "r"}
    for number, (part, letter) in enumerate(speakers.items()):
        corpus = make_probed_corpus(tmp_path / "made" / part)
        moved = [replace(u, id=f"{letter}{u.id}-{number}", speaker=f"{letter}{u.speaker}") for u in corpus]
        write_datadir(tmp_path / part, moved)
    probing = Probing(Layout(profile, models=make_models(tmp_path / "models", layers=())))
    owner = {u.id: part for part in speakers for u in DataDir.read(tmp_path / part)}
    sides = {
        split: [[sorted({owner[name] for name in side}) for side in fold] for fold in probing._material(split).folds]
        for split in Split
    }
    assert sides[Split.SPEAKERS] == [[["ravdess/train"], ["ravdess/test"]]]
    assert sides[Split.TEXTS] == 2 * [[["ravdess/test"], ["ravdess/test"]]]
    assert sides[Split.READING] == [[["librispeech/train"], ["librispeech/test"]]]
    aligned = {task.arguments[0].id: task.arguments[-1] for task in probing.feature_tasks()}
    assert {owner[name] for name, wanted in aligned.items() if wanted} == {"librispeech/train", "librispeech/test"}
    embeddings = {name for target in TARGETS if target.probe is Probe.FRAME for name in target.representations}
    assert not embeddings & set(EMBEDDINGS)
