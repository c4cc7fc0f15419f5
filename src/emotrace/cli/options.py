"""What the commands share: options, and how a mistake of the user is answered."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import Annotated

import typer

from emotrace.engine.provenance import CodeChangedError
from emotrace.engine.workers import TaskError

MORE = "pip install 'emotrace[models,cluster]', or the repository, which has data and models, too"


class ProfileName(StrEnum):
    PHANTOM = "phantom"
    SCALE = "scale"
    PAPER = "paper"


LayerOption = Annotated[int, typer.Option(min=1, help="HuBERT layer that rows at T6 are taken at.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the pseudo-speakers; 0 is the study's own selection.")]
JobsOption = Annotated[int, typer.Option(min=1, help="Worker processes, one thread each.")]
SchedulerOption = Annotated[
    str | None, typer.Option(help="A dask cluster of yours instead of --jobs: tcp://host:8786, or a scheduler file.")
]


@contextmanager
def one_message() -> Iterator[None]:
    """Turn the errors that a user can cause into one message; anything else is a defect and keeps its traceback."""
    try:
        yield
    except (ValueError, OSError, TaskError, CodeChangedError, FloatingPointError) as error:
        typer.echo(f"emotrace: {error}", err=True)
        raise typer.Exit(2) from error
    except ModuleNotFoundError as error:
        if error.name.partition(".")[0] in ("emotrace", ""):
            raise
        typer.echo(f"emotrace: {error}; this command needs more: {MORE}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        typer.echo("emotrace: stopped; the same command resumes", err=True)
        raise typer.Exit(130) from error
