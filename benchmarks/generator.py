"""(c) The generator's arithmetic rate over that of matrix products, in float32 and bfloat16.

Axes: B batch, C channels, L frames, T samples. The generator is the paper's (14.2 M parameters) with random weights.
"""

from collections.abc import Callable
from dataclasses import replace

import torch
from fidelity import fidelity
from measurement import Ratio, Report, Settings, Timings, interleaved, rounded
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torch.utils.mkldnn import to_mkldnn

from emotrace.vocoder.hifigan import SSL_SAS, FrozenHifiGan, HifiGan, HifiGanConfig

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SIZES = (1024, 2048, 3072)
FRAMES = 400  # 4 s


def measure(settings: Settings) -> Report:
    """The rates and their ratios, and what bfloat16 does to copy-synthesised speech."""
    config = replace(SSL_SAS, initial_channels=64) if settings.quick else SSL_SAS
    frames, sizes = (40, (256, 512)) if settings.quick else (FRAMES, SIZES)
    timings = interleaved(_tasks(config, frames, sizes), settings.repetitions)
    work = convolution_flops(config, frames)
    rates = _rates(timings, work, sizes)
    return Report(
        "(c) generator over matrix product",
        (
            Ratio("float32 over matmul", rates["generator float32"] / rates["matmul float32"], at_least=0.95),
            Ratio("bfloat16 over matmul", rates["generator bfloat16"] / rates["matmul bfloat16"]),
            Ratio("bfloat16 over float32", timings.ratio(["float32"], ["bfloat16"]), at_least=1.8),
            Ratio("float32 over the plain module", timings.ratio(["plain"], ["float32"])),
        ),
        {
            "frames": frames,
            "gflop": work / 1e9,
            "gflop_per_second": rounded(rates),
            "seconds": timings.seconds,
            "fidelity": fidelity(quick=settings.quick),
        },
    )


def convolution_flops(config: HifiGanConfig, frames: int) -> int:
    """Floating-point operations of one pass over ``frames`` frames: 2 for each weight at each position it is applied.

    A convolution applies its weights at every output position, a transposed one at every input position. Biases,
    activations and sums are left out, as torch's counter leaves them out.
    """
    channels, length = config.initial_channels, frames
    macs = config.in_channels * channels * 7 * length
    for rate, kernel in zip(config.upsample_rates, config.upsample_kernels, strict=True):
        macs += channels * (channels // 2) * kernel * length
        channels, length = channels // 2, length * rate
        convolutions = 2 * len(config.resblock_dilations)
        macs += sum(convolutions * channels**2 * width * length for width in config.resblock_kernels)
    return 2 * (macs + channels * 7 * length)


def counted_flops(config: HifiGanConfig, frames: int) -> int:
    """The same by torch's counter, for a batch of one."""
    generator = HifiGan(config)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        generator(torch.zeros(1, config.in_channels, frames))
    return counter.get_total_flops()


def _tasks(config: HifiGanConfig, frames: int, sizes: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    torch.manual_seed(0)
    generator = HifiGan(config).eval()
    ir = torch.randn(1, config.in_channels, frames)
    tasks = {name: _bound(FrozenHifiGan(generator, dtype), ir) for name, dtype in DTYPES.items()}
    tasks["plain"] = _bound(generator.remove_weight_norm(), ir)
    for size in sizes:
        for name, dtype in DTYPES.items():
            left, right = (torch.randn(size, size).to(dtype) for _ in range(2))
            tasks[f"matmul {name} {size}"] = _bound(torch.matmul, left, right)
        tasks[f"oneDNN float32 {size}"] = _onednn(size)
    return tasks


def _bound(function: Callable[..., object], *arguments: torch.Tensor) -> Callable[[], object]:
    """A call without gradients."""
    return torch.no_grad()(lambda: function(*arguments))


def _onednn(size: int) -> Callable[[], object]:
    """The same product by the library that also computes the convolutions; torch's own float32 one is MKL's."""
    layer = to_mkldnn(nn.Linear(size, size, bias=False).eval())
    return _bound(layer, torch.randn(size, size).to_mkldnn())


def _rates(timings: Timings, work: int, sizes: tuple[int, ...]) -> dict[str, float]:
    """GFLOP/s from median times; of matrix products the best size."""
    rates = {f"generator {name}": work / 1e9 / timings[name] for name in DTYPES}
    rates["plain generator float32"] = work / 1e9 / timings["plain"]
    for kind in ("matmul float32", "matmul bfloat16", "oneDNN float32"):
        rates[kind] = max(2 * size**3 / 1e9 / timings[f"{kind} {size}"] for size in sizes)
    return rates
