"""SSL-SAS's released HiFi-GAN."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from emotrace.released.weights import count, fill, read_weights, shape, tensors
from emotrace.weights import CheckpointError
from emotrace.vocoder.hifigan import SSL_SAS, HifiGan, HifiGanConfig

# SSL-SAS saves its front ends with the generator, though they are frozen: the soft predictor and the ECAPA-TDNN with
# its filter bank. They are read from their own files (`hubert.ssl_sas_soft_predictor`, `speaker.ecapa_voxceleb`).
FRONT_ENDS = ("latent_encoder.", "feat_model.", "xv_model.", "fbank.", "mean_var_norm.")


def ssl_sas_generator(path: Path) -> HifiGan:
    """The generator of a checkpoint {"generator": state dict}, such as g_00100000.

    Channels and kernels are read off the weights, so that generators of other IRs (961 or 329 channels) and widths load
    as well. Upsampling rates, which no shape tells, are those of the config.json beside the file, else SSL-SAS's.
    Raises CheckpointError for a missing, damaged or foreign file, and for one that holds code.
    """
    path = Path(path)
    state = tensors(read_weights(path), path, "generator")
    own = {key: value for key, value in state.items() if not key.startswith(FRONT_ENDS)}
    try:
        generator = HifiGan(_config(own, path))
    except ValueError as error:
        raise CheckpointError(f"{path}: not a HiFi-GAN of this family: {error}") from error
    return fill(generator, own, path)


def _config(state: Mapping[str, Tensor], path: Path) -> HifiGanConfig:
    initial, in_channels, _ = shape(state, "conv_pre.weight_v", path)
    upsamplings = count(state, r"ups\.(\d+)\.")
    kernels = tuple(shape(state, f"ups.{n}.weight_v", path)[2] for n in range(upsamplings))
    blocks = count(state, r"resblocks\.(\d+)\.") // max(upsamplings, 1)
    return HifiGanConfig(
        in_channels=in_channels,
        initial_channels=initial,
        upsample_rates=_rates(path, kernels),
        upsample_kernels=kernels,
        resblock_kernels=tuple(shape(state, f"resblocks.{n}.convs1.0.weight_v", path)[2] for n in range(blocks)),
    )


def _rates(path: Path, kernels: tuple[int, ...]) -> tuple[int, ...]:
    config = path.with_name("config.json")
    if config.is_file():
        try:
            return tuple(int(rate) for rate in json.loads(config.read_text(encoding="utf-8"))["upsample_rates"])
        except (ValueError, KeyError, TypeError) as error:
            raise CheckpointError(f"{config}: no upsample_rates in it ({error!r})") from error
    if kernels != SSL_SAS.upsample_kernels:
        raise CheckpointError(
            f"{path}: upsampling kernels {kernels} are not SSL-SAS's {SSL_SAS.upsample_kernels}: "
            f"put the config.json that was released with the file at {config}"
        )
    return SSL_SAS.upsample_rates
