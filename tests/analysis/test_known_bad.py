"""Anonymizers that hide nobody, by GE2E: which guard speaks for which, and what a trained attacker undoes."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from known_bad import formant_warp, pitch_shift, random_gain
from speech import SHARED, needs_real_speech, phantom

from emotrace.analysis.privacy import IGNORANT, LAZY, ORIGINAL, SEMI, eer_guards, trials_eer
from emotrace.corpus.audio import load_audio
from emotrace.corpus.datadir import DataDir, Utterance
from emotrace.corpus.importers.ravdess import trimmed
from emotrace.corpus.protocol import same_gender_trials
from emotrace.evaluation.asv import Ge2e, asv_scores
from emotrace.evaluation.attackers import Wccn, semi_informed_scores, semi_informed_scores_by_fold

WAVEFORMS = {
    "identity": lambda waveform: waveform,
    "pitch shift": lambda waveform: pitch_shift(waveform, 4.0),
    "formant warp": lambda waveform: formant_warp(waveform, 0.7),
}
GUARDS = {
    "identity": set(),
    "random gain": set(),
    "constant voice": {"training-useless"},
    "same-gender swap": {"same-gender", "above-half", "stronger-attacker"},
    "pitch shift": {"stronger-attacker"},
    "formant warp": {"stronger-attacker"},
}
"""Besides "few-speakers", which speaks for each: the phantom has four speakers of each gender."""


@cache
def ge2e() -> Ge2e:
    return Ge2e()


@cache
def embedded(name: str) -> dict[str, np.ndarray]:
    """Embeddings (256,) of the phantom's utterances, each changed alike."""
    return {u.id: ge2e().embed(WAVEFORMS[name](load_audio(u.path))) for u in phantom()}


def constant_voice(seed: int) -> dict[str, np.ndarray]:
    """In the place of every utterance one of a single man's, at random."""
    rng, own = np.random.default_rng(seed), [u.id for u in phantom() if u.speaker == "m1"]
    return {u.id: embedded("identity")[rng.choice(own)] for u in phantom()}


def swap() -> dict[str, np.ndarray]:
    """In the place of every utterance one of the next speaker of the same gender."""
    successor = {f"{gender}{n}": f"{gender}{n % 4 + 1}" for gender in "fm" for n in range(1, 5)}
    spoken: dict[str, list[str]] = {}
    for utterance in phantom():
        spoken.setdefault(utterance.speaker, []).append(utterance.id)
    pairs = ((spoken[own], spoken[successor[own]]) for own in spoken)
    return {mine: embedded("identity")[theirs] for pair in pairs for mine, theirs in zip(*pair, strict=True)}


def versions(name: str) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Embeddings of the tests, and of a separate invocation for the enrolment."""
    if name == "constant voice":
        return constant_voice(0), constant_voice(1)
    if name == "random gain":  # the level does not change an embedding, see below
        return embedded("identity"), embedded("identity")
    vectors = swap() if name == "same-gender swap" else embedded(name)
    return vectors, vectors


def attacked(name: str) -> pd.DataFrame:
    """The trials of the three attackers on an anonymizer."""
    tests, enrolment = versions(name)
    scores = {
        IGNORANT: asv_scores(phantom(), embedded("identity"), tests),
        LAZY: asv_scores(phantom(), enrolment, tests),
        SEMI: semi_informed_scores_by_fold(phantom(), tests, enrolment, tests, Wccn()),
    }
    return pd.concat([part.assign(row=name, attacker=attacker) for attacker, part in scores.items()])


def rates(trials: pd.DataFrame) -> dict[str, float]:
    return {attacker: trials_eer(part) for attacker, part in trials.groupby("attacker")}


@pytest.mark.parametrize("name", GUARDS)
def test_which_guard_speaks_for_which_anonymizer(name):
    recordings = asv_scores(phantom(), embedded("identity"), embedded("identity")).assign(attacker=ORIGINAL)
    guards = eer_guards(recordings, attacked(name), same_gender=name == "same-gender swap")
    assert {guard.name for guard in guards} == GUARDS[name] | {"few-speakers"}, rates(attacked(name))


def test_who_changes_nothing_is_verified_as_a_recording_is():
    recordings = trials_eer(asv_scores(phantom(), embedded("identity"), embedded("identity")))
    found = rates(attacked("identity"))
    assert recordings <= 0.1 and found[IGNORANT] == found[LAZY] == recordings and found[SEMI] <= 0.1


def test_a_random_gain_changes_no_embedding():
    rng = np.random.default_rng(0)
    for utterance in phantom().utterances[::20]:
        quieter = ge2e().embed(random_gain(load_audio(utterance.path), rng))
        np.testing.assert_allclose(quieter, embedded("identity")[utterance.id], atol=2e-3)


def test_a_constant_voice_is_chance_for_every_attacker():
    assert all(0.4 <= rate <= 0.6 for rate in rates(attacked("constant voice")).values())


def test_a_swap_is_worse_than_chance_for_the_ignorant_and_no_hindrance_for_others():
    found = rates(attacked("same-gender swap"))
    assert found[IGNORANT] > 0.5 and found[LAZY] <= 0.1 and found[SEMI] <= 0.1


@pytest.mark.parametrize(("name", "fooled"), [("pitch shift", 0.35), ("formant warp", 0.3)])
def test_a_trained_attacker_undoes_a_fixed_change(name, fooled):
    found = rates(attacked(name))
    assert found[IGNORANT] >= fooled, found
    assert found[SEMI] <= min(0.25, found[IGNORANT] - 0.12, found[LAZY] - 0.05), found


@needs_real_speech
def test_a_trained_attacker_undoes_a_pitch_shift_of_people(tmp_path):
    """RAVDESS actors 1 to 6 train the attacker, 7 to 12 are verified: calm speech, statement 01 against 02."""
    files = sorted((SHARED / "ravdess_16k").rglob("03-01-02-*.flac"))
    chosen = [file for file in files if int(file.stem[-2:]) <= 12]
    people = [
        Utterance(f.stem, f.stem[-2:], "m" if int(f.stem[-2:]) % 2 else "f", f, fold=f.stem.split("-")[4])
        for f in chosen
    ]
    train, tried = ([u for u in people if (int(u.speaker) > 6) is later] for later in (False, True))
    enrolled = [u for u in tried if u.fold == "01"]
    trials = same_gender_trials(enrolled, [u for u in tried if u.fold == "02"])
    data = DataDir(tmp_path, tuple(people), tuple(u.id for u in enrolled), tuple(trials))
    shifted = {u.id: ge2e().embed(pitch_shift(trimmed(load_audio(u.path)), 4.0)) for u in people}
    originals = {u.id: ge2e().embed(trimmed(load_audio(u.path))) for u in enrolled}
    vectors = np.array([shifted[u.id] for u in train])
    semi = semi_informed_scores(data, vectors, [u.speaker for u in train], shifted, shifted, Wccn())
    found = {
        IGNORANT: trials_eer(asv_scores(data, originals, shifted)),
        LAZY: trials_eer(asv_scores(data, shifted, shifted)),
    }
    found[SEMI] = trials_eer(semi)
    assert found[IGNORANT] >= 0.35 and found[SEMI] <= min(0.15, found[LAZY]), found
