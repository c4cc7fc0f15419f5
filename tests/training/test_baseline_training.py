"""What B3-IR, B4-IR and B5-IR need, trained in miniature: codebooks, styles, target speakers, acoustic models."""

from pathlib import Path

import pytest
import torch
from stand_in import make_corpus
from tiny_models import WIDTH, make_models

from emotrace.anonymizer import ANONYMIZERS
from emotrace.anonymizer.draws import Selection
from emotrace.anonymizer.targets import load_targets
from emotrace.representation.discrete import load_codebook
from emotrace.representation.gst import load_gst
from emotrace.representation.spec import BASELINES, StreamSpec
from emotrace.training import baselines
from emotrace.training.catalogue import TRAINERS, train
from emotrace.training.run import Steps, TrainingRun
from emotrace.vocoder.universal import load_acoustic

OFFSETS = {"B3-IR": WIDTH + 2, "B4-IR": WIDTH, "B5-IR": WIDTH + 1}  # channels before what stands for the speaker
CODES = 4


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> TrainingRun:
    """Tiny front-ends, a few steps, the original speed and one copy; codebooks, styles and targets are made anew."""
    folder: Path = tmp_path_factory.mktemp("training")
    make_corpus(folder / "corpus")
    make_models(folder / "models", layers=())
    (folder / "out").mkdir()
    for name in ("hubert", "soft", "ecapa", "gst"):
        (folder / "out" / name).symlink_to(folder / "models" / name)
    run = TrainingRun((folder / "corpus",), folder / "work", folder / "out", steps=Steps(acoustic=4), copies=(1.15,))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(baselines, "KINDS", {name: (kind, CODES, of) for name, (kind, _, of) in baselines.KINDS.items()})
        for name in ("units", "vq", "styles", "targets"):
            train(name, run)
    return run


def test_codebooks_styles_and_targets_come_from_the_training_speech_and_its_copies(run):
    models, data = run.models, run.augmented_set
    assert all(load_codebook(models, name).codes.shape == (CODES, WIDTH) for name in ("units", "vq"))
    targets, styles = load_targets(models), ANONYMIZERS.find("sampled-styles").load(models, Selection()).styles
    assert set(targets.names) == {"s1", "s2", "s3", "s4", *(f"s{n}-speed1.15" for n in range(1, 5))}
    features = list(run.features.each(data, [StreamSpec("f0"), StreamSpec("prompt")]))
    prompts = torch.stack([own["prompt"] for own in features])
    torch.testing.assert_close(targets.prompts, prompts, rtol=0.01, atol=0.01)
    gst = load_gst(models)
    embeddings = torch.stack([gst.embed(torch.from_numpy(waveform), seed=0) for waveform in data.waveforms])
    torch.testing.assert_close(styles.mean[:-1], embeddings.mean(0), rtol=0.01, atol=1e-3)
    f0 = torch.stack([own["f0"][own["f0"] > 0].mean() for own in features])
    assert float(styles.mean[-1].exp()) == pytest.approx(float(f0.log().mean().exp()), rel=0.1)


@pytest.mark.parametrize("name", BASELINES)
def test_acoustic_models_learn_from_the_utterances_own_speaker(run, name):
    data, names = run.augmented_set, load_targets(run.models).names
    irs = run.features.irs(data, BASELINES[name])
    own = [ir[OFFSETS[name] :, 0] for ir in irs]
    if name == "B5-IR":
        assert [int(one.argmax()) for one in own] == [names.index(u.speaker) for u in data.utterances]
    train(f"acoustic-{name}", run)
    with torch.inference_mode():
        mel = load_acoustic(run.models, f"acoustic-{name}")(irs[0][None], 50)
    assert mel.shape == (1, 80, 50) and torch.isfinite(mel).all()


def test_there_is_no_unified_vocoder_of_these_irs():
    assert not [name for name in TRAINERS if name.startswith("unified-B")]
    assert all(f"acoustic-{name}" in TRAINERS for name in BASELINES)
