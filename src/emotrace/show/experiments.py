"""What the notebooks show of the experiments beside table II, on every speech where their rows are recorded.

Nothing is run here: ``emotrace run --rows GROUP`` and ``emotrace probe`` do that.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pandas as pd
from IPython.display import Markdown
from pandas.io.formats.style import Styler

from emotrace.show.experiment_figures import change_figure, layer_figure
from emotrace.show.figures import Drawing, interval_figure
from emotrace.show.notebook import RECOGNISER_NAMES, SPEECH, Studies, cues_beside, gather, readable, recorded_rows
from emotrace.study import Study
from emotrace.analysis.attribution import attribution
from emotrace.experiments.effects import effect_changes, manipulation_table, relabelled
from emotrace.experiments.level import HEARINGS, level_profile
from emotrace.experiments.variants import model_spread
from emotrace.experiments.probing import probing_beside, read_probing_provenance
from emotrace.study.profiles import get_profile
from emotrace.pipeline.rows import EFFECT_MARK
from emotrace.analysis.tables import heading, metric_interval, seed_spread

PROFILES = ("scale", "phantom")
HEARD = {"as-recorded": "hears the level", "normalised": "hears no level"}

Shown = TypeVar("Shown")


@dataclass(frozen=True)
class Experiment:
    """Recorded studies of one experiment by the title of their panels, and the command that records another."""

    studies: Studies
    command: str

    def show(self, draw: Callable[[Studies], Shown]) -> Shown | Markdown:
        """``draw`` of the studies, or a sentence that says how to record one."""
        return draw(self.studies) if self.studies else not_recorded(self.command)


def open_experiment(group: str, n_bootstrap: int, seed: int = 0) -> Experiment:
    """The rows of a group, such as "attribution", of every profile where all of them have results.

    Args:
        group: a name of `groups.GROUPS`.
        n_bootstrap: draws of speakers for an interval.
        seed: of the pseudo-speakers (0: the study's own) and of the bootstrap.
    """
    studies = {}
    for name in PROFILES:
        wanted = [row.name for row in get_profile(name).select([group])]
        if recorded_rows(name, [group], layer=6, seed=seed) == wanted:
            studies[SPEECH[name]] = Study(name, wanted, seed=seed, n_bootstrap=n_bootstrap)
    return Experiment(studies, f"emotrace run --rows {group} --profile scale")


def open_level(n_bootstrap: int, seed: int = 0) -> Experiment:
    """The level experiment: for each speech and each hearing a study; arguments as of `open_experiment`."""
    studies = {}
    for name in PROFILES:
        for hearing in HEARINGS:
            profile = level_profile(get_profile(name), hearing)
            if recorded_rows(profile, [], layer=6, seed=seed) == [row.name for row in profile.rows]:
                studies[level_title(name, hearing)] = Study(profile, seed=seed, n_bootstrap=n_bootstrap)
    return Experiment(studies, " && ".join(f"emotrace run --profile scale --hearing {name}" for name in HEARINGS))


def level_title(profile: str, hearing: str) -> str:
    """Title of a study of the level experiment, such as "scale: hears no level"."""
    return f"{profile}: {HEARD[hearing]}"


def not_recorded(command: str) -> Markdown:
    """What stands in the place of a result that is not there."""
    return Markdown(f"*No results of this experiment are recorded. `{command}` makes them.*")


def show_cues(studies: Studies) -> Drawing | Markdown:
    """Share of each cue that a row leaves, on the isolation sets of the phantom; a sentence where there are none."""
    cues = cues_beside(studies)
    if cues.empty:
        return Markdown("*This speech has no isolation sets: only the phantom's cues are known.*")
    return interval_figure(cues, label="share of the cue that is left", hue="cue", zero=True)


def show_probes() -> Drawing | Markdown:
    """The probes of every profile that has results, or how to make them."""
    profiles = [profile for name in PROFILES if read_probing_provenance(profile := get_profile(name)) is not None]
    return layer_figure(probing_beside(profiles)) if profiles else not_recorded("emotrace probe --profile scale")


def speech_of(frame: pd.DataFrame) -> pd.Series:
    """A panel's title without what it says in brackets: the profile, and what is heard of the level."""
    return frame["panel"].str.partition(" (")[0]


def attribution_figure(studies: Studies) -> Drawing:
    """What each decision costs, both recognisers, in points of UAR."""
    shares = _shares(studies).rename(columns={"decision": "line"})
    return interval_figure(shares, label="loss of UAR [points]", hue="recogniser", zero=True)


def attribution_table(studies: Studies) -> Styler:
    """The shares of the loss with their intervals, and their range over the orders of the decisions."""
    shares = _shares(studies)
    shown = pd.DataFrame({"decision": shares["decision"], "what it is": shares["text"]})
    shown["speech"], shown["recogniser"] = speech_of(shares), shares["recogniser"]
    shown["loss of UAR"] = signed_intervals(shares)
    orders = zip(shares["least"], shares["most"], strict=True)
    shown["over all orders"] = ["" if pd.isna(least) else f"{least:+.1f} to {most:+.1f}" for least, most in orders]
    return readable(shown)


def _shares(studies: Studies) -> pd.DataFrame:
    """The attribution of every study by both recognisers, the losses in the column estimate."""
    parts = [
        gather(studies, attribution, recogniser=recogniser).assign(recogniser=name)
        for recogniser, name in RECOGNISER_NAMES.items()
    ]
    return pd.concat(parts, ignore_index=True).rename(columns={"loss": "estimate"})


def recogniser_seeds(studies: Studies) -> Styler:
    """UAR by the sample that a recogniser learned from: seeds 0, 1 and 2."""
    spread = gather(studies, seed_spread)
    shown = pd.DataFrame({"row": spread["row"], "speech": speech_of(spread)})
    shown["recogniser"] = spread["recogniser"].map(RECOGNISER_NAMES)
    for column in ("seed0", "seed1", "seed2", "sd"):
        shown[column] = [f"{value:.1f}" for value in spread[column]]
    return readable(shown)


def model_seeds(studies: Studies) -> Styler:
    """Rows whose acoustic model was trained from two seeds: both, and their paired difference."""
    spread = gather(studies, model_spread)
    shown = pd.DataFrame({"row": spread["row"], "speech": speech_of(spread), "of": spread["metric"].map(heading)})
    for seed in ("seed0", "seed1"):
        shown[f"{seed} [%]"] = spread[seed].map("{:.1f}".format)
    return readable(shown.assign(**{"difference [points]": signed_intervals(spread)}))


def effects_figure(studies: Studies, recogniser: str = "ser") -> Drawing:
    """Change of each recall, UAR and the share called angry by each effect, one panel for each row and speech."""
    changes = gather(studies, effect_changes, recogniser)
    changes = changes.assign(line=changes["effect"], panel=changes["row"] + ", " + speech_of(changes))
    return change_figure(changes)


def manipulations(studies: Studies) -> Styler:
    """Whether the effects did to the acoustics what they were meant to, and how many utterances change their label."""
    found = gather(studies, manipulation_table)
    found["cell"] = [_wanted(*line) for line in found[["median", "wanted"]].itertuples(index=False)]
    keys = ["panel", "row", "effect"]
    shown = found.pivot(index=keys, columns="quantity", values="cell")
    for recogniser, name in RECOGNISER_NAMES.items():
        labels = gather(studies, relabelled, recogniser).set_index(keys)["estimate"]
        shown[f"relabelled, {name} [%]"] = labels.map("{:.1f}".format)
    shown = shown.loc[found[keys].drop_duplicates().itertuples(index=False, name=None)].reset_index()
    return readable(shown.assign(panel=speech_of(shown)).rename(columns={"panel": "speech"}))


def _wanted(median: float, wanted: float) -> str:
    return f"{median:.2f}" + ("" if pd.isna(wanted) else f" (wanted {wanted:.2f})")


def level_table(studies: Studies) -> Styler:
    """UAR and recall of angry of every row and hearing of the level experiment."""
    lines = [
        {"row": row.replace(EFFECT_MARK, ", "), "recogniser": title}
        | {name: _interval(study, row, name) for name in ("uar", "ang")}
        for row in next(iter(studies.values())).rows
        for title, study in studies.items()
    ]
    return readable(pd.DataFrame(lines))


def _interval(study: Study, row: str, name: str) -> str:
    estimate, low, high = metric_interval(study, row, name)
    return f"{estimate:.1f} [{low:.1f}, {high:.1f}]"


def signed_intervals(frame: pd.DataFrame) -> list[str]:
    """Estimates with signs and intervals, as text."""
    values = frame[["estimate", "low", "high"]].itertuples(index=False)
    return [f"{estimate:+.1f} [{low:+.1f}, {high:+.1f}]" for estimate, low, high in values]
