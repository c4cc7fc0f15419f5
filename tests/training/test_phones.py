"""Forced phone alignment of speech whose words and pauses are known."""

from dataclasses import replace

import numpy as np
import pocketsphinx
import pytest
from speech import phantom, phantom_speech

from emotrace.training.data import TrainingSet
from emotrace.training.hubert import FRAME_HOP, FRAME_WINDOW, align, labelled_by_phone, n_frames


@pytest.fixture(scope="module")
def spoken():
    return phantom().utterances[0], phantom_speech(0)


def test_phones_are_those_of_the_words_in_their_order(spoken):
    utterance, waveform = spoken
    aligner = pocketsphinx.Decoder(loglevel="FATAL", lm=None)
    found = align(aligner, waveform, utterance.text)
    assert abs(len(found) - len(waveform) / 160) <= 3
    in_order = [phone for i, phone in enumerate(found) if phone != "SIL" and (i == 0 or found[i - 1] != phone)]
    written = [phone for word in utterance.text.lower().split() for phone in aligner.lookup_word(word).split()]
    # variants of a word differ in a phone or two: most must agree, in order
    assert len(in_order) == pytest.approx(len(written), abs=4)
    assert len(set(in_order) & set(written)) >= 0.8 * len(set(written))


def test_added_silence_is_silence_and_shifts_the_phones(spoken):
    utterance, waveform = spoken
    noise = 1e-4 * np.random.default_rng(0).standard_normal(8_000).astype(np.float32)
    aligner = pocketsphinx.Decoder(loglevel="FATAL", lm=None)
    alone, later = (align(aligner, w, utterance.text) for w in (waveform, np.concatenate([noise, waveform])))
    first = [next(i for i, phone in enumerate(found) if phone != "SIL") for found in (alone, later)]
    assert first[1] - first[0] == pytest.approx(50, abs=6)


def test_labels_follow_the_repetitions_of_a_short_utterance(spoken):
    utterance, waveform = spoken
    wanted = 2 * len(waveform) + 1
    labelled = labelled_by_phone(TrainingSet((utterance,), (waveform,)), wanted)
    assert len(labelled.waveforms[0]) == 3 * len(waveform)
    assert len(labelled.labels[0]) == n_frames(3 * len(waveform))
    period = len(waveform)
    frames = np.arange(len(labelled.labels[0]))
    places = (frames * FRAME_HOP + FRAME_WINDOW // 2) % period
    once = {place // 160: label for place, label in zip(places, labelled.labels[0], strict=True)}
    assert [once[place // 160] for place in places] == labelled.labels[0].tolist()


def test_words_outside_the_dictionary_leave_the_utterance_out(spoken):
    utterance, waveform = spoken
    strange = replace(utterance, text="XQZZY FRUMBLE")
    labelled = labelled_by_phone(TrainingSet((utterance, strange), (waveform, waveform)), 16_000)
    assert len(labelled.labels) == 1
    with pytest.raises(ValueError, match="none of 1 utterances could be aligned"):
        labelled_by_phone(TrainingSet((strange,), (waveform,)), 16_000)
