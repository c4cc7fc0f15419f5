"""What B3-IR, B4-IR and B5-IR need beside an acoustic model: discrete units, styles, target speakers.

Axes: N frames or utterances, C channels, L frames (50/s), K codes.
"""

from collections.abc import Sequence

import torch
from sklearn.cluster import KMeans
from torch import Tensor, nn

from emotrace.anonymizer.styles import Styles
from emotrace.anonymizer.targets import Targets
from emotrace.representation.discrete import Codebook, load_codebook
from emotrace.representation.ir import HOP
from emotrace.representation.prosody import own_register, segment_ids
from emotrace.representation.spec import StreamSpec
from emotrace.training.data import TrainingSet
from emotrace.training.loop import from_main
from emotrace.training.run import TrainingRun

LAYER = StreamSpec("hubert", 12)
F0, STYLE, PROMPT = StreamSpec("f0"), StreamSpec("gst"), StreamSpec("prompt")
FRAMES = 50_000  # about as many, drawn at random, are enough for the codes and keep k-means to minutes
UTTERANCES = 40  # no more, evenly spread over the speech, are segmented to find the penalty
PHONE = 5.0  # frames at 50/s: pocketsphinx's phones and pauses in LibriSpeech are 104 ms long on average


def kmeans(features: Tensor, units: int = 100, *, seed: int) -> Codebook:
    """Codes at the means of clusters of frames (N, C), as HuBERT's discrete units are made.

    The same seed gives the same codes. Raises ValueError for fewer frames than units.
    """
    _require_enough(features, units)
    clusters = KMeans(units, n_init=1, random_state=seed).fit(features.double().numpy())
    return Codebook(torch.from_numpy(clusters.cluster_centers_))


def moving_averages(
    features: Tensor, codes: int = 48, *, seed: int, steps: int = 200, batch: int = 1_024, decay: float = 0.95
) -> Codebook:
    """Codes learned by exponential moving averages (van den Oord et al. 2017, appendix A), as VQ bottlenecks train.

    From frames (N, C) in random batches; a code without frames restarts at a random frame. 48 codes is the number of
    VPC's B5. The same seed gives the same codes. Raises ValueError for fewer frames than codes.
    """
    _require_enough(features, codes)
    generator = torch.Generator().manual_seed(seed)
    features = features.float()
    book = Codebook(features[torch.randperm(len(features), generator=generator)[:codes]].clone())
    counts, sums = torch.ones(codes), book.codes.clone()
    for _ in range(steps):
        frames = features[torch.randint(len(features), (batch,), generator=generator)]
        chosen = nn.functional.one_hot(book.ids(frames), codes).float()
        counts = decay * counts + (1 - decay) * chosen.sum(0)
        sums = decay * sums + (1 - decay) * chosen.T @ frames
        dead = counts < 1e-2
        counts[dead] = 1.0
        sums[dead] = frames[: int(dead.sum())]
        book.codes.copy_(sums / counts[:, None])
    return book


def _require_enough(features: Tensor, codes: int) -> None:
    if features.ndim != 2 or len(features) < codes:
        raise ValueError(f"{codes} codes need at least as many frames (N, C), got shape {tuple(features.shape)}")
    if not torch.isfinite(features).all():
        raise ValueError("a codebook cannot be fitted to NaN or infinite frames")


KINDS = {
    "units": (kmeans, 100, LAYER),
    "vq": (moving_averages, 48, LAYER),
    "units-whisper": (kmeans, 100, StreamSpec("whisper", 6)),
}


def train_codebook(run: TrainingRun, name: str) -> None:
    """The codes of a last layer: "units", k-means as HuBERT's own, or "vq", as few as B5 has, by moving averages."""
    learn, codes, layer = KINDS[name]
    data = run.augmented_set
    share = FRAMES / (sum(map(len, data.waveforms)) / (2 * HOP))
    generator = torch.Generator().manual_seed(run.seed)
    layers = (features[layer] for features in run.features.each(data, [layer]))
    frames = torch.cat([frames[torch.rand(len(frames), generator=generator) < share] for frames in layers])
    book = from_main(lambda: learn(frames, codes, seed=run.seed))
    config = {"kind": learn.__name__, "layer": layer.layer}
    if name == "units":
        step = -(-len(data.utterances) // UTTERANCES)
        chosen = TrainingSet(data.utterances[::step], data.waveforms[::step])
        # by all processes: they share the extraction
        layers = [features[layer] for features in run.features.each(chosen, [layer])]
        config["penalty"] = from_main(lambda: switching_penalty(book.codes, layers))
    purpose, notes = f"discrete units ({codes}) of {layer}", f"Fitted to {len(frames)} frames drawn at random."
    run.save(name, {"codes": book.codes}, config, purpose, notes=notes)


def switching_penalty(codes: Tensor, layers: Sequence[Tensor], length: float = PHONE) -> float:
    """The penalty at which segments of utterances (L, C) are `length` frames long on average, by bisection.

    ``codes``: (K, C). Raises ValueError where the utterances are too short for that.
    """

    def mean_length(penalty: float) -> float:
        book = Codebook(codes, penalty)
        return sum(map(len, layers)) / sum(int(segment_ids(book.segmental_ids(layer))[-1]) + 1 for layer in layers)

    low, high = 0.0, float((torch.cat(list(layers)) - codes[0]).square().sum(1).max())
    if mean_length(high) < length:
        raise ValueError(f"no segments of {length} frames in utterances of {max(map(len, layers))} frames or less")
    for _ in range(16):
        middle = (low + high) / 2
        low, high = (low, middle) if mean_length(middle) >= length else (middle, high)
    return high


def fit_styles(run: TrainingRun) -> None:
    """The distribution of the utterances' styles and registers, from which B3-IR's pseudo-speakers are drawn."""
    codebook = load_codebook(run.models, "units")
    registers, embeddings = [], []
    for features in run.features.each(run.augmented_set, [LAYER, F0, STYLE]):
        register = own_register(codebook.segmental_ids(features[LAYER]), features[F0])
        if register > 0:  # not where no frame is voiced
            registers.append(register)
            embeddings.append(features[STYLE])
    styles = gaussian(torch.stack(embeddings), torch.tensor(registers))
    purpose = "styles and registers that B3-IR draws from, in place of STTTS's generative network"
    notes = f"Fitted to {len(embeddings)} utterances."
    run.save("styles", vars(styles), {"distribution": "Gaussian"}, purpose, notes=notes)


def gaussian(embeddings: Tensor, registers: Tensor) -> Styles:
    """Fit to embeddings (N, E) and registers (N,) in Hz. Raises ValueError for fewer than two, and for NaN."""
    if embeddings.ndim != 2 or len(embeddings) < 2 or len(embeddings) != len(registers):
        raise ValueError(f"styles need two embeddings (N, E) or more, got shape {tuple(embeddings.shape)}")
    both = torch.cat([embeddings, registers.log()[:, None]], dim=1).double()
    if not torch.isfinite(both).all():
        raise ValueError("styles need finite embeddings, and registers above zero")
    values, vectors = torch.linalg.eigh(both.T.cov())
    # not Cholesky's: the embeddings span a part of the space, and there the covariance is singular
    root = vectors * values.clamp(min=0).sqrt()
    return Styles(both.mean(0).float(), root.float())


def make_targets(run: TrainingRun) -> None:
    """Acoustic prompts of all utterances and the numbers of their speakers, which B4-IR and B5-IR draw from."""
    data = run.augmented_set
    prompts = torch.stack([features[PROMPT] for features in run.features.each(data, [PROMPT])])
    speakers, genders = zip(*((u.speaker, u.gender) for u in data.utterances), strict=True)
    targets = Targets(speakers, genders, prompts)
    purpose = f"speakers that B4-IR and B5-IR draw from ({len(targets.names)})"
    config = {"speakers": list(speakers), "genders": list(genders)}
    run.save("targets", {"prompts": targets.prompts}, config, purpose)
