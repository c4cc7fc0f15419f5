"""Commands for any data directory, the user's own included: anonymize, evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.options import JobsOption, LayerOption, SchedulerOption, SeedOption, one_message, worker_count


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
    with one_message():
        from emotrace.anonymizer.draws import Selection
        from emotrace.study.profiles import get_profile
        from emotrace.study.verbs import anonymise

        chosen, *others = get_profile("phantom").select([row], layer=layer)
        if others:
            raise ValueError(f"--row {row} is a group; choose one of {', '.join(r.name for r in (chosen, *others))}")
        options = {"seed": seed, "jobs": worker_count(jobs), "scheduler": scheduler}
        made = anonymise(source, chosen, target=target, selection=Selection(level=level), **options)
    typer.echo(f"{target}: {len(made)} utterances by {chosen.name}")


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
        Path | None, typer.Option(help="Folder for utterances.parquet, trials.parquet, summary.csv, report.html.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="File for a report with figures, beside the recorded rows: one HTML file.")
    ] = None,
    vpc: Annotated[
        Path | None,
        typer.Option(
            help="Folder for VoicePrivacy 2024's result files; their suffix is what is new in the copy's name."
        ),
    ] = None,
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
) -> None:
    """Compare an anonymised data directory with its originals: EER, WER, recalls, UAR, acoustics, with 95 % intervals.

    Example: `emotrace evaluate corpus corpus_anon --out results --report report.html`
    """
    with one_message():
        from emotrace.analysis.summary import summary_table, write_results
        from emotrace.corpus.files import write_text_atomic
        from emotrace.show.report.page import render_report
        from emotrace.show.vpc_results import write_vpc_results
        from emotrace.study.verbs import evaluate as evaluate_directories

        options = {"training": train_on, "enrolment": enrolment, "jobs": worker_count(jobs), "scheduler": scheduler}
        results = evaluate_directories(original, anonymised, **options)
        summary = summary_table(results)
        if out is not None:
            write_results(out, results, summary)
        if vpc is not None:
            write_vpc_results(results, vpc, anonymised.resolve().name.removeprefix(original.resolve().name))
        if paths := [path for path in (report, out and out / "report.html") if path is not None]:
            html = render_report(results, summary)
            for path in paths:
                write_text_atomic(path, html)
    typer.echo(summary.to_string(index=False, float_format=lambda value: f"{value:.2f}", na_rep="-"))
    for note in results.notes:
        typer.echo(f"note: {note}")
