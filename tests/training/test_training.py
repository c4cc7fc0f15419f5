"""The training loop resumes exactly, and every recipe learns something of a tiny problem."""

import numpy as np
import pytest
import torch
from torch import nn
from transformers import HubertModel

from emotrace.representation.ecapa import Ecapa
from emotrace.representation.hubert import Hubert
from emotrace.representation.soft import SoftHead
from emotrace.training.acoustic import CROP_MEL_FRAMES, AcousticTraining, cut_pair
from emotrace.training.data import TrainingSet, change_speed
from emotrace.training.ecapa import SpeakerClassification, SpeakerSet
from emotrace.training.hubert import (
    LabelledSpeech,
    MaskedPrediction,
    SoftPrediction,
    aligned_crops,
    cluster,
    mfcc_features,
    mini_config,
    n_frames,
)
from emotrace.training.loop import LoopConfig, Recipe, fit


class Line(Recipe):
    """Fit a line to noisy points, with dropout, so that a resumed run shows whether every random draw is repeated."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.modules = {"line": nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.5), nn.Linear(8, 1))}
        self.optimisers = {"adam": torch.optim.Adam(self.modules["line"].parameters(), lr=0.01)}
        self.schedulers = {"adam": torch.optim.lr_scheduler.ExponentialLR(self.optimisers["adam"], 0.99)}

    def batch(self, rng):
        return torch.from_numpy(rng.normal(size=(16, 4)).astype(np.float32))

    def update(self, batch, step, accelerator):
        loss = (self.modules["line"](batch)[:, 0] - batch.sum(1)).square().mean()
        accelerator.backward(loss)
        self.optimisers["adam"].step()
        self.optimisers["adam"].zero_grad()
        self.schedulers["adam"].step()
        return {"squared": loss.item()}


def weights(recipe: Recipe) -> torch.Tensor:
    return torch.cat([value.flatten() for module in recipe.modules.values() for value in module.state_dict().values()])


def test_resumed_run_equals_uninterrupted_bit_for_bit(tmp_path):
    whole, first, second = Line(), Line(), Line()
    fit(whole, LoopConfig(steps=30, checkpoint_every=10, log_every=1), tmp_path / "whole")
    fit(first, LoopConfig(steps=20, checkpoint_every=10, log_every=1), tmp_path / "parts")
    fit(second, LoopConfig(steps=30, checkpoint_every=10, log_every=1), tmp_path / "parts")
    assert torch.equal(weights(whole), weights(second))
    assert (tmp_path / "whole" / "losses.csv").read_text() == (tmp_path / "parts" / "losses.csv").read_text()


def test_a_snapshot_is_the_model_of_a_shorter_run(tmp_path):
    kept: dict[int, torch.Tensor] = {}
    long, short = Line(), Line()
    config = LoopConfig(steps=20, log_every=1, snapshots=(7, 15))
    fit(long, config, tmp_path / "long", snapshot=lambda record: kept.update({record.steps: weights(long)}))
    fit(short, LoopConfig(steps=7, log_every=1), tmp_path / "short")
    assert list(kept) == [7, 15]
    assert torch.equal(kept[7], weights(short)) and not torch.equal(kept[15], weights(long))


def test_the_curve_is_the_mean_of_the_losses_of_each_stretch(tmp_path):
    record = fit(Line(), LoopConfig(steps=100, log_every=1), tmp_path)
    rows = [line.split(",") for line in (tmp_path / "losses.csv").read_text().splitlines()[1:]]
    curve = record.curves["squared"]
    assert [step for step, _ in curve] == [*range(3, 100, 3), 100]  # 100 values, at most 40 stretches: 3 each
    assert curve[1][1] == pytest.approx(np.mean([float(value) for _, _, value in rows[3:6]]), abs=1e-5)


def test_interrupted_between_checkpoints_drops_the_later_losses(tmp_path):
    class Breaks(Line):
        def update(self, batch, step, accelerator):
            if step == 17:
                raise KeyboardInterrupt
            return super().update(batch, step, accelerator)

    with pytest.raises(KeyboardInterrupt):
        fit(Breaks(), LoopConfig(steps=30, checkpoint_every=10, log_every=1), tmp_path / "parts")
    resumed, whole = Line(), Line()
    fit(resumed, LoopConfig(steps=30, checkpoint_every=10, log_every=1), tmp_path / "parts")
    fit(whole, LoopConfig(steps=30, checkpoint_every=10, log_every=1), tmp_path / "whole")
    assert torch.equal(weights(whole), weights(resumed))
    assert (tmp_path / "whole" / "losses.csv").read_text() == (tmp_path / "parts" / "losses.csv").read_text()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path):
    class Diverges(Line):
        def update(self, batch, step, accelerator):
            losses = super().update(batch, step, accelerator)
            return {"squared": float("nan")} if step == 15 else losses

    with pytest.raises(FloatingPointError, match="step 16: loss squared"):
        fit(Diverges(), LoopConfig(steps=30, checkpoint_every=10), tmp_path)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 10


def tones(count: int = 4, seconds: float = 3.2) -> tuple[np.ndarray, ...]:
    """Alternating tones with noise, (T,) each: a corpus with two kinds of frames."""
    rng, time = np.random.default_rng(0), np.arange(int(seconds * 16_000)) / 16_000
    pitch = np.where(time % 0.4 < 0.2, 220.0, 1_760.0)
    wave = 0.3 * np.sin(2 * np.pi * np.cumsum(pitch) / 16_000)
    return tuple((wave + 0.01 * rng.normal(size=len(time))).astype(np.float32) for _ in range(count))


def test_mfcc_frames_are_huberts_frames():
    hubert = Hubert.from_config(mini_config(width=32))
    for samples in (16_000, 16_123, 32_399):
        waveform = np.random.default_rng(0).normal(size=samples).astype(np.float32)
        assert mfcc_features(waveform).shape[1] == 39
        assert len(mfcc_features(waveform)) == n_frames(samples) == len(hubert.layer(torch.from_numpy(waveform), 1))


def test_aligned_crops_cut_audio_and_labels_at_the_same_place():
    waveform = np.arange(64_000, dtype=np.float32)
    speech = LabelledSpeech([waveform], [np.arange(n_frames(64_000))], n_frames(64_000))
    audio, targets = aligned_crops(speech, np.random.default_rng(1), 6, 32_080)
    assert torch.equal(audio[:, 0], targets[:, 0] * 320.0)
    assert targets.shape == (6, n_frames(32_080))


def test_masked_prediction_learns_the_two_tones(tmp_path):
    waveforms = tones()
    labels = cluster([mfcc_features(waveform) for waveform in waveforms], 2, 0)
    torch.manual_seed(0)
    speech, model = LabelledSpeech(waveforms, labels, 2), HubertModel(mini_config(width=32))
    recipe = MaskedPrediction(model, speech, batch_size=2, steps=40, warm_up=5)
    record = fit(recipe, LoopConfig(steps=40), tmp_path)
    assert record.losses["unmasked_accuracy"] > 0.8  # chance: 0.5


def test_soft_prediction_learns_the_two_tones(tmp_path):
    waveforms = tones()
    labels = cluster([mfcc_features(waveform) for waveform in waveforms], 2, 0)
    torch.manual_seed(0)
    hubert, head = Hubert.from_config(mini_config(width=32)), SoftHead(32, 2)
    recipe = SoftPrediction(hubert, head, LabelledSpeech(waveforms, labels, 2), batch_size=2, steps=40)
    record = fit(recipe, LoopConfig(steps=40), tmp_path)
    assert record.losses["accuracy"] > 0.8


def test_labels_are_those_of_sklearn_on_standardised_frames():
    features = [np.concatenate([np.zeros((20, 3)), np.ones((20, 3))]).astype(np.float32)]
    labels = cluster(features, 2, 0)
    assert [label.dtype for label in labels] == [np.int64]
    first = labels[0]
    assert (first[:20] == first[0]).all() and (first[20:] == 1 - first[0]).all()


def test_speakers_are_told_apart(tmp_path):
    rng = np.random.default_rng(0)
    low, high = (
        np.convolve(rng.normal(size=80_000), kernel, "same").astype(np.float32) for kernel in ([1, 1], [1, -1])
    )
    speakers = SpeakerSet(("a", "b"), ("f", "m"), (low, high[:4000]))  # shorter than a crop
    torch.manual_seed(0)
    recipe = SpeakerClassification(Ecapa((16,) * 4 + (48,), attention=8), speakers, steps=30, batch_size=8, seconds=0.5)
    record = fit(recipe, LoopConfig(steps=30), tmp_path)
    assert record.losses["accuracy"] == 1.0


def test_speed_changes_length_and_pitch():
    tone = np.sin(2 * np.pi * 400 * np.arange(16_000) / 16_000).astype(np.float32)
    fast = change_speed(tone, 1.25)
    assert len(fast) == 12_800
    assert np.abs(np.fft.rfft(fast)).argmax() * 16_000 / len(fast) == pytest.approx(500, abs=2)


def test_acoustic_training_learns_a_linear_map(tmp_path):
    rng = np.random.default_rng(0)
    steps = rng.normal(size=(6, 4, 40)).repeat(10, axis=2)  # IRs that change every 0.1 s
    irs = [torch.from_numpy(step.astype(np.float32)) for step in steps]
    matrix = torch.from_numpy(rng.normal(size=(80, 4)).astype(np.float32))
    frames = (((np.arange(344) + 0.5) * 256 / 22_050) * 100 - 0.5).round().astype(int)
    mels = [(matrix @ ir)[:, frames] for ir in irs]
    recipe = AcousticTraining(irs, mels, steps=60, batch_size=4)
    record = fit(recipe, LoopConfig(steps=60, log_every=1), tmp_path)
    first = float((tmp_path / "losses.csv").read_text().splitlines()[1].split(",")[2])
    assert record.losses["l1"] < 0.5 * first


def test_short_utterances_fill_the_crop_with_their_last_frame():
    ir, mel = torch.arange(50.0)[None], torch.arange(43.0)[None].expand(80, -1)
    cut_ir, cut_mel, start = cut_pair(ir, mel, np.random.default_rng(0))
    assert cut_mel.shape == (80, CROP_MEL_FRAMES) and start == 0
    assert cut_ir[0, -1] == 49 and cut_mel[0, -1] == 42


def test_at_least_repeats_short_utterances():
    data = TrainingSet((), (np.arange(5, dtype=np.float32), np.arange(20, dtype=np.float32)))
    assert [len(waveform) for waveform in data.at_least(12).waveforms] == [15, 20]
    np.testing.assert_array_equal(data.at_least(12).waveforms[0], np.tile(np.arange(5), 3))
