"""Joint models: what learns, what stays, where they begin."""

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from test_vocoder_training import TINY, tones

from emotrace.training.vocoder import FRAMES, SEGMENT, UtteranceFeatures, VocoderTraining
from emotrace.vocoder.acoustic import AcousticConfig, AcousticModel
from emotrace.vocoder.joint import JointGenerator


@pytest.fixture(scope="module")
def trained():
    """Weights by name before and after two steps, and the losses of the second."""
    waveforms, irs = tones()
    torch.manual_seed(0)
    generator = JointGenerator(AcousticModel(AcousticConfig(2, dim=8, blocks=2)))
    recipe = VocoderTraining(generator, waveforms, UtteranceFeatures(irs), discriminators=TINY, batch_size=1)
    before = {name: weight.clone() for name, weight in generator.state_dict().items()}
    for step in range(2):
        losses = recipe.update(recipe.batch(np.random.default_rng(step)), step, Accelerator(cpu=True))
    return generator, before, losses


def test_released_weights_stay_and_all_others_learn(trained):
    generator, before, losses = trained
    assert set(losses) == {"discriminators", "mel", "features", "adversarial"}
    after = generator.state_dict()
    assert all(torch.equal(after[name], before[name]) for name in generator.weights(frozen=True))
    learning = {name for name, parameter in generator.named_parameters() if parameter.requires_grad}
    assert learning == set(generator.weights(frozen=False)) - {
        f"acoustic.{of}_{moment}" for of in ("ir", "mel") for moment in ("mean", "std")
    }

    assert all(not torch.equal(after[name], before[name]) for name in learning)


def test_a_crop_in_is_a_crop_out():
    generator = JointGenerator(AcousticModel(AcousticConfig(2, dim=8, blocks=2)))
    with torch.inference_mode():
        assert generator(torch.randn(2, 2, FRAMES)).shape == (2, 1, SEGMENT)
        with pytest.raises(ValueError, match="expected an IR"):
            generator(torch.randn(2, 3, FRAMES))


def test_what_is_saved_is_small_and_all_that_differs(trained):
    generator, _, _ = trained
    learned = sum(weight.numel() for weight in generator.weights(frozen=False).values())
    frozen = sum(weight.numel() for weight in generator.weights(frozen=True).values())
    assert learned < 0.01 * frozen
    again = JointGenerator(AcousticModel(generator.acoustic.config))
    again.load_state_dict(again.weights(frozen=True) | generator.weights(frozen=False))
    ir = torch.randn(1, 2, FRAMES)
    with torch.inference_mode():
        assert torch.equal(again(ir), generator(ir))
