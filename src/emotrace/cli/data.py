"""Commands for data directories as such: import, validate."""

from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.options import one_message
from emotrace.corpus.importers import IMPORTERS
from emotrace.corpus.importers import import_corpus as import_by_name


def import_corpus(
    corpus: Annotated[str, typer.Argument(help=f"One of {', '.join(IMPORTERS)}.")],
    source: Annotated[
        Path,
        typer.Argument(
            help="wavs: folder of WAV or FLAC files; ravdess: folder or zip; librispeech: folder with SPEAKERS.TXT; "
            "libritts: folder with speakers.tsv; iemocap: IEMOCAP_full_release; libri-test: VoicePrivacy 2024's data "
            "folder."
        ),
    ],
    target: Annotated[Path, typer.Argument(help="New folder; data directories are made in it, or it becomes one.")],
    labels: Annotated[
        Path | None,
        typer.Option(
            help="wavs: CSV with columns file, speaker, gender and, where known, emotion, text, fold; by default "
            "labels.csv in the folder."
        ),
    ] = None,
    trim: Annotated[bool | None, typer.Option(help="RAVDESS: cut leading and trailing silence; default: yes.")] = None,
    excited: Annotated[bool | None, typer.Option(help="IEMOCAP: excitement counts as happy; default: yes.")] = None,
    check_majority: Annotated[
        bool | None,
        typer.Option(help="IEMOCAP: recount the annotators' votes."),
    ] = None,
) -> None:
    """Import a corpus as data directories: train/ and test/, the subsets of LibriTTS, or a single one.

    Example: `emotrace import ravdess Audio_Speech_Actors_01-24.zip corpora/ravdess`

    Your own recordings, and what your system made of them under the same file names, go with one table of labels:

    `emotrace import wavs original/ corpora/original --labels labels.csv`

    `emotrace import wavs anonymised/ corpora/anonymised --labels labels.csv`

    `emotrace evaluate corpora/original corpora/anonymised --report report.html`

    The table has a line for each utterance, such as `anna/hello.wav,anna,f,hap,HELLO THERE` below the heading
    `file,speaker,gender,emotion,text`. Emotions are sad, neu, ang, hap. Without a column fold, folds are made by
    speaker; enrolment and trials of speakers with two utterances or more are made, too. Audio stays where it is.
    """
    options = {"labels": labels, "trim": trim, "excited": excited, "check_majority": check_majority}
    given = {name: value for name, value in options.items() if value is not None}
    with one_message():
        imported = import_by_name(corpus, source, target, **given)
    for data in imported.data:
        typer.echo(f"{data.path}: {len(data)} utterances, {len(data.speakers)} speakers")
    for remark in imported.remarks:
        typer.echo(remark)


def validate(directory: Annotated[Path, typer.Argument(help="Data directory.")]) -> None:
    """Name every problem of a data directory, with file and line; exit code 1 if there is any.

    Audio at another rate than 16 kHz is no problem: every command resamples it, and a note says so. Below 8 kHz it is.

    Example: `emotrace validate data/phantom/test`
    """
    from emotrace.corpus.validate import rate_notes
    from emotrace.corpus.validate import validate as find_problems

    problems = find_problems(directory)
    for problem in problems:
        typer.echo(str(problem))
    for note in rate_notes(directory):
        typer.echo(f"note: {note}")
    typer.echo(f"{directory}: {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}", err=True)
    raise typer.Exit(1 if problems else 0)
