"""The acoustic model: times of frames, normalisation, learning."""

import pytest
import torch

from emotrace.training.acoustic import aligned_crop, mel_losses
from emotrace.training.data import normalise_to
from emotrace.vocoder.acoustic import (
    MEL_RATE,
    PITCHES,
    STEPS,
    AcousticConfig,
    AcousticModel,
    at_mel_frames,
    pitch_code,
)
from emotrace.weights import load_model, save_model


def clock(length, start=0.0):
    """A feature (1, 1, L) whose value is the time, in seconds, of its frame's centre."""
    return start + (torch.arange(length)[None, None] + 0.5) / 100


def small(in_channels=5):
    torch.manual_seed(0)
    return AcousticModel(AcousticConfig(in_channels, dim=16, blocks=2))


def test_interpolation_puts_every_mel_frame_at_its_own_time():
    seen = at_mel_frames(clock(200), 170)[0, 0]
    expected = (torch.arange(170) + 0.5) * 256 / 22050
    torch.testing.assert_close(seen, expected.clamp(0.005, 1.995), rtol=0, atol=1e-5)


def test_interpolation_holds_the_outermost_frames():
    seen = at_mel_frames(clock(10), 20)[0, 0]
    torch.testing.assert_close(seen[9:], torch.full((11,), 0.095))
    assert at_mel_frames(torch.ones(1, 2, 1), 4).eq(1).all()


@pytest.mark.parametrize("first_mel", [0, 1, 17, 86, 999])
def test_a_crop_is_aligned_like_the_whole_utterance(first_mel):
    whole = clock(1500)
    first, number, start = aligned_crop(first_mel, 50)
    assert number == aligned_crop(0, 50)[1] and 0 <= start < 0.01
    seen = at_mel_frames(whole[:, :, first : first + number], 50, start)
    inner = slice(1, 50)  # the first frame may fall before the first centre of the crop
    expected = at_mel_frames(whole, first_mel + 50)[:, :, first_mel:]
    torch.testing.assert_close(seen[..., inner], expected[..., inner], rtol=0, atol=1e-4)


def test_a_batch_may_have_a_start_for_each():
    starts = torch.tensor([0.0, 0.004])
    seen = at_mel_frames(clock(50).expand(2, 1, 50), 30, starts)
    torch.testing.assert_close(seen[1, 0, 1:] - seen[0, 0, 1:], torch.full((29,), 0.004), rtol=0, atol=1e-5)


def test_normalisation_is_that_of_all_frames():
    model = small(3)
    irs = [100 + 7 * torch.randn(3, length) for length in (20, 300)]
    mels = [torch.randn(80, length) - 5 for length in (17, 258)]
    irs[0][2], irs[1][2] = 4.0, 4.0  # a constant channel
    normalise_to(model, ir=irs, mel=mels)
    frames = torch.cat(irs, dim=1)
    torch.testing.assert_close(model.ir_mean, frames.mean(1, keepdim=True), rtol=1e-5, atol=1e-4)
    torch.testing.assert_close(model.ir_std[:2, 0], frames[:2].std(1, correction=0), rtol=1e-4, atol=1e-4)
    assert model.ir_std[2] == 1e-3
    torch.testing.assert_close(model.mel_mean, torch.cat(mels, dim=1).mean(1, keepdim=True), rtol=1e-4, atol=1e-4)


def test_normalisation_refuses_nan_and_nothing():
    with pytest.raises(ValueError, match="features .* NaN"):
        normalise_to(small(), ir=[torch.full((5, 4), torch.nan)], mel=[torch.zeros(80, 4)])
    with pytest.raises(ValueError, match="no training utterance"):
        normalise_to(small(), ir=[], mel=[])


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"\(B, 5, L\)"):
        small()(torch.zeros(1, 6, 10), 8)
    with pytest.raises(ValueError, match="positive"):
        small()(torch.zeros(1, 5, 10), 0)


def test_a_few_steps_learn_a_linear_map_of_the_ir():
    torch.manual_seed(0)
    model = small()
    ir = torch.randn(4, 5, 100).cumsum(2)
    mixing = torch.randn(80, 5)
    mel = at_mel_frames((mixing @ ir), int(MEL_RATE)) + 3
    normalise_to(model, ir=ir, mel=mel)
    optimiser = torch.optim.AdamW(model.parameters(), lr=5e-3)
    losses = []
    for _ in range(60):
        loss = mel_losses(model(ir, mel.shape[2]), mel, model.mel_std)["l1"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[0] > 0.5 and losses[-1] < 0.3 * losses[0]


def test_saved_and_loaded_models_agree(tmp_path):
    model = small().eval()
    normalise_to(model, ir=[torch.randn(5, 30)], mel=[torch.randn(80, 30)])
    save_model(model, tmp_path)
    ir = torch.randn(1, 5, 40)
    assert torch.equal(load_model(AcousticModel, AcousticConfig, tmp_path)(ir, 34), model(ir, 34))


def test_the_default_size_trains_on_a_cpu():
    assert sum(p.numel() for p in AcousticModel(AcousticConfig(393)).parameters()) < 1.2e6


def test_the_pitch_code_peaks_at_its_semitone_and_is_silent_where_unvoiced():
    f0 = torch.tensor([[0.0, 50.0, 100.0, 440.0, 466.16]])
    code = pitch_code(f0)
    assert code.shape == (1, PITCHES + 1, 5)
    assert code[0, :, 0].abs().sum() == 0 and code[0, -1].tolist() == [0, 1, 1, 1, 1]
    peaks = code[0, :-1].argmax(0)
    assert peaks[1] == 0 and peaks[2] == STEPS
    assert peaks[4] - peaks[3] == 1  # a and b flat, a semitone apart
    torch.testing.assert_close(code[0, STEPS, 2], torch.tensor(1.0))


def test_f0_reaches_the_mel_through_its_code_alone_where_the_channel_is_not_read():
    torch.manual_seed(0)
    model = AcousticModel(AcousticConfig(3, f0_channel=1, dim=16, blocks=2)).eval()
    torch.nn.init.zeros_(model.embed.weight)
    low, high = (torch.full((1, 3, 20), hertz) for hertz in (100.0, 200.0))
    with torch.no_grad():
        assert (model(low, 10) - model(high, 10)).abs().max() > 1e-3
