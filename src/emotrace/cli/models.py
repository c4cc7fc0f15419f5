"""Commands for models: fetch the released ones, train our own."""

from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.options import ProfileName, SeedOption


def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Checkpoints; paper for all that its profile needs; without any, a list of them."),
    ] = None,
    accept_licence: Annotated[bool, typer.Option(help="Accept the licences that ask for it; see the list.")] = False,
    vocoder: Annotated[
        list[str] | None,
        typer.Option(help="IR=FILE, a generator in SSL-SAS's format, e.g. none-T1=g_00100000; may be repeated."),
    ] = None,
) -> None:
    """Get released checkpoints of the paper's models and check them; with paper, make its profile's models of them.

    Files that you put into $EMOTRACE_CHECKPOINTS (work/checkpoints) yourself are checked just the same.

    Example: `emotrace fetch paper --accept-licence`
    """
    from emotrace.released.checkpoints import CHECKPOINTS, RECOGNISERS, SOURCES
    from emotrace.released.download import obtain
    from emotrace.released.loaders import convert_all
    from emotrace.study.profiles import paper

    if not names:
        for entry in CHECKPOINTS.values():
            typer.echo(f"{entry.name}: {entry.purpose}\n    {entry.page}; licence: {entry.licence}")
        return
    everything = (*SOURCES.values(), *RECOGNISERS)
    wanted = [name for given in names for name in (everything if given == "paper" else [given])]
    if unknown := sorted(set(wanted) - set(CHECKPOINTS)):
        raise ValueError(f"no checkpoint {unknown[0]!r}; there are: paper, {', '.join(CHECKPOINTS)}")
    for name in wanted:
        typer.echo(f"{name}: {obtain(CHECKPOINTS[name], accept_licence=accept_licence)}")
    if "paper" in names:
        converted = convert_all(paper().models, vocoders=dict(map(_pair, vocoder or ())))
        typer.echo(f"{paper().models}: {', '.join(converted) or 'everything was there'}")


def _pair(text: str) -> tuple[str, Path]:
    ir, equals, path = text.partition("=")
    if not equals:
        raise ValueError(f"--vocoder {text}: write IR=FILE, e.g. none-T1=g_00100000")
    return ir, Path(path)


def train(
    model: Annotated[str, typer.Argument(help="Name of a model, or all for every one that is not finished.")] = "all",
    data: Annotated[
        list[Path] | None,
        typer.Option(
            help="Data directory to learn from; may be given several times. Default: as the model's card says."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the models; the profile's own by default.")] = None,
    profile: Annotated[
        ProfileName, typer.Option(help="scale: small models; paper: SSL-SAS's sizes and 100,000 steps, for GPUs.")
    ] = ProfileName.SCALE,
    crop_features: Annotated[
        bool, typer.Option(help="Paper: extract the features from every crop, as SSL-SAS does; many times slower.")
    ] = False,
    precision: Annotated[str, typer.Option(help="no (float32), bf16 or fp16.")] = "no",
    seed: SeedOption = 0,
) -> None:
    """Train a model, or go on where a training was interrupted; on several GPUs by `accelerate launch -m emotrace`.

    Example: `emotrace train acoustic-none-T6`
    """
    from emotrace.study.scale import unfinished
    from emotrace.training.catalogue import TRAINERS
    from emotrace.training.catalogue import train as train_model

    if model not in ("all", *TRAINERS):
        raise ValueError(f"no model {model!r}; there are: all, {', '.join(TRAINERS)}")
    folder = out or _models_of(profile)
    if model.startswith("unified-") and profile is not ProfileName.PAPER:
        raise ValueError(f"{model} is the paper's and takes a GPU: --profile paper; joint-... is trained on a CPU")
    if model == "all" and profile is ProfileName.PAPER:
        raise ValueError("name a model: those of the paper that were not released are in emotrace plan --profile paper")
    for name in unfinished(folder) if model == "all" else (model,):
        train_model(name, _training_run(profile, name, data or [], folder, crop_features, seed, precision))


def _models_of(profile: ProfileName) -> Path:
    from emotrace.paths import MODELS
    from emotrace.study.profiles import paper

    return paper().models if profile is ProfileName.PAPER else MODELS


def _training_run(profile: ProfileName, model: str, data: list[Path], out: Path, crop: bool, seed: int, precision: str):
    """Where a model is trained, and from which speech, imported where need be; RunError where a corpus is not there.

    Small models learn from what `catalogue.speech_of` names. The paper's learn from LibriTTS train-clean-100, the pool
    from train-other-500, without copies, with front-ends that `emotrace fetch paper` made.
    """
    from emotrace.engine.runner import RunError
    from emotrace.paths import WORK
    from emotrace.released.paper_plan import CORPORA
    from emotrace.study.scale import training_speech
    from emotrace.training.catalogue import copies_of
    from emotrace.training.loop import from_main
    from emotrace.training.run import Steps, TrainingRun
    from emotrace.training.unified import ORIGINAL, PAPER

    options = {"seed": seed, "precision": precision}
    if profile is not ProfileName.PAPER:
        folders = data or from_main(lambda: training_speech(model))
        return TrainingRun(tuple(folders), WORK / "training", out, copies=copies_of(model), **options)
    source = CORPORA[1] if model == "pool" else CORPORA[0]
    folder = WORK / "corpora" / source.folder
    if not data and not (folder / "wav.scp").is_file():
        raise RunError(f"no {source.name} in {folder}; get it from {source.page}, then {source.command}")
    steps = Steps(unified=ORIGINAL if crop else PAPER)
    return TrainingRun(tuple(data or [folder]), WORK / "training-paper", out, steps, copies=(), **options)
