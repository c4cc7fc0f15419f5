"""Trainings that several processes share. As a script, what the test starts: accelerate launch ... FOLDER"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emotrace.training.crops import UtteranceFeatures
from emotrace.training.loop import LoopConfig, Recipe, fit, step_all
from emotrace.training.processes import from_main, state
from emotrace.training.vocoder import VocoderTraining
from emotrace.vocoder.discriminators import DiscriminatorConfig
from emotrace.vocoder.istft import IstftConfig, IstftGenerator

TINY = DiscriminatorConfig((2, 2), (2, 2, 2, 2, 2, 2, 2), (1, 1, 1, 1, 1, 1, 1))
CURVE = LoopConfig(steps=50, log_every=1)
RESUMED = LoopConfig(steps=12, checkpoint_every=5, log_every=1)


def gan() -> VocoderTraining:
    """The unified vocoder in miniature, batches of four, the discriminators in the last 20 steps."""
    torch.manual_seed(0)
    loudness = [torch.rand(80) for _ in range(4)]
    carrier = torch.sign(torch.sin(torch.arange(12_800) * 0.05))
    waveforms = [(0.5 * curve.repeat_interleave(160) * carrier).numpy() for curve in loudness]
    irs = UtteranceFeatures([torch.stack([curve, curve.square()]) for curve in loudness])
    generator = IstftGenerator(IstftConfig(2, dim=8, blocks=1))
    return VocoderTraining(generator, waveforms, irs, discriminators=TINY, batch_size=4, mel_only=30)


class Mixture(Recipe):
    """All that DDP stumbles over: dropout, batch normalisation, a bare parameter, clipping, an unused module."""

    def __init__(self, batch_size: int = 8, dropout: float = 0.5, stop: int | None = None) -> None:
        # each process begins with other weights: the main one's must win
        torch.manual_seed(state().process_index)
        self.batch_size, self.stop, self.drawn = batch_size, stop, []
        line = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(dropout), nn.Linear(8, 1))
        self.scale = nn.Parameter(torch.rand(1))
        bare = nn.ParameterDict({"scale": self.scale})
        self.modules = {"line": line, "bare": bare, "unused": nn.Linear(2, 2)}
        parameters = [parameter for module in self.modules.values() for parameter in module.parameters()]
        self.optimisers = {"adam": torch.optim.Adam(parameters, lr=0.01)}
        self.schedulers = {"adam": torch.optim.lr_scheduler.ExponentialLR(self.optimisers["adam"], 0.99)}

    def batch(self, rng):
        return torch.from_numpy(rng.normal(size=(self.batch_size, 4)).astype(np.float32))

    def update(self, batch, step, accelerator):
        if step == self.stop:
            raise KeyboardInterrupt
        self.drawn.append(float(torch.rand(1)))
        loss = (self.scale * self.modules["line"](batch)[:, 0] - batch.sum(1)).square().mean()
        accelerator.backward(loss)
        nn.utils.clip_grad_norm_(self.modules["line"].parameters(), 0.5)
        step_all(self)
        return {"squared": loss.item()}


def weights(recipe: Recipe) -> list[float]:
    values = [value for module in recipe.modules.values() for value in module.state_dict().values()]
    return torch.cat([value.flatten().double() for value in values]).tolist()


def train_all(folder: Path) -> None:
    """Every training of the test; what each process saw lies in FOLDER/<its index>.json."""
    here, found = state(), {}
    curve = gan()
    fit(curve, CURVE, folder / "gan")
    whole, broken, resumed = Mixture(), Mixture(stop=7), Mixture()
    fit(whole, RESUMED, folder / "whole")
    try:
        fit(broken, RESUMED, folder / "parts")
    except KeyboardInterrupt:
        fit(resumed, RESUMED, folder / "parts")
    found = {"gan": weights(curve), "whole": weights(whole), "resumed": weights(resumed), "drawn": whole.drawn}
    found |= {"resumed from": RESUMED.steps - len(resumed.drawn)}
    found |= {"processes": here.num_processes, "from main": from_main(lambda: here.process_index + 17)}
    try:
        fit(Mixture(batch_size=7), RESUMED, folder / "odd")
    except ValueError as error:
        found["odd"] = str(error)
    (folder / f"{here.process_index}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    train_all(Path(sys.argv[1]))
    state().destroy_process_group()
