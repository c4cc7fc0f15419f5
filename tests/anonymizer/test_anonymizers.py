"""Every anonymizer of the registry says truly what it is made of, what it reads and which settings matter."""

from dataclasses import replace
from zlib import crc32

import pytest
import torch
from stand_in import make_corpus
from tiny_models import make_models

from emotrace.anonymizer import ANONYMIZERS
from emotrace.anonymizer.draws import Selection
from emotrace.weights import ModelError, ModelFolder

SELECTION = Selection(n_farthest=10, n_random=5)
OTHER = {"level": "speaker", "n_farthest": 12, "n_random": 6, "seed": "2021"}
"""Another value of each field of a selection."""


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> ModelFolder:
    return ModelFolder(make_models(tmp_path_factory.mktemp("models"), layers=()))


@pytest.fixture(scope="module")
def utterances(tmp_path_factory):
    return make_corpus(tmp_path_factory.mktemp("corpus")).utterances


class MadeUpFeatures:
    """The features of an utterance: a random vector for each stream, by the name of the utterance."""

    def __init__(self, utterance, utterances, streams):
        self.utterance, self.utterances, self.streams = utterance, utterances, streams

    def __getitem__(self, stream):
        return self._vector(stream, self.utterance)

    def speaker_mean(self, stream):
        own = [one for one in self.utterances if one.speaker == self.utterance.speaker]
        return torch.stack([self._vector(stream, one) for one in own]).mean(0)

    def _vector(self, stream, utterance):
        assert stream in self.streams, f"{stream} is read and not declared"
        return torch.randn(192, generator=torch.Generator().manual_seed(crc32(utterance.id.encode())))


def replacements(name: str, models: ModelFolder, utterances, selection: Selection = SELECTION) -> dict[str, tuple]:
    """What stands for the speaker of each utterance, by its id."""
    kind = ANONYMIZERS.find(name)
    anonymizer = kind.load(models, selection)
    made = {one.id: anonymizer(MadeUpFeatures(one, utterances, kind.streams)) for one in utterances}
    return {name: (tuple(one.speaker.tolist()), one.register) for name, one in made.items()}


@pytest.mark.parametrize("name", ANONYMIZERS)
def test_an_anonymizer_is_loaded_from_the_models_that_it_names_alone(name, models, utterances, tmp_path):
    for model in ANONYMIZERS.find(name).models:
        with pytest.raises(ModelError, match=f"no model '{model}'"):
            ANONYMIZERS.find(name).load(ModelFolder(tmp_path), SELECTION)
        (tmp_path / model).symlink_to(models.path(model))
    expected = replacements(name, models, utterances)
    assert replacements(name, ModelFolder(tmp_path), utterances) == expected


@pytest.mark.parametrize("name", ANONYMIZERS)
def test_the_settings_that_are_named_matter_and_no_others(name, models, utterances):
    before = replacements(name, models, utterances)
    for setting, value in OTHER.items():
        after = replacements(name, models, utterances, replace(SELECTION, **{setting: value}))
        assert (after != before) == (setting in ANONYMIZERS.find(name).settings), setting


@pytest.mark.parametrize("name", ANONYMIZERS)
def test_replacements_depend_on_seed_speaker_and_utterance_alone(name, models, utterances):
    once = replacements(name, models, utterances)
    assert once == replacements(name, models, utterances[::-1])
    assert len(set(once.values())) > 1
    assert once != replacements(name, models, utterances, SELECTION.invocation("enrolment"))


@pytest.mark.parametrize("name", ANONYMIZERS)
def test_at_level_speaker_a_speaker_has_one_voice(name, models, utterances):
    made = replacements(name, models, utterances, replace(SELECTION, level="speaker"))
    voices = {speaker: {made[one.id] for one in utterances if one.speaker == speaker} for speaker in ("s1", "s2", "s3")}
    assert all(len(found) == 1 for found in voices.values())
    assert len(set().union(*voices.values())) > 1
