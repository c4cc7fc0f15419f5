"""B3-IR, B4-IR and B5-IR in miniature: what their IRs hold and what anonymising replaces."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from stand_in import make_corpus
from tiny_models import TARGETS, UNITS, WIDTH, make_models

from emotrace.anonymizer.draws import Selection
from emotrace.anonymizer.targets import load_targets
from emotrace.corpus.audio import load_audio
from emotrace.engine.keys import Keys
from emotrace.pipeline.measures import Measure
from emotrace.pipeline.pipeline import Parts, intermediate_representation
from emotrace.representation import STREAMS
from emotrace.representation.discrete import load_codebook
from emotrace.representation.features import FeatureCache, Features
from emotrace.representation.ir import build_ir
from emotrace.representation.prosody import own_register
from emotrace.representation.spec import BASELINES, StreamSpec
from emotrace.study.groups import GROUPS
from emotrace.study.profiles import Corpus, Profile
from emotrace.study.tasks import anonymising

ROWS = {row.name: row for row in GROUPS["baselines"]}
OFFSETS = {"B3-IR": WIDTH + 2, "B4-IR": WIDTH, "B5-IR": WIDTH + 1}  # channels before what stands for the speaker
SPEAKER = {"B3-IR": 128, "B4-IR": 160, "B5-IR": len(TARGETS)}
SELECTION = Selection(n_farthest=10, n_random=5)
LAYER = StreamSpec("hubert", 12)


@pytest.fixture(scope="module")
def profile(tmp_path_factory) -> Profile:
    folder = tmp_path_factory.mktemp("baselines")
    make_corpus(folder / "corpus")
    return Profile(
        name="tiny",
        corpora=(Corpus("emotional", folder / "corpus", frozenset({Measure.SPEAKER})),),
        work=folder / "work",
        results=folder / "results",
        models=make_models(folder / "models", layers=()),
        selection=SELECTION,
    )


@pytest.fixture(scope="module")
def keys(profile) -> Keys:
    return Keys(profile)


@pytest.fixture(scope="module")
def path(profile):
    return profile.corpora[0].path


@pytest.fixture(scope="module")
def codebook(keys):
    return load_codebook(keys.models, "units")


@pytest.fixture(scope="module")
def features(keys, path, tmp_path_factory) -> Features:
    """The streams of the first utterance by the tiny models."""
    specs = [LAYER, *(StreamSpec(name) for name in ("f0", "log-mel", "prompt", "gst"))]
    cache = FeatureCache(
        tmp_path_factory.mktemp("features"),
        dict.fromkeys(specs, "key"),
        lambda spec: STREAMS.find(spec.name).load(keys.models, spec.layer),
    )
    return Features(keys.data(path).utterances[0], cache)


@pytest.fixture(scope="module")
def irs(keys, path, profile):
    """IRs as they are given to the vocoder: name of a row, number of an utterance, selection -> IR (D, L)."""
    utterances = keys.data(path).utterances

    def ir(name, number=0, selection=SELECTION, **changes):
        utterance, row = replace(utterances[number], **changes), ROWS[name]
        streams = keys.streams(row, path)
        parts = Parts.of(row, keys.models, selection, profile.work / "features", streams, "cpu")
        source = Features(utterance, parts.features, (utterance,))
        return intermediate_representation(source, parts, parts.anonymizer(source))

    return ir


@pytest.mark.parametrize("name", ROWS)
def test_irs_have_discrete_units_prosody_and_a_speaker(irs, name):
    ir = irs(name)
    assert ir.shape[0] == OFFSETS[name] + SPEAKER[name]
    assert len(ir[:WIDTH].unique(dim=1).T) <= UNITS
    assert (ir[OFFSETS[name] :] == ir[OFFSETS[name] :, :1]).all()


def test_the_register_of_a_style_replaces_the_own_one(irs, features, codebook):
    f0, units = irs("B3-IR")[WIDTH], codebook.segmental_ids(features[LAYER])
    own = build_ir(BASELINES["B3-IR"], features.__getitem__, codebook=codebook)[WIDTH]
    factor = (f0 / own)[own > 0]
    assert torch.equal(f0 > 0, own > 0) and factor.std() < 1e-4 * factor.mean() and abs(factor.mean() - 1) > 0.01
    assert own_register(units, features["f0"]) == pytest.approx(float(own[own > 0].mean()), rel=0.2)


def test_prosody_is_by_segment_by_frame_or_absent(irs, features, codebook):
    units = codebook.segmental_ids(features[LAYER])
    doubled = torch.cat([units, units[-1:]]).repeat_interleave(2)[: len(features["f0"])]
    changes = 1 + int((doubled[1:] != doubled[:-1]).sum())
    assert len(torch.unique_consecutive(irs("B3-IR")[WIDTH : WIDTH + 2], dim=1).T) <= changes < len(doubled)
    assert torch.equal(irs("B5-IR")[WIDTH], features["f0"])


def test_the_prompt_of_an_utterance_itself_stands_for_its_speaker(features, codebook):
    spec = BASELINES["B4-IR"]
    own = build_ir(spec, features.__getitem__, codebook=codebook)
    assert torch.equal(own, build_ir(spec, features.__getitem__, speaker=features["prompt"], codebook=codebook))
    assert own.shape[0] == OFFSETS["B4-IR"] + SPEAKER["B4-IR"]


@pytest.mark.parametrize("name", ROWS)
def test_replacements_depend_on_seed_speaker_and_utterance_alone(irs, name):
    start = OFFSETS[name]

    def speakers(numbers, selection=SELECTION):
        return {number: tuple(irs(name, number, selection)[start:, 0].tolist()) for number in numbers}

    once = speakers(range(8))
    assert once == speakers(reversed(range(8)))
    assert len(set(once.values())) > 1
    assert once != speakers(range(8), SELECTION.invocation("enrolment"))
    per_speaker = speakers(range(4), replace(SELECTION, level="speaker"))
    assert len(set(per_speaker.values())) == 1  # the first four utterances are of one speaker


@pytest.mark.parametrize("name", ["B4-IR", "B5-IR"])
def test_the_new_speaker_is_another_one_of_the_same_gender(irs, keys, name):
    targets, start = load_targets(keys.models), OFFSETS[name]
    options = {"B4-IR": zip(targets.speakers, targets.prompts, strict=True), "B5-IR": _numbers(targets)}[name]
    normed = {speaker: [] for speaker in targets.names}
    for speaker, stream in options:
        normed[speaker].append(torch.nn.functional.layer_norm(stream, stream.shape))
    for number, gender in ((0, "f"), (12, "m")):
        found = set()
        for seed in range(12):
            stream = irs(name, number, SELECTION.invocation(str(seed)), speaker=f"{gender}0")[start:, 0]
            found |= {s for s, own in normed.items() if any(torch.allclose(stream, one, atol=1e-5) for one in own)}
        assert len(found) > 2 and found <= {f"{gender}{other}" for other in range(1, 8)}


def _numbers(targets):
    return [(name, targets.one_hot(name)) for name in targets.names]


def test_what_is_recorded_is_what_matters(keys):
    assert keys.models_of(ROWS["B3-IR"]) == ("hubert", "units", "styles", "acoustic-B3-IR")
    assert keys.models_of(ROWS["B4-IR"]) == ("hubert", "units", "targets", "acoustic-B4-IR")
    assert keys.models_of(ROWS["B5-IR"]) == ("hubert", "vq", "targets", "acoustic-B5-IR")
    for row in ROWS.values():
        assert keys.selection(row) == {"level": "utterance", "seed": "2020"}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_rendered_and_its_enrolment_in_a_separate_invocation(keys, path, name):
    data = keys.data(path)
    rendering = keys.rendering(ROWS[name], "emotional", path, {Measure.SPEAKER})
    tasks = anonymising(keys, ROWS[name], rendering, path)
    once = [task for task in tasks if task.output.stem == data.enrolment[0]]
    assert [task.output.parent.name for task in once] == ["wav", "enrolment"]
    for task in once:
        task.function(task.output, *task.arguments)
    audio = [load_audio(task.output) for task in once]
    assert all(len(wave) == len(load_audio(data[data.enrolment[0]].path)) for wave in audio)
    assert all(np.abs(wave).max() == pytest.approx(0.95, abs=0.01) for wave in audio)
    assert (audio[0] != audio[1]).any()
