"""The architectures of the paper profile with random weights: what they compute is noise, what it costs is real.

Axes: B batch, D IR channels, L frames (100/s), T samples at 16 kHz, E embedding.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from transformers import HubertConfig

from emotrace.anonymizer.draws import Selection
from emotrace.anonymizer.selec_anon import Pool, select
from emotrace.pipeline.rows import Row, select_rows
from emotrace.representation.ecapa import VOXCELEB_CHANNELS, Ecapa, EcapaEmbedding
from emotrace.representation.f0 import F0
from emotrace.representation.gst import GstEncoder, StyleEmbedding
from emotrace.representation.hubert import Hubert, HubertLayer
from emotrace.representation.soft import SoftHead, SoftUnits
from emotrace.representation.spec import IRSpec, StreamSpec
from emotrace.representation.streams import Stream
from emotrace.vocoder.hifigan import SSL_SAS, HifiGan, HifiGanConfig

SEVEN = (
    *("none-T1", "ECAPA-orig-T6", "ECAPA-orig-T12-soft", "GST-orig-T12-soft", "none-T6"),
    *("ECAPA-anon-T6", "ECAPA-anon-T12-soft"),
)
ROWS: tuple[Row, ...] = select_rows(SEVEN)
LAYERS = tuple(sorted({row.ir.layer for row in ROWS if row.ir.post == "none"}))  # that the rows read of HuBERT
POOL = 1_160  # speakers of LibriTTS train-other-500
SEED = "2020"


@dataclass(frozen=True)
class Sizes:
    """What the models are made of; the defaults are the paper's."""

    hubert: HubertConfig
    ecapa: Sequence[int] = VOXCELEB_CHANNELS
    units: int = 200
    vocoder: HifiGanConfig = SSL_SAS
    pool: int = POOL
    selection: Selection = Selection(n_farthest=200, n_random=100)


@dataclass(frozen=True)
class PaperModels:
    """Front-ends, one generator for each of the five IRs, and a pool of speakers.

    ``hubert`` holds the model cut after each layer that a row reads: SSL-SAS stops there when it computes one row.
    """

    hubert: Hubert
    hubert_until: dict[int, Hubert]
    soft_hubert: Hubert
    soft_head: SoftHead
    ecapa: Ecapa
    gst: GstEncoder
    generators: dict[str, HifiGan]
    pool: Pool
    selection: Selection

    def streams(self) -> dict[StreamSpec, Stream]:
        """All that the rows read of an utterance."""
        layers = {StreamSpec("hubert", n): HubertLayer(self.hubert, n) for n in LAYERS}
        return layers | {
            StreamSpec("soft"): SoftUnits(self.soft_hubert, self.soft_head),
            StreamSpec("f0"): F0(),
            StreamSpec("ecapa"): EcapaEmbedding(self.ecapa),
            StreamSpec("gst"): StyleEmbedding(self.gst),
        }

    def pseudo_speaker(self, source: Tensor, gender: str) -> Tensor:
        """selec-anon's embedding (E,) for a source (E,)."""
        numbers = {"n_farthest": self.selection.n_farthest, "n_random": self.selection.n_random}
        return select(self.pool, source, gender, rng=random.Random(SEED), **numbers).embedding


def paper_sizes() -> Sizes:
    """HuBERT-base, ECAPA with 1024 channels, 200 soft units, the generator of 14.2 M parameters, 1,160 speakers."""
    return Sizes(HubertConfig())


def paper_models(sizes: Sizes) -> PaperModels:
    """The models, drawn from a fixed seed."""
    torch.manual_seed(0)
    hubert = Hubert.from_config(sizes.hubert)
    return PaperModels(
        hubert=hubert,
        hubert_until={n: _cut(hubert, sizes.hubert, n) for n in LAYERS},
        soft_hubert=Hubert.from_config(sizes.hubert),
        soft_head=SoftHead(sizes.hubert.hidden_size, sizes.units),
        ecapa=Ecapa(sizes.ecapa).eval(),
        gst=GstEncoder().eval(),
        generators={spec.name: _generator(sizes, spec) for spec in dict.fromkeys(row.ir for row in ROWS)},
        pool=_pool(sizes.pool),
        selection=sizes.selection,
    )


def ir_channels(sizes: Sizes, spec: IRSpec) -> int:
    """D: the linguistic features, F0, the embedding."""
    linguistic = sizes.units if spec.post == "soft" else sizes.hubert.hidden_size
    return linguistic + 1 + {"none": 0, "ecapa": 192, "gst": 128}[spec.speaker]


def _generator(sizes: Sizes, spec: IRSpec) -> HifiGan:
    return HifiGan(replace(sizes.vocoder, in_channels=ir_channels(sizes, spec))).eval()


def _cut(hubert: Hubert, config: HubertConfig, n: int) -> Hubert:
    """The same model without the layers after the n-th."""
    cut = Hubert.from_config(HubertConfig.from_dict(config.to_dict() | {"num_hidden_layers": n}))
    state = hubert.state_dict()
    cut.load_state_dict({name: state[name] for name in cut.state_dict()})
    return cut


def _pool(speakers: int) -> Pool:
    names = tuple(f"{'fm'[i % 2]}{i}" for i in range(speakers))
    return Pool(names, tuple(name[0] for name in names), torch.randn(speakers, 192))


def plain(generator: HifiGan) -> HifiGan:
    """A copy as SSL-SAS synthesises with it: one-dimensional convolutions, float32, the weight norm folded."""
    copy = HifiGan(replace(generator.config)).eval()
    copy.load_state_dict(generator.state_dict())
    return copy.remove_weight_norm().requires_grad_(False)
