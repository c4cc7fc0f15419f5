"""The command line. Every command says what it needs; a mistake is answered by one message and exit code 2."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Where does emotion get lost in speaker anonymization? The study, from audio to tables.

    The whole study on the embedded corpus: `emotrace run`, then `emotrace status`.

    Your own data directory: `emotrace validate DIR`, `emotrace anonymize DIR DIR_anon --row ECAPA-anon-T6`,
    `emotrace evaluate DIR DIR_anon`.
    """,
)


class CorpusName(StrEnum):
    RAVDESS = "ravdess"
    LIBRISPEECH = "librispeech"
    LIBRITTS = "libritts"
    IEMOCAP = "iemocap"
    LIBRI_TEST = "libri-test"


class ProfileName(StrEnum):
    PHANTOM = "phantom"
    SCALE = "scale"
    PAPER = "paper"


ProfileOption = Annotated[
    ProfileName,
    typer.Option(help="phantom: embedded corpus, minutes; scale: real speech, hours; paper: official parts, a GPU."),
]
RowsOption = Annotated[str | None, typer.Option(help="Rows, separated by commas; all by default.")]
LayerOption = Annotated[int, typer.Option(min=1, help="HuBERT layer that rows at T6 are taken at.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Of the pseudo-speakers; 0 is the study's own selection.")]
JobsOption = Annotated[int | None, typer.Option(min=1, help="Worker processes, one thread each; 2 by default.")]
SchedulerOption = Annotated[
    str | None, typer.Option(help="A dask cluster of yours instead of --jobs: tcp://host:8786, or a scheduler file.")
]
RavdessOption = Annotated[Path | None, typer.Option(help="RAVDESS folder or zip, where it is not imported yet.")]
LibriSpeechOption = Annotated[Path | None, typer.Option(help="LibriSpeech folder with SPEAKERS.TXT, likewise.")]


@contextmanager
def _one_message() -> Iterator[None]:
    """Turn the errors that a user can cause into one message; anything else is a defect and keeps its traceback."""
    from emotrace.study.provenance import CodeChangedError
    from emotrace.study.workers import TaskError

    try:
        yield
    except (ValueError, OSError, TaskError, CodeChangedError, FloatingPointError) as error:
        typer.echo(f"emotrace: {error}", err=True)
        raise typer.Exit(2) from error
    except KeyboardInterrupt as error:
        typer.echo("emotrace: stopped; the same command resumes", err=True)
        raise typer.Exit(130) from error


@app.command("import")
def import_corpus(
    corpus: CorpusName,
    source: Annotated[
        Path,
        typer.Argument(
            help="ravdess: folder or zip; librispeech: folder with SPEAKERS.TXT; libritts: folder with speakers.tsv; "
            "iemocap: IEMOCAP_full_release; libri-test: VoicePrivacy 2024's data folder."
        ),
    ],
    target: Annotated[Path, typer.Argument(help="New folder; data directories are made in it, or it becomes one.")],
    trim: Annotated[bool, typer.Option(help="RAVDESS: cut leading and trailing silence.")] = True,
    excited: Annotated[bool, typer.Option(help="IEMOCAP: excitement counts as happy.")] = True,
    check_majority: Annotated[bool, typer.Option(help="IEMOCAP: recount the annotators' votes.")] = False,
) -> None:
    """Import a corpus as data directories: train/ and test/, the subsets of LibriTTS, or a single one.

    Example: `emotrace import ravdess Audio_Speech_Actors_01-24.zip corpora/ravdess`
    """
    with _one_message():
        from emotrace.corpus.importers import import_corpus as import_by_name

        options = {"trim": trim, "excited": excited, "check_majority": check_majority}
        made, remarks = import_by_name(corpus.value, source, target, **options)
    for data in made:
        typer.echo(f"{data.path}: {len(data)} utterances, {len(data.speakers)} speakers")
    for remark in remarks:
        typer.echo(remark)


@app.command()
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
    with _one_message():
        from emotrace.official.adopt import EVALUATION, SOURCES, adopt_all
        from emotrace.official.download import obtain
        from emotrace.official.registry import CHECKPOINTS
        from emotrace.study.profiles import paper

        if not names:
            for entry in CHECKPOINTS.values():
                typer.echo(f"{entry.name}: {entry.purpose}\n    {entry.page}; licence: {entry.licence}")
            return
        everything = (*SOURCES.values(), *EVALUATION)
        wanted = [name for given in names for name in (everything if given == "paper" else [given])]
        if unknown := sorted(set(wanted) - set(CHECKPOINTS)):
            raise ValueError(f"no checkpoint {unknown[0]!r}; there are: paper, {', '.join(CHECKPOINTS)}")
        for name in wanted:
            typer.echo(f"{name}: {obtain(CHECKPOINTS[name], accept_licence=accept_licence)}")
        if "paper" in names:
            adopted = adopt_all(paper().models, vocoders=dict(map(_pair, vocoder or ())))
            typer.echo(f"{paper().models}: {', '.join(adopted) or 'everything was there'}")


def _pair(text: str) -> tuple[str, Path]:
    ir, equals, path = text.partition("=")
    if not equals:
        raise ValueError(f"--vocoder {text}: write IR=FILE, e.g. none-T1=g_00100000")
    return ir, Path(path)


@app.command()
def validate(
    directory: Annotated[Path, typer.Argument(help="Data directory.")],
    rate: Annotated[int, typer.Option(help="Expected sampling rate in Hz; 0 accepts any.")] = 16_000,
) -> None:
    """Name every problem of a data directory, with file and line; exit code 1 if there is any.

    Example: `emotrace validate data/phantom/test`
    """
    from emotrace.corpus.validate import validate as find_problems

    problems = find_problems(directory, expected_rate=rate or None)
    for problem in problems:
        typer.echo(str(problem))
    typer.echo(f"{directory}: {len(problems) or 'no'} problem{'s' * (len(problems) != 1)}", err=True)
    raise typer.Exit(1 if problems else 0)


@app.command()
def plan(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
) -> None:
    """Say what a run would do, how long it would take and what is missing. Starts nothing.

    Example: `emotrace plan --profile scale`
    """
    with _one_message():
        from emotrace.study.plan import corpora_table, make_plan
        from emotrace.study.workers import DEFAULT_JOBS

        if profile is ProfileName.PAPER:
            from emotrace.study.paper_plan import describe

            typer.echo(describe())
        layout, chosen = _layout(profile, rows, layer, seed)
        made = make_plan(layout, chosen)
        if layout.profile.has_data():
            typer.echo(corpora_table(layout).round(1).to_string(index=False) + "\n")
    typer.echo(made.rows.round(1).to_string(index=False))
    typer.echo(
        f"\nto do: about {made.core_minutes:.0f} core-minutes, {made.core_minutes / DEFAULT_JOBS:.0f} minutes with "
        f"{DEFAULT_JOBS} workers, and {made.rows['disk_mb'].sum():.0f} MB; estimated from constants that were measured "
        "on one x86-64 machine (emotrace/study/plan.py)"
    )
    for thing in made.missing:
        typer.echo(f"missing {thing}")


@app.command()
def train(
    model: Annotated[str, typer.Argument(help="Name of a model, or all for every one that is not finished.")] = "all",
    data: Annotated[
        list[Path] | None,
        typer.Option(help="Data directory to learn from; may be given several times. Default: work/corpora/*/train."),
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
    with _one_message():
        from emotrace.training.catalogue import TRAINERS
        from emotrace.training.catalogue import train as train_model
        from emotrace.workshops import paper_workshop, scale_workshop

        if model not in ("all", *TRAINERS):
            raise ValueError(f"no model {model!r}; there are: all, {', '.join(TRAINERS)}")
        options = {"out": out, "seed": seed, "precision": precision}
        if profile is ProfileName.PAPER:
            train_model(model, paper_workshop(model, data or (), crop_features=crop_features, **options))
        else:
            train_model(model, scale_workshop(data or (), **options))


@app.command()
def anonymize(
    source: Annotated[Path, typer.Argument(help="Data directory; FLAC or WAV at any rate.")],
    target: Annotated[Path, typer.Argument(help="New data directory; its name must not end in something with 'asr'.")],
    row: Annotated[str, typer.Option(help="Row of table II, e.g. ECAPA-anon-T6.")],
    layer: LayerOption = 6,
    level: Annotated[str, typer.Option(help="Pseudo-speakers per utterance, or per speaker.")] = "utterance",
    seed: SeedOption = 0,
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
) -> None:
    """Anonymise a data directory by a row; all metadata are kept, 16 kHz audio lands in wav/.

    Example: `emotrace anonymize corpus corpus_anon --row ECAPA-anon-T12-soft`
    """
    with _one_message():
        from emotrace.study.directories import anonymise_directory
        from emotrace.study.profiles import Selection
        from emotrace.study.rows import select_rows

        chosen = select_rows([row], layer=layer)[0]
        options = {"seed": seed, "selection": Selection(level=level), "jobs": _jobs(jobs), "scheduler": scheduler}
        made = anonymise_directory(source, target, chosen, **options)
    typer.echo(f"{target}: {len(made)} utterances by {chosen.name}")


@app.command()
def evaluate(
    original: Annotated[Path, typer.Argument(help="Data directory with the originals.")],
    anonymised: Annotated[Path, typer.Argument(help="Data directory with the same utterances, whoever made them.")],
    train_on: Annotated[
        Path | None,
        typer.Option("--train", help="Originals of other speakers for the emotion recognisers; else by folds."),
    ] = None,
    enrolment: Annotated[
        Path | None,
        typer.Option(help="Copy from a separate invocation (another --seed) that the lazy-informed attacker enrols."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for utterances.parquet, trials.parquet, summary.csv.")
    ] = None,
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
) -> None:
    """Compare an anonymised data directory with its originals: EER, WER, recalls, UAR, acoustics, with 95 % intervals.

    Example: `emotrace evaluate corpus corpus_anon --out results`
    """
    with _one_message():
        from emotrace.study.directories import evaluate_directories, write_evaluation
        from emotrace.study.summary import summary_table

        options = {"training": train_on, "enrolment": enrolment, "jobs": _jobs(jobs), "scheduler": scheduler}
        found = evaluate_directories(original, anonymised, **options)
        summary = summary_table(found)
        if out is not None:
            write_evaluation(out, found, summary)
    typer.echo(summary.to_string(index=False, float_format=lambda value: f"{value:.2f}", na_rep="-"))
    for note in found.notes:
        typer.echo(f"note: {note}")


@app.command()
def run(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
    ravdess: RavdessOption = None,
    librispeech: LibriSpeechOption = None,
) -> None:
    """Run the study, or what of it is missing or stale. Stopped at any time, the same command goes on.

    Example: `emotrace run --profile scale --rows original,none-T6`
    """
    with _one_message():
        from emotrace.study.profiles import prepare
        from emotrace.study.runner import run_rows

        layout, chosen = _layout(profile, rows, layer, seed)
        prepare(layout.profile, ravdess=ravdess, librispeech=librispeech)
        done = run_rows(layout, chosen, jobs=_jobs(jobs), scheduler=scheduler)
    typer.echo(f"{layout.profile.results}: ran {', '.join(done) or 'nothing, all rows are there'}")


@app.command()
def status(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
) -> None:
    """Say which rows are done, partial, missing or stale.

    Example: `emotrace status --profile scale`
    """
    with _one_message():
        from emotrace.study.runner import row_state

        layout, chosen = _layout(profile, rows, layer, seed)
        states = [row_state(layout, row) for row in chosen]
        lacking = layout.missing_models(chosen)
    for state in states:
        detail = f"differs: {', '.join(state.reasons)}" if state.reasons else ""
        detail = f"{state.files} of {state.total} files" if state.state == "partial" else detail
        typer.echo(f"{state.row:22} {state.state:8} {detail}".rstrip())
    if lacking:
        typer.echo(f"missing models: {', '.join(lacking)}")
    if not layout.profile.has_data():
        typer.echo(f"no data: {layout.profile.missing}")


def _layout(profile: str, rows: str | None, layer: int, seed: int):
    from emotrace.study.layout import Layout
    from emotrace.study.profiles import get_profile

    names = None if rows is None else [name.strip() for name in rows.split(",") if name.strip()]
    layout = Layout(get_profile(profile), seed=seed)
    return layout, layout.profile.select(names, layer=layer)


def _jobs(jobs: int | None) -> int:
    from emotrace.study.workers import DEFAULT_JOBS

    return jobs or DEFAULT_JOBS
