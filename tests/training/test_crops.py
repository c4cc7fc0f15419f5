"""Features of a training crop: cut from the utterance's or extracted from the crop, and the paper's settings."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from accelerate import Accelerator
from stand_in import make_corpus, tone
from tiny_models import make_models

from emotrace.corpus.datadir import Utterance
from emotrace.representation.spec import IRSpec
from emotrace.training import unified
from emotrace.training.catalogue import IRS
from emotrace.training.data import TrainingFeatures, TrainingSet
from emotrace.training.run import Steps, TrainingRun
from emotrace.training.unified import DiscriminatorConfig, UnifiedConfig
from emotrace.training.vocoder import (
    FRAMES,
    SEGMENT,
    CropFeatures,
    UtteranceFeatures,
    VocoderTraining,
    train_unified,
)
from emotrace.vocoder.hifigan import HifiGan, HifiGanConfig
from emotrace.weights import ModelError, ModelFolder, read_weights

TINY = DiscriminatorConfig((2, 2), (2, 2, 2, 2, 2, 2, 2), (1, 1, 1, 1, 1, 1, 1))
STUDIED = ("log-mel", "none-T1", "none-T6", "ECAPA-T6", "ECAPA-T12-soft", "GST-T12-soft")


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> ModelFolder:
    return ModelFolder(make_models(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def utterance() -> np.ndarray:
    """A gliding buzz of 0.84 s: no two crops of it are alike."""
    rise = np.cumsum(np.linspace(120, 300, 13_440)) / 16_000
    return (0.3 * np.sign(np.sin(2 * np.pi * rise))).astype(np.float32) * np.hanning(13_440).astype(np.float32)


def cached_ir(models: ModelFolder, waveform: np.ndarray, spec: IRSpec, folder) -> torch.Tensor:
    """The IR (D, L) of a waveform (T,) as the default mode has it: from streams of the whole file, kept on disk."""
    soundfile.write(folder / "it.wav", waveform, 16_000, subtype="FLOAT")
    data = TrainingSet((Utterance("it", "s1", "f", folder / "it.wav"),), (waveform,))
    return TrainingFeatures(models, folder / "features").irs(data, spec)[0]


@pytest.mark.parametrize("name", STUDIED)
def test_an_utterance_that_is_the_crop_has_the_same_features_either_way(models, utterance, name, tmp_path):
    crop, spec = utterance[2_000 : 2_000 + SEGMENT], IRS[name]
    cached = UtteranceFeatures([cached_ir(models, crop, spec, tmp_path)])(0, 0)
    extracted = CropFeatures.load([crop], spec, models)(0, 0)
    assert cached.shape == extracted.shape and cached.shape[1] == FRAMES
    assert torch.equal(cached, extracted)


@pytest.mark.parametrize("name", STUDIED)
def test_within_an_utterance_the_shapes_agree_and_the_values_do_not(models, utterance, name, tmp_path):
    spec = IRS[name]
    cached = UtteranceFeatures([cached_ir(models, utterance, spec, tmp_path)])(0, 20)
    extracted = CropFeatures.load([utterance], spec, models)(0, 20)
    assert cached.shape == extracted.shape
    assert not torch.allclose(cached, extracted)


def test_neither_mode_needs_a_model_that_its_ir_does_not(models, utterance, tmp_path):
    for name in ("hubert", "ecapa"):
        (tmp_path / name).symlink_to(models.path(name))
    few = ModelFolder(tmp_path)
    spec = IRSpec(layer=6, speaker="ecapa")
    assert CropFeatures.load([tone()], spec, few)(0, 2).shape == (16 + 1 + 192, FRAMES)
    assert len(cached_ir(few, utterance, spec, tmp_path)) == 16 + 1 + 192
    with pytest.raises(ModelError, match="no model 'soft'"):
        CropFeatures.load([tone()], IRS["ECAPA-T12-soft"], few)
    with pytest.raises(ModelError, match="no model 'soft'"):
        cached_ir(few, utterance, IRS["ECAPA-T12-soft"], tmp_path)


def test_streams_are_computed_once_and_anew_with_another_version_of_their_model(models, utterance, tmp_path):
    for name in ("hubert", "ecapa"):
        (tmp_path / name).symlink_to(models.path(name))
    spec, few = IRSpec(layer=6, speaker="ecapa"), ModelFolder(tmp_path)
    first = cached_ir(few, utterance, spec, tmp_path)
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "features").glob("*/*")}
    assert sorted(path.parent.name.rpartition("-")[0] for path in files) == ["ecapa", "f0", "hubert-T6"]
    assert torch.equal(cached_ir(few, utterance, spec, tmp_path), first)
    (tmp_path / "ecapa").unlink()
    config = (models.path("ecapa") / "config.json").read_text()
    weights = (models.path("ecapa") / "model.safetensors").read_bytes()
    (tmp_path / "ecapa").mkdir()
    (tmp_path / "ecapa" / "config.json").write_text(config + "\n")
    (tmp_path / "ecapa" / "model.safetensors").write_bytes(weights)
    cached_ir(few, utterance, spec, tmp_path)
    later = {path: path.stat().st_mtime_ns for path in (tmp_path / "features").glob("*/*")}
    assert {path: later[path] for path in files} == files
    assert [path.parent.name.partition("-")[0] for path in later.keys() - files.keys()] == ["ecapa"]


@pytest.mark.parametrize("features", ["utterance", "crop"])
def test_a_unified_vocoder_is_trained_in_either_mode_and_saved(models, tmp_path, features):
    make_corpus(tmp_path / "corpus")
    for name in models.names():
        (tmp_path / "out" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "out" / name).symlink_to(models.path(name))
    config = UnifiedConfig(32, TINY, batch_size=2, steps=2, features=features)
    run = TrainingRun((tmp_path / "corpus",), tmp_path / "work", tmp_path / "out", Steps(unified=config))
    train_unified(run, IRS["ECAPA-T6"])
    saved = read_weights(tmp_path / "out" / "unified-ECAPA-T6" / "model.safetensors")
    HifiGan(HifiGanConfig(16 + 1 + 192, initial_channels=32)).load_state_dict(saved)
    assert (tmp_path / "work" / "features").exists() == (features == "utterance")


def test_the_papers_settings_are_those_of_its_repository():
    """Batch 32, 100k steps, 512 channels; the original's features are a mode."""
    paper = unified.PAPER
    assert (paper.batch_size, paper.steps, paper.channels) == (32, 100_000, 512)
    assert paper.features == "utterance" and unified.ORIGINAL == replace(paper, features="crop")
    assert paper.discriminators.period_channels == (32, 128, 512, 1024, 1024)
    assert paper.discriminators.scale_channels == (128, 128, 256, 512, 1024, 1024, 1024)


def test_a_step_at_the_papers_width_moves_both_networks():
    """One crop; HiFi-GAN of 14.2 M parameters, soft units + F0 + ECAPA, full discriminators."""
    waveform, ir = tone(0.8), torch.randn(200 + 1 + 192, 80)
    torch.manual_seed(0)
    generator = HifiGan(HifiGanConfig(len(ir), initial_channels=unified.PAPER.channels))
    features, discriminators = UtteranceFeatures([ir]), unified.PAPER.discriminators
    recipe = VocoderTraining(generator, [waveform], features, discriminators=discriminators, batch_size=1)
    sizes = {name: sum(p.numel() for p in module.parameters()) / 1e6 for name, module in recipe.modules.items()}
    assert sizes == pytest.approx({"generator": 14.2, "discriminators": 70.7}, abs=0.05)
    before = {name: next(module.parameters()).clone() for name, module in recipe.modules.items()}
    losses = recipe.update(recipe.batch(np.random.default_rng(0)), 0, Accelerator(cpu=True))
    assert all(np.isfinite(value) for value in losses.values())
    assert all(not torch.equal(before[name], next(m.parameters())) for name, m in recipe.modules.items())


def test_an_unknown_kind_of_features_is_refused():
    with pytest.raises(ValueError, match="no features 'crops'; there are: utterance, crop"):
        replace(unified.PAPER, features="crops")


def test_a_process_extracts_the_features_of_its_own_crops_alone():
    asked = []

    def features(index: int, first: int) -> torch.Tensor:
        asked.append((index, first))
        return torch.full((2, FRAMES), float(index * 1_000 + first))

    waveforms = [np.arange(12_800, dtype=np.float32) + 20_000 * i for i in range(3)]
    recipe = VocoderTraining(torch.nn.Linear(1, 1), waveforms, features, discriminators=TINY, batch_size=6)
    whole = recipe.batch(np.random.default_rng(7))
    drawn = asked.copy()
    asked.clear()
    parts = [recipe.part(np.random.default_rng(7), index, 3) for index in range(3)]
    assert asked == drawn and len(drawn) == 6
    for name in ("ir", "waveform"):
        assert torch.equal(torch.cat([part[name] for part in parts]), whole[name])
