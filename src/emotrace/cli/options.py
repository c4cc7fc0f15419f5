"""What the commands share: options, and how a mistake of the user is answered."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ProfileName(StrEnum):
    PHANTOM = "phantom"
    SCALE = "scale"
    PAPER = "paper"


ProfileOption = Annotated[
    ProfileName,
    typer.Option(help="phantom: embedded corpus, minutes; scale: real speech, hours; paper: official parts, a GPU."),
]
RowsOption = Annotated[
    str | None,
    typer.Option(
        help="Rows or groups of rows, separated by commas; table II by default. Groups: attribution, baselines, "
        "effects, seeds, snapshots."
    ),
]
LevelOption = Annotated[
    str | None,
    typer.Option(
        "--level-experiment",
        help="The level experiment: its rows, recognised by eGeMAPS + SVM with the level as-recorded or normalised.",
    ),
]
LayerOption = Annotated[int, typer.Option(min=1, help="HuBERT layer that rows at T6 are taken at.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the pseudo-speakers; 0 is the study's own selection.")]
JobsOption = Annotated[int | None, typer.Option(min=1, help="Worker processes, one thread each; 2 by default.")]
KeepOption = Annotated[bool, typer.Option("--keep", help="Write it to reproductions.csv beside the results.")]
OutOption = Annotated[Path | None, typer.Option(help="Write it to this CSV file.")]
AllOption = Annotated[bool, typer.Option("--all", help="Every row that has results, at whatever layer and seed.")]
FreshOption = Annotated[bool, typer.Option("--fresh", help="Forget what earlier reproductions computed.")]
SchedulerOption = Annotated[
    str | None, typer.Option(help="A dask cluster of yours instead of --jobs: tcp://host:8786, or a scheduler file.")
]
RavdessOption = Annotated[Path | None, typer.Option(help="RAVDESS folder or zip, where it is not imported yet.")]
LibriSpeechOption = Annotated[Path | None, typer.Option(help="LibriSpeech folder with SPEAKERS.TXT, likewise.")]


@contextmanager
def one_message() -> Iterator[None]:
    """Turn the errors that a user can cause into one message; anything else is a defect and keeps its traceback."""
    from emotrace.engine.provenance import CodeChangedError
    from emotrace.engine.workers import TaskError

    try:
        yield
    except (ValueError, OSError, TaskError, CodeChangedError, FloatingPointError) as error:
        typer.echo(f"emotrace: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        typer.echo("emotrace: stopped; the same command resumes", err=True)
        raise typer.Exit(130) from error


def profile_and_rows(name: str, rows: str | None, layer: int, seed: int, level: str | None = None):
    """A profile at a seed, and the rows that a list of names and groups, separated by commas, means."""
    from dataclasses import replace

    from emotrace.experiments.level import level_profile
    from emotrace.study.profiles import get_profile

    names = None if rows is None else [each.strip() for each in rows.split(",") if each.strip()]
    profile = replace(get_profile(name), seed=seed)
    profile = profile if level is None else level_profile(profile, level)
    return profile, profile.select(names, layer=layer)


def worker_count(jobs: int | None) -> int:
    """Worker processes where the user names no number."""
    from emotrace.engine.workers import DEFAULT_JOBS

    return jobs or DEFAULT_JOBS
