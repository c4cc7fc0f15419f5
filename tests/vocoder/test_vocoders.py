"""Every vocoder of the registry: the models that it names, as many samples as asked for, and what it refuses."""

import pytest
import torch
from tiny_models import WIDTH, make_models

from emotrace.representation.mel import mel_frames
from emotrace.vocoder import VOCODERS
from emotrace.vocoder.universal import load_acoustic, load_universal, universal_weights, vocode
from emotrace.weights import ModelError, ModelFolder

SAMPLES = 4_900  # no multiple of any frame
DECODERS = {
    "universal": ("universal-mel", 80),
    "two-stage": ("none-T6", WIDTH + 1),
    "unified": ("log-mel", 80),
    "joint": ("none-T6", WIDTH + 1),
}
"""Of each vocoder an IR that the tiny models have one for, and its channels."""


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> ModelFolder:
    return ModelFolder(make_models(tmp_path_factory.mktemp("models"), layers=(6,)))


def made_up_ir(name: str, samples: int = SAMPLES) -> torch.Tensor:
    """An IR (D, L) as the vocoder takes it."""
    frames = mel_frames(samples) if name == "universal" else -(-samples // 160)
    return torch.randn(DECODERS[name][1], frames, generator=torch.Generator().manual_seed(0))


def test_there_is_an_ir_for_every_vocoder():
    assert set(DECODERS) == set(VOCODERS)


@pytest.mark.parametrize("name", VOCODERS)
@pytest.mark.parametrize("samples", [SAMPLES, 4_960])
def test_a_waveform_is_as_long_as_asked_for_and_fills_the_scale(models, name, samples):
    waveform = VOCODERS.find(name).load(models, DECODERS[name][0])(made_up_ir(name, samples), samples)
    assert waveform.shape == (samples,) and waveform.dtype == torch.float32 and not waveform.requires_grad
    assert waveform.abs().max() == pytest.approx(0.95, abs=1e-5)


@pytest.mark.parametrize("name", VOCODERS)
def test_a_vocoder_is_loaded_from_the_models_that_it_names_alone(models, name, tmp_path):
    kind, decoder = VOCODERS.find(name), DECODERS[name][0]
    for model in kind.models(decoder):
        with pytest.raises(ModelError, match=f"no model '{model}'"):
            kind.load(ModelFolder(tmp_path), decoder)
        (tmp_path / model).symlink_to(models.path(model))
    once = kind.load(models, decoder)(made_up_ir(name), SAMPLES)
    assert torch.equal(kind.load(ModelFolder(tmp_path), decoder)(made_up_ir(name), SAMPLES), once)
    assert all(path.is_file() for path in kind.files())


@pytest.mark.parametrize("name", VOCODERS)
def test_nan_is_refused(models, name):
    ir = made_up_ir(name)
    ir[0, 3] = torch.nan
    with pytest.raises(ValueError, match="NaN"):
        VOCODERS.find(name).load(models, DECODERS[name][0])(ir, SAMPLES)


def test_two_stages_are_the_acoustic_model_and_the_universal_vocoder(models):
    ir = made_up_ir("two-stage")
    with torch.inference_mode():
        mel = load_acoustic(models, "acoustic-none-T6")(ir[None], mel_frames(SAMPLES))[0]
    expected = vocode(mel, load_universal(), SAMPLES)
    assert torch.equal(VOCODERS.find("two-stage").load(models, "none-T6")(ir, SAMPLES), expected)


def test_a_joint_model_that_has_learned_nothing_is_the_two_stages(models):
    ir = made_up_ir("joint")
    expected = VOCODERS.find("two-stage").load(models, "none-T6")(ir, SAMPLES)
    assert torch.allclose(VOCODERS.find("joint").load(models, "none-T6")(ir, SAMPLES), expected, atol=1e-5)


def test_the_universal_vocoder_is_loaded_once_and_cannot_be_trained():
    assert load_universal() is load_universal()
    assert not any(parameter.requires_grad for parameter in load_universal().parameters())
    assert VOCODERS.find("universal").files() == VOCODERS.find("two-stage").files() == (universal_weights(),)


def test_a_unified_vocoder_is_silent_where_its_ir_ends_early(models):
    waveform = VOCODERS.find("unified").load(models, "log-mel")(made_up_ir("unified", SAMPLES - 300), SAMPLES)
    assert waveform.shape == (SAMPLES,) and not waveform[-300 + 160 :].any()
