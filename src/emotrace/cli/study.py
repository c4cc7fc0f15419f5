"""Commands for the study: plan, run, reproduce, probe, learning-curve, numbers, status."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from emotrace.cli.options import JobsOption, LayerOption, ProfileName, SchedulerOption, SeedOption
from emotrace.engine.workers import DEFAULT_JOBS

ProfileOption = Annotated[
    ProfileName,
    typer.Option(help="phantom: embedded corpus, minutes; scale: real speech, hours; paper: official parts, a GPU."),
]
RowsOption = Annotated[
    str | None,
    typer.Option(
        help="Rows or groups of rows, separated by commas; table II by default. Groups: attribution, baselines, "
        "discrete, draws, effects, seeds, snapshots, training, unified, waveform."
    ),
]
LevelOption = Annotated[
    str | None,
    typer.Option(
        "--level-experiment",
        help="The level experiment: its rows, recognised by eGeMAPS + SVM with the level as-recorded or normalised.",
    ),
]


def _profile_and_rows(name: str, rows: str | None, layer: int, seed: int, level: str | None = None):
    """A profile at a seed, and the rows that a list of names and groups, separated by commas, means."""
    from emotrace.experiments.level import level_profile
    from emotrace.study.profiles import get_profile

    names = None if rows is None else [each.strip() for each in rows.split(",") if each.strip()]
    profile = replace(get_profile(name), seed=seed)
    profile = profile if level is None else level_profile(profile, level)
    return profile, profile.select(names, layer=layer)


def plan(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
    level: LevelOption = None,
) -> None:
    """Say what a run would do, how long it would take and what is missing. Starts nothing.

    Example: `emotrace plan --profile scale`
    """
    from emotrace.study.plan import corpora_table, make_plan

    if profile is ProfileName.PAPER:
        from emotrace.released.paper_plan import describe

        typer.echo(describe())
    own, chosen = _profile_and_rows(profile, rows, layer, seed, level)
    made = make_plan(own, chosen)
    if own.has_data():
        typer.echo(corpora_table(own).round(1).to_string(index=False) + "\n")
    typer.echo(made.rows.round(1).to_string(index=False))
    typer.echo(
        f"\nto do: about {made.core_minutes:.0f} core-minutes, {made.core_minutes / DEFAULT_JOBS:.0f} minutes with "
        f"{DEFAULT_JOBS} workers, and {made.rows['disk_mb'].sum():.0f} MB; estimated from constants that were measured "
        "on one x86-64 machine (emotrace/study/plan.py)"
    )
    for thing in made.missing:
        typer.echo(f"missing {thing}")


def run(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
    level: LevelOption = None,
    jobs: JobsOption = DEFAULT_JOBS,
    scheduler: SchedulerOption = None,
) -> None:
    """Run the study, or what of it is missing or stale. Stopped at any time, the same command goes on.

    Example: `emotrace run --profile scale --rows original,none-T6`
    """
    from emotrace.study.profiles import get_profile, prepare
    from emotrace.study.run import run_rows

    own, chosen = _profile_and_rows(profile, rows, layer, seed, level)
    prepare(get_profile(profile))
    done = run_rows(own, chosen, jobs=jobs, scheduler=scheduler)
    typer.echo(f"{own.results}: ran {', '.join(done) or 'nothing, all rows are there'}")


def reproduce(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
    jobs: JobsOption = DEFAULT_JOBS,
    scheduler: SchedulerOption = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every row that has results, at whatever layer and seed.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget what earlier reproductions computed.")] = False,
    speakers: Annotated[
        int | None,
        typer.Option(min=1, help="Only so many speakers of each corpus: a part of it in a part of the time."),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Write it to reproductions.csv beside the results.")] = False,
    out: Annotated[Path | None, typer.Option(help="Write it to this CSV file.")] = None,
) -> None:
    """Reproduce recorded rows from nothing, and say whether every prediction and every number is the same.

    What was recorded stays as it is. Stopped, the same command goes on. Exit code 1 where a transcript or a recognised
    emotion differs, or a number of table II by more than a millionth of a percentage point.

    Example: `emotrace reproduce --profile scale --rows none-T1`
    """
    from emotrace.experiments.reproduction import KEPT, keep_comparisons, recorded_everywhere, together
    from emotrace.experiments.reproduction import reproduce as reproduce_rows
    from emotrace.study.profiles import get_profile, prepare

    plain = get_profile(profile)
    groups = recorded_everywhere(plain) if every else [_profile_and_rows(profile, rows, layer, seed)]
    prepare(plain)
    comparisons = []
    for own, chosen in groups:
        options = {"jobs": jobs, "scheduler": scheduler, "fresh": fresh and not comparisons, "speakers": speakers}
        lines = reproduce_rows(own, chosen, **options)
        for path in [path for path in (own.results / KEPT if keep else None, out) if path]:
            keep_comparisons(own, chosen, lines, path, speakers=speakers)
        comparisons += lines
    for line in comparisons:
        typer.echo(f"{line.row:22} {line.state:6} {line.text()}")
    if len(comparisons) > 1:
        typer.echo(f"{len(comparisons)} rows: {together(comparisons).text()}")
    if not all(line.holds() for line in comparisons):
        raise typer.Exit(1)


def probe(
    profile: ProfileOption = ProfileName.PHANTOM,
    seed: SeedOption = 0,
    jobs: JobsOption = DEFAULT_JOBS,
    scheduler: SchedulerOption = None,
) -> None:
    """Train linear probes on every layer and embedding: which carries F0, energy, emotion, speaker, phones.

    Example: `emotrace probe --profile scale`
    """
    from emotrace.experiments.probing import read_probing, run_probing
    from emotrace.study.profiles import get_profile, prepare

    own = replace(get_profile(profile), seed=seed)
    prepare(own)
    done = run_probing(own, jobs=jobs, scheduler=scheduler)
    table = read_probing(own)
    typer.echo(f"{own.results}: {'recorded' if done else 'recorded already'}; the best of each probe:")
    best = table.loc[table.groupby(["probe", "target"], sort=False)["estimate"].idxmax()]
    shown = best[["target", "probe", "representation", "score", "estimate", "low", "high", "baseline"]]
    typer.echo(shown.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


def learning_curve(
    profile: ProfileOption = ProfileName.SCALE,
    jobs: JobsOption = DEFAULT_JOBS,
    scheduler: SchedulerOption = None,
) -> None:
    """Train the recognisers of emotion on fewer speakers: would more of them close the gap of a control?

    Example: `emotrace learning-curve --profile scale`
    """
    from emotrace.experiments.learning_curve import learning_curve as read_curve
    from emotrace.experiments.learning_curve import run_learning_curve
    from emotrace.study.profiles import get_profile, prepare

    own = get_profile(profile)
    prepare(own)
    done = run_learning_curve(own, jobs=jobs, scheduler=scheduler)
    table = read_curve(own)
    typer.echo(
        f"{own.results}: {'recorded' if done else 'recorded already'}; uar [%], and kept of the recordings' UAR:"
    )
    typer.echo(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


def numbers(profile: ProfileOption = ProfileName.PHANTOM) -> None:
    """Write every number of the recorded rows as CSV: cells of table II, tests of the claims, attributions, and more.

    Further: shifts of each emotion's recall beside those that others reported, and what matched recognisers gain.

    Example: `emotrace numbers --profile scale`
    """
    from emotrace.analysis.claims import CLAIMS, cell_verdicts
    from emotrace.experiments.numbers import numbers_record, read_tests, run_numbers
    from emotrace.study.profiles import get_profile

    own = get_profile(profile)
    done = run_numbers(own)
    for path in numbers_record(own).tables:
        typer.echo(f"{path}: {'written' if done else 'is of the results at hand'}")
    verdicts = cell_verdicts(read_tests(own), CLAIMS)
    counts = verdicts.groupby(["encoder", "route", "corpus", "recogniser"])["verdict"].value_counts()
    typer.echo(counts.rename("claims").reset_index().to_string(index=False))


def status(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
    level: LevelOption = None,
) -> None:
    """Say which rows are done, partial, missing or stale.

    Example: `emotrace status --profile scale`
    """
    from emotrace.engine.runner import state_of
    from emotrace.study.run import works

    own, chosen = _profile_and_rows(profile, rows, layer, seed, level)
    found = works(own, chosen)
    states = [state_of(work) for work in found]
    lacking = found[0].keys.missing_models(chosen)
    for state in states:
        detail = f"{state.files} of {state.total} files" if state.state == "partial" else ""
        detail = f"differs: {', '.join(state.reasons)}" if state.reasons else detail
        typer.echo(f"{state.name:22} {state.state:8} {detail}".rstrip())
    if lacking:
        typer.echo(f"missing models: {', '.join(lacking)}")
    if not own.has_data():
        typer.echo(f"no data: {own.missing}")
