"""Where the models of each profile are trained: from which speech, at which size, into which folder."""

from collections.abc import Sequence
from pathlib import Path

from emotrace.models import DEFAULT
from emotrace.released.paper_plan import CORPORA
from emotrace.study.profiles import ProfileError, import_corpora, paper
from emotrace.paths import ROOT
from emotrace.training.processes import from_main
from emotrace.training.unified import ORIGINAL, PAPER
from emotrace.training.workshop import Budget, Workshop


def scale_workshop(
    data: Sequence[Path], *, out: Path | None = None, seed: int = 0, precision: str = "no", root: Path = ROOT
) -> Workshop:
    """The small models, from ``data`` or the training parts of LibriSpeech and RAVDESS, imported where need be.

    Raises ProfileError when a corpus is neither imported nor found.
    """
    folders = tuple(data or from_main(lambda: import_corpora(root)))
    return Workshop(folders, root / "work" / "training", out or DEFAULT, seed=seed, precision=precision)


def paper_workshop(
    model: str,
    data: Sequence[Path],
    *,
    out: Path | None = None,
    seed: int = 0,
    precision: str = "no",
    crop_features: bool = False,
    root: Path = ROOT,
) -> Workshop:
    """Where ``model`` is made: from ``data``, or LibriTTS train-clean-100, for the pool train-other-500; no copies.

    The front-ends are adopted from the released checkpoints (``emotrace fetch paper``). Raises ProfileError without the
    corpus.
    """
    source = CORPORA[1] if model == "pool" else CORPORA[0]
    learned = root / "work" / "corpora" / source.folder
    if not data and not (learned / "wav.scp").is_file():
        raise ProfileError(f"no {source.name} in {learned}; get it from {source.page}, then {source.command}")
    budget = Budget(unified=ORIGINAL if crop_features else PAPER)
    models = out or paper(root).models
    folders, work = tuple(data or [learned]), root / "work" / "training-paper"
    return Workshop(folders, work, models, budget, seed=seed, precision=precision, copies=())
