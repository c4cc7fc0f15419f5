"""B3-IR, B4-IR and B5-IR from training to audio, in miniature: what their IRs hold and what anonymising replaces."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from stand_in import make_corpus
from tiny_models import TARGETS, UNITS, WIDTH, make_models

from emotrace.corpus.audio import load_audio
from emotrace.models import Models, load_models
from emotrace.representation.ir import BASELINES, IRError
from emotrace.representation.prosody import own_register
from emotrace.pipeline import pipeline as synthesis
from emotrace.study.groups import GROUPS
from emotrace.study.layout import Layout
from emotrace.study.profiles import Corpus, Measure, Profile, Selection
from emotrace.pipeline.pipeline import selection_configuration, used_models
from emotrace.training import baselines
from emotrace.training.catalogue import TRAINERS, train
from emotrace.training.decoders import Extraction
from emotrace.training.workshop import Budget, Workshop

ROWS = {row.name: row for row in GROUPS["baselines"]}
OFFSETS = {"B3-IR": WIDTH + 2, "B4-IR": WIDTH, "B5-IR": WIDTH + 1}  # channels before what stands for the speaker
SPEAKER = {"B3-IR": 128, "B4-IR": 160, "B5-IR": len(TARGETS)}
SELECTION = Selection(n_farthest=10, n_random=5)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("baselines")
    make_corpus(folder / "corpus")
    make_models(folder / "models", layers=())
    return folder


@pytest.fixture(scope="module")
def layout(folder) -> Layout:
    corpus = Corpus("emotional", folder / "corpus", frozenset({Measure.SPEAKER}))
    profile = Profile("tiny", (corpus,), folder / "work", folder / "results", selection=SELECTION)
    return Layout(profile, models=folder / "models")


@pytest.fixture(scope="module")
def features(layout):
    """Features of the first utterance by the tiny models."""
    corpus = layout.profile.corpora[0]
    return layout.studio(ROWS["B3-IR"], corpus).store().get(layout.data(corpus.path).utterances[0])


@pytest.fixture
def irs(layout, monkeypatch):
    """IRs as they are given to the vocoder: utterance by number, row, selection and its name -> IR (D, L)."""
    corpus = layout.profile.corpora[0]
    utterances = layout.data(corpus.path).utterances
    monkeypatch.setattr(synthesis, "_vocode", lambda row, ir, samples, studio: ir)

    def ir(name, number=0, selection=SELECTION, **changes):
        utterance = replace(utterances[number], **changes)
        samples = torch.from_numpy(load_audio(utterance.path))
        studio = layout.studio(ROWS[name], corpus)
        return synthesis._render(ROWS[name], samples, utterance, studio, selection, (utterance,))

    return ir


@pytest.mark.parametrize("name", ROWS)
def test_irs_have_discrete_units_prosody_and_a_speaker(irs, name):
    ir = irs(name)
    assert ir.shape[0] == OFFSETS[name] + SPEAKER[name]
    assert len(ir[:WIDTH].unique(dim=1).T) <= UNITS
    assert (ir[OFFSETS[name] :] == ir[OFFSETS[name] :, :1]).all()


def test_the_register_of_a_style_replaces_the_own_one(irs, features, layout):
    f0, segment = irs("B3-IR")[WIDTH], layout.models.codebook("kmeans").segmental_ids(features.layers[12])
    own = features.ir(BASELINES["B3-IR"], codebook=layout.models.codebook("kmeans"))[WIDTH]
    factor = (f0 / own)[own > 0]
    assert torch.equal(f0 > 0, own > 0) and factor.std() < 1e-4 * factor.mean() and abs(factor.mean() - 1) > 0.01
    assert own_register(segment, features.f0) == pytest.approx(float(own[own > 0].mean()), rel=0.2)


def test_prosody_is_by_segment_by_frame_or_absent(irs, features, layout):
    units = layout.models.codebook("kmeans").segmental_ids(features.layers[12])
    doubled = torch.cat([units, units[-1:]]).repeat_interleave(2)[: len(features.f0)]
    changes = 1 + int((doubled[1:] != doubled[:-1]).sum())
    assert len(torch.unique_consecutive(irs("B3-IR")[WIDTH : WIDTH + 2], dim=1).T) <= changes < len(doubled)
    assert torch.equal(irs("B5-IR")[WIDTH], features.f0)


def test_the_acoustic_prompt_is_mean_and_standard_deviation_of_the_log_mel(features, layout):
    mel = features.log_mel.numpy().astype(np.float64)
    np.testing.assert_allclose(features.prompt.numpy(), np.concatenate([mel.mean(1), mel.std(1)]), rtol=1e-4)
    spec, codebook = BASELINES["B4-IR"], layout.models.codebook("kmeans")
    own = features.ir(spec, codebook=codebook)
    assert torch.equal(own, features.ir(spec, speaker=features.prompt, codebook=codebook))


def test_an_utterance_does_not_tell_its_speakers_number(features, layout):
    with pytest.raises(IRError, match="B5-IR: say which speaker"):
        features.ir(BASELINES["B5-IR"], codebook=layout.models.codebook("vq"))


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
def test_the_new_speaker_is_another_one_of_the_same_gender(irs, layout, name):
    targets, start = layout.models.targets, OFFSETS[name]
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


def test_what_is_recorded_is_what_matters():
    assert used_models(ROWS["B3-IR"]) == ("hubert", "units", "styles", "acoustic-B3-IR")
    assert used_models(ROWS["B4-IR"]) == ("hubert", "units", "targets", "acoustic-B4-IR")
    assert used_models(ROWS["B5-IR"]) == ("hubert", "vq", "targets", "acoustic-B5-IR")
    for row in ROWS.values():
        assert selection_configuration(row, SELECTION) == {"level": "utterance", "seed": "2020"}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_rendered_and_its_enrolment_in_a_separate_invocation(layout, name):
    corpus, row = layout.profile.corpora[0], ROWS[name]
    data = layout.data(corpus.path)
    once = [task for task in layout.synthesis_tasks(row) if task.output.stem == data.enrolment[0]]
    assert [task.output.parent.name for task in once] == ["wav", "enrolment"]
    for task in once:
        task.function(task.output, *task.arguments)
    audio = [load_audio(task.output) for task in once]
    assert all(len(wave) == len(load_audio(data[data.enrolment[0]].path)) for wave in audio)
    assert all(np.abs(wave).max() == pytest.approx(0.95, abs=0.01) for wave in audio)
    assert (audio[0] != audio[1]).any()


@pytest.fixture(scope="module")
def workshop(folder, tmp_path_factory) -> Workshop:
    """Tiny front-ends, a few steps, the original speed and one copy; codebooks, styles and targets are made anew."""
    out = tmp_path_factory.mktemp("out")
    for name in ("hubert", "soft", "ecapa", "gst"):
        (out / name).symlink_to(folder / "models" / name)
    budget = Budget(acoustic=4)
    workshop = Workshop((folder / "corpus",), folder / "training", out, budget, copies=(1.15,))
    with pytest.MonkeyPatch.context() as patch:
        few = {name: (kind, 4) for name, (kind, _) in baselines.KINDS.items()}
        patch.setattr(baselines, "KINDS", few)
        for name in ("units", "vq", "styles", "targets"):
            train(name, workshop)
    return workshop


def test_codebooks_styles_and_targets_come_from_the_training_speech_and_its_copies(workshop):
    models, data = Models(workshop.out), workshop.augmented_set
    assert models.codebook("kmeans").codes.shape == models.codebook("vq").codes.shape == (4, WIDTH)
    assert set(models.targets.names) == {"s1", "s2", "s3", "s4", *(f"s{n}-speed1.15" for n in range(1, 5))}
    extraction = Extraction(models, workshop.work / "features")
    prompts = torch.stack([features.prompt for features in extraction.each(data)])
    torch.testing.assert_close(models.targets.prompts, prompts, rtol=0.01, atol=0.01)
    styles = torch.stack([models.gst.embed(torch.from_numpy(waveform), seed=0) for waveform in data.waveforms])
    torch.testing.assert_close(models.styles.mean[:-1], styles.mean(0), rtol=0.01, atol=1e-3)
    f0 = [features.f0[features.f0 > 0].mean() for features in extraction.each(data)]
    assert float(models.styles.mean[-1].exp()) == pytest.approx(float(torch.stack(f0).log().mean().exp()), rel=0.1)


@pytest.mark.parametrize("name", ROWS)
def test_acoustic_models_learn_from_the_utterances_own_speaker(workshop, name):
    models, data = load_models(workshop.out), workshop.augmented_set
    irs = Extraction(models, workshop.work / "features").irs(data, BASELINES[name])
    own = [ir[OFFSETS[name] :, 0] for ir in irs]
    if name == "B5-IR":
        assert [int(one.argmax()) for one in own] == [models.targets.names.index(u.speaker) for u in data.utterances]
    train(f"acoustic-{name}", workshop)
    model = models.acoustic(f"acoustic-{name}")
    with torch.inference_mode():
        mel = model(irs[0][None], 50)
    assert mel.shape == (1, 80, 50) and torch.isfinite(mel).all()


def test_there_is_no_unified_vocoder_of_these_irs():
    assert not [name for name in TRAINERS if name.startswith("unified-B")]
    assert all(f"acoustic-{name}" in TRAINERS for name in BASELINES)
