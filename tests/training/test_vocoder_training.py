"""The recipe of vocoders that learn from waveforms: crops, both sides, exact resume."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from shared_training import Frames

from emotrace.representation.spec import IRSpec, StreamSpec
from emotrace.training.loop import LoopConfig, fit
from emotrace.training.unified import DiscriminatorConfig
from emotrace.training.vocoder import FRAMES, SEGMENT, CropFeatures, UtteranceFeatures, VocoderTraining

TINY = DiscriminatorConfig((2, 2), (2, 2, 2, 2, 2, 2, 2), (1, 1, 1, 1, 1, 1, 1))


def ramps(utterances=3, frames=80):
    """Waveforms whose sample t is t / 2^15, and IRs (2, L) whose frame l is the time of its first sample."""
    waveforms = [np.arange(frames * 160, dtype=np.float32) / 2**15 for _ in range(utterances)]
    irs = [
        torch.stack([torch.arange(frames) * 160 / 2**15, torch.full((frames,), float(i))]) for i in range(utterances)
    ]
    return waveforms, irs


def tones(utterances=4):
    """Buzzing waveforms of random loudness (12,800,) and their loudness as IR (2, 80)."""
    torch.manual_seed(0)
    loudness = [torch.rand(80) for _ in range(utterances)]
    carrier = torch.sign(torch.sin(torch.arange(12_800) * 0.05))
    waveforms = [(0.5 * curve.repeat_interleave(160) * carrier).numpy() for curve in loudness]
    return waveforms, [torch.stack([curve, curve.square()]) for curve in loudness]


def training(**options):
    waveforms, irs = tones()
    torch.manual_seed(0)
    return VocoderTraining(Frames(2), waveforms, UtteranceFeatures(irs), discriminators=TINY, batch_size=2, **options)


def weights(recipe):
    return {f"{name}.{key}": value for name, part in recipe.modules.items() for key, value in part.state_dict().items()}


def test_a_crop_and_its_ir_are_of_the_same_time():
    waveforms, irs = ramps()
    recipe = VocoderTraining(
        torch.nn.Linear(1, 1), waveforms, UtteranceFeatures(irs), discriminators=TINY, batch_size=40
    )
    batch = recipe.batch(np.random.default_rng(0))
    assert batch["ir"].shape == (40, 2, FRAMES) and batch["waveform"].shape == (40, 1, SEGMENT)
    assert torch.equal(batch["ir"][:, 0], batch["waveform"][:, 0, ::160])
    assert set(batch["ir"][:, 1, 0].tolist()) == {0.0, 1.0, 2.0}
    firsts = batch["waveform"][:, 0, 0] * 2**15 / 160
    assert firsts.min() < 5 and firsts.max() > 19  # from the begin to the end of an utterance


def test_an_ir_that_ends_a_frame_early_is_held():
    _, irs = ramps(frames=80)
    crop = UtteranceFeatures([irs[0][:, :79]])(0, 24)
    assert crop.shape == (2, FRAMES) and torch.equal(crop[:, -1], crop[:, -2])


def test_crop_features_are_computed_from_nothing_but_the_crop():
    waveforms, _ = ramps()
    given = []

    def stream(crop: torch.Tensor) -> torch.Tensor:
        given.append(crop)
        return torch.linspace(0, 1, 27 * 6).view(27, 6)

    spec = IRSpec(layer=6, f0=False)
    ir = CropFeatures(waveforms, spec, {StreamSpec("hubert", 6): stream})(2, 10)
    assert ir.shape == (6, FRAMES)
    scale = 0.95 / waveforms[2].max()  # of the whole utterance's peak
    assert [len(crop) for crop in given] == [SEGMENT]
    np.testing.assert_allclose(given[0].numpy(), scale * waveforms[2][1600 : 1600 + SEGMENT], rtol=1e-6)


def test_a_crop_that_is_not_within_the_utterance_is_refused():
    waveforms, _ = ramps(frames=60)
    features = CropFeatures(waveforms, IRSpec(layer=6), {})
    for first in (-1, 5):
        with pytest.raises(ValueError, match="is not within 9600 samples"):
            features(0, first)


def test_a_step_moves_both_sides_by_their_own_losses():
    recipe = training()
    before = {key: value.clone() for key, value in weights(recipe).items()}
    losses = recipe.update(recipe.batch(np.random.default_rng(0)), 0, Accelerator(cpu=True))
    assert losses.keys() == {"discriminators", "mel", "features", "adversarial"}
    moved = {key.split(".")[0] for key, value in weights(recipe).items() if not torch.equal(before[key], value)}
    assert moved == {"generator", "discriminators"}
    # the generator's step leaves no gradient in the discriminators: they would learn from the wrong loss
    assert all(not parameter.requires_grad for parameter in recipe.modules["discriminators"].parameters())


def test_learning_rates_are_the_papers():
    recipe = training()
    accelerator, rates = Accelerator(cpu=True), []
    for step in range(5):
        rates.append([recipe.optimisers[name].param_groups[0]["lr"] for name in ("generator", "discriminators")])
        recipe.update(recipe.batch(np.random.default_rng(step)), step, accelerator)
    # four utterances in batches of two: an epoch is two steps
    expected = [2e-4, 2e-4, 2e-4 * 0.999, 2e-4 * 0.999, 2e-4 * 0.999**2]
    assert all(rate == other for rate, other in rates)
    assert [rate for rate, _ in rates] == pytest.approx(expected, rel=1e-9)


def test_the_generator_learns():
    recipe = training()
    accelerator, rng = Accelerator(cpu=True), np.random.default_rng(0)
    mel = [recipe.update(recipe.batch(rng), step, accelerator)["mel"] for step in range(40)]
    assert np.mean(mel[-5:]) < 0.93 * np.mean(mel[:5])


def test_resuming_is_exact(tmp_path):
    whole, broken, resumed = training(), training(), training()
    fit(whole, LoopConfig(4), tmp_path / "whole")
    fit(broken, LoopConfig(3), tmp_path / "broken")
    fit(resumed, LoopConfig(4), tmp_path / "broken")
    for key, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[key]), key


def test_short_utterances_are_refused():
    waveforms, irs = ramps(frames=55)
    with pytest.raises(ValueError, match="shorter than a segment"):
        VocoderTraining(torch.nn.Linear(1, 1), waveforms, UtteranceFeatures(irs))
