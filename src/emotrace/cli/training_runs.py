"""Where the models of each profile are trained: from which speech, at which size, into which folder."""

from collections.abc import Sequence
from pathlib import Path

from emotrace.engine.runner import RunError
from emotrace.paths import MODELS, ROOT
from emotrace.released.paper_plan import CORPORA
from emotrace.study.profiles import import_corpora, paper
from emotrace.training.loop import from_main
from emotrace.training.run import Steps, TrainingRun
from emotrace.training.unified import ORIGINAL, PAPER


def scale_run(
    data: Sequence[Path], *, out: Path | None = None, seed: int = 0, precision: str = "no", root: Path = ROOT
) -> TrainingRun:
    """The small models, from ``data`` or the training parts of LibriSpeech and RAVDESS, imported where need be.

    Raises RunError when a corpus is neither imported nor found.
    """
    folders = tuple(data or from_main(lambda: import_corpora(root)))
    return TrainingRun(folders, root / "work" / "training", out or MODELS, seed=seed, precision=precision)


def paper_run(
    model: str,
    data: Sequence[Path],
    *,
    out: Path | None = None,
    seed: int = 0,
    precision: str = "no",
    crop_features: bool = False,
    root: Path = ROOT,
) -> TrainingRun:
    """Where ``model`` is made: from ``data``, or LibriTTS train-clean-100, for the pool train-other-500; no copies.

    The front-ends are converted from the released checkpoints (``emotrace fetch paper``). Raises RunError without the
    corpus.
    """
    source = CORPORA[1] if model == "pool" else CORPORA[0]
    folder = root / "work" / "corpora" / source.folder
    if not data and not (folder / "wav.scp").is_file():
        raise RunError(f"no {source.name} in {folder}; get it from {source.page}, then {source.command}")
    steps = Steps(unified=ORIGINAL if crop_features else PAPER)
    models = out or paper(root).models
    folders, work = tuple(data or [folder]), root / "work" / "training-paper"
    return TrainingRun(folders, work, models, steps, seed=seed, precision=precision, copies=())
