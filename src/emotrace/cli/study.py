"""Commands for the study: plan, run, reproduce, probe, learning-curve, status."""

import typer

from emotrace.cli.options import (
    AllOption,
    FreshOption,
    HearingOption,
    JobsOption,
    KeepOption,
    LayerOption,
    LibriSpeechOption,
    OutOption,
    ProfileName,
    ProfileOption,
    RavdessOption,
    RowsOption,
    SchedulerOption,
    SeedOption,
    layout_and_rows,
    one_message,
    worker_count,
)


def plan(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
    hearing: HearingOption = None,
) -> None:
    """Say what a run would do, how long it would take and what is missing. Starts nothing.

    Example: `emotrace plan --profile scale`
    """
    with one_message():
        from emotrace.engine.plan import corpora_table, make_plan
        from emotrace.engine.workers import DEFAULT_JOBS

        if profile is ProfileName.PAPER:
            from emotrace.released.paper_plan import describe

            typer.echo(describe())
        layout, chosen = layout_and_rows(profile, rows, layer, seed, hearing)
        made = make_plan(layout, chosen)
        if layout.profile.has_data():
            typer.echo(corpora_table(layout).round(1).to_string(index=False) + "\n")
    typer.echo(made.rows.round(1).to_string(index=False))
    typer.echo(
        f"\nto do: about {made.core_minutes:.0f} core-minutes, {made.core_minutes / DEFAULT_JOBS:.0f} minutes with "
        f"{DEFAULT_JOBS} workers, and {made.rows['disk_mb'].sum():.0f} MB; estimated from constants that were measured "
        "on one x86-64 machine (emotrace/engine/plan.py)"
    )
    for thing in made.missing:
        typer.echo(f"missing {thing}")


def run(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
    hearing: HearingOption = None,
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
    ravdess: RavdessOption = None,
    librispeech: LibriSpeechOption = None,
) -> None:
    """Run the study, or what of it is missing or stale. Stopped at any time, the same command goes on.

    Example: `emotrace run --profile scale --rows original,none-T6`
    """
    with one_message():
        from emotrace.study.profiles import get_profile, prepare
        from emotrace.study.runner import run_rows

        layout, chosen = layout_and_rows(profile, rows, layer, seed, hearing)
        prepare(get_profile(profile), ravdess=ravdess, librispeech=librispeech)
        done = run_rows(layout, chosen, jobs=worker_count(jobs), scheduler=scheduler)
    typer.echo(f"{layout.profile.results}: ran {', '.join(done) or 'nothing, all rows are there'}")


def reproduce(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
    ravdess: RavdessOption = None,
    librispeech: LibriSpeechOption = None,
    every: AllOption = False,
    fresh: FreshOption = False,
    keep: KeepOption = False,
    out: OutOption = None,
) -> None:
    """Make recorded rows again from nothing, and say whether every prediction and every number is the same.

    What was recorded stays as it is. Stopped, the same command goes on. Exit code 1 where a transcript or a recognised
    emotion differs, or a number of table II by more than a millionth of a percentage point.

    Example: `emotrace reproduce --profile scale --rows none-T1`
    """
    with one_message():
        from emotrace.study.profiles import get_profile, prepare
        from emotrace.experiments.reproduction import KEPT, keep_agreements, recorded_everywhere, together
        from emotrace.experiments.reproduction import reproduce as make_again

        own = get_profile(profile)
        groups = recorded_everywhere(own) if every else [layout_and_rows(profile, rows, layer, seed)]
        prepare(own, ravdess=ravdess, librispeech=librispeech)
        found = []
        for layout, chosen in groups:
            lines = make_again(layout, chosen, jobs=worker_count(jobs), scheduler=scheduler, fresh=fresh and not found)
            for path in [path for path in (layout.profile.results / KEPT if keep else None, out) if path]:
                keep_agreements(layout, chosen, lines, path)
            found += lines
    for line in found:
        typer.echo(f"{line.row:22} {line.state:6} {line.text()}")
    if len(found) > 1:
        typer.echo(f"{len(found)} rows: {together(found).text()}")
    if not all(line.holds() for line in found):
        raise typer.Exit(1)


def probe(
    profile: ProfileOption = ProfileName.PHANTOM,
    seed: SeedOption = 0,
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
    ravdess: RavdessOption = None,
    librispeech: LibriSpeechOption = None,
) -> None:
    """Train linear probes on every layer and embedding: which carries F0, energy, emotion, speaker, phones.

    Example: `emotrace probe --profile scale`
    """
    with one_message():
        from emotrace.study.layout import Layout
        from emotrace.experiments.probing import read_probing, run_probing
        from emotrace.study.profiles import get_profile, prepare
        from emotrace.study.runner import require_scheduler

        own = get_profile(profile)
        prepare(own, ravdess=ravdess, librispeech=librispeech)
        done = run_probing(Layout(own, seed=seed), jobs=worker_count(jobs), scheduler=scheduler)
        if scheduler and not done:
            require_scheduler(scheduler)
        table = read_probing(own)
    typer.echo(f"{own.results}: {'recorded' if done else 'recorded already'}; the best of each probe:")
    best = table.loc[table.groupby(["probe", "target"], sort=False)["estimate"].idxmax()]
    shown = best[["target", "probe", "representation", "score", "estimate", "low", "high", "baseline"]]
    typer.echo(shown.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


def learning_curve(
    profile: ProfileOption = ProfileName.SCALE,
    jobs: JobsOption = None,
    scheduler: SchedulerOption = None,
    ravdess: RavdessOption = None,
    librispeech: LibriSpeechOption = None,
) -> None:
    """Train the recognisers of emotion on fewer speakers: would more of them close the gap of a control?

    Example: `emotrace learning-curve --profile scale`
    """
    with one_message():
        from emotrace.study.layout import Layout
        from emotrace.experiments.learning_curve import run_learning_curve
        from emotrace.experiments.learning_curve import learning_curve as read_curve
        from emotrace.study.profiles import get_profile, prepare
        from emotrace.study.runner import require_scheduler

        own = get_profile(profile)
        prepare(own, ravdess=ravdess, librispeech=librispeech)
        done = run_learning_curve(Layout(own), jobs=worker_count(jobs), scheduler=scheduler)
        if scheduler and not done:
            require_scheduler(scheduler)
        table = read_curve(own)
    typer.echo(
        f"{own.results}: {'recorded' if done else 'recorded already'}; uar [%], and kept of the recordings' UAR:"
    )
    typer.echo(table.to_string(index=False, float_format=lambda value: f"{value:.2f}"))


def status(
    profile: ProfileOption = ProfileName.PHANTOM,
    rows: RowsOption = None,
    layer: LayerOption = 6,
    seed: SeedOption = 0,
    hearing: HearingOption = None,
) -> None:
    """Say which rows are done, partial, missing or stale.

    Example: `emotrace status --profile scale`
    """
    with one_message():
        from emotrace.study.runner import row_state

        layout, chosen = layout_and_rows(profile, rows, layer, seed, hearing)
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
