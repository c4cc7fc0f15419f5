"""Figures of the experiments beside table II, on every speech where their rows are recorded. Nothing is run here."""

from collections.abc import Mapping

import pandas as pd
from IPython.display import Markdown

from emotrace.analysis.gates import CONTROL_KEEPS
from emotrace.experiments.cues import cue_retention
from emotrace.experiments.effects import effect_changes
from emotrace.experiments.learning_curve import ROWS, curve_record, learning_curve
from emotrace.experiments.probing import probing_beside, probing_record
from emotrace.experiments.variants import training_course
from emotrace.show.experiment_figures import change_figure, layer_figure, trend_figure
from emotrace.show.figures import Drawing, interval_figure
from emotrace.show.pages import CLASSES, RECORDED, SPEECH, Studies, by_recogniser, gather, not_recorded
from emotrace.study.profiles import get_profile
from emotrace.study.results import Results, label_of
from emotrace.study.study import StudyResults
from emotrace.training.unified import SMALL


def show_cues(studies: Mapping[str, StudyResults]) -> Drawing | Markdown:
    """Share of each cue's variation that a row leaves of the recordings', on the isolation sets of the phantom.

    The interval is that of the row's own slope, divided by the recordings' estimate. A sentence where there are none.
    """
    table = gather(studies, cue_retention)
    if table.empty:
        return Markdown("*This speech has no isolation sets: only the phantom's cues are known.*")
    originals = table["estimate"] / table["retained"]
    bounds = table[["low", "high"]].div(originals, axis=0)
    shares = {"estimate": table["retained"], "low": bounds.min(axis=1), "high": bounds.max(axis=1)}
    cues = table.assign(**shares, line=table["row"])
    return interval_figure(cues, label="share of the cue that is left", hue="cue", zero=True)


def show_probes() -> Drawing | Markdown:
    """The probes of every profile that has results, or how to record them."""
    profiles = [profile for profile in map(get_profile, SPEECH) if probing_record(profile).read() is not None]
    return layer_figure(probing_beside(profiles)) if profiles else not_recorded("emotrace probe --profile scale")


def show_learning_curve(metric: str, n_bootstrap: int) -> Drawing | Markdown:
    """The recognisers' UAR ("uar"), or what the controls keep of it ("kept"), by the speakers that they learn from."""
    profile = get_profile(RECORDED)
    if curve_record(profile).read() is None:
        return not_recorded(f"emotrace learning-curve --profile {RECORDED}")
    curve = learning_curve(profile, n_bootstrap=n_bootstrap)
    curve = curve[curve["metric"] == metric].rename(columns={"speakers": "step"})
    curve["line"] = pd.Categorical(curve["row"], ROWS)
    curve["panel"] = curve["recogniser"].map(label_of) + f", {RECORDED}"
    label, limit = {"uar": ("UAR [%]", None), "kept": ("share of the\nrecordings' UAR", CONTROL_KEEPS)}[metric]
    return trend_figure(curve, label=label, over="speakers that the recogniser learned from", limit=limit)


def effects_figure(studies: Studies, recogniser: str | None = None) -> Drawing:
    """Change of each recall, UAR and the share called angry by each effect, one panel for each row and speech."""

    def changes(results: Results) -> pd.DataFrame:
        return effect_changes(results, recogniser or results.recognisers[0])

    table = gather(studies, changes)
    return change_figure(table.assign(line=table["effect"], panel=table["row"] + ", " + table["speech"]))


def snapshot_recalls(studies: Studies) -> Drawing:
    """Recalls and UAR of every unified vocoder by its training step, first recogniser."""
    course = gather(studies, training_course, CLASSES)
    return _over_training(course, course["metric"], course["row"], "recall [%]")


def snapshot_words(studies: Studies) -> Drawing:
    """Word error rates of every unified vocoder by its training step."""
    course = gather(studies, training_course, ["wer_read", "wer_emotional"])
    kind = course["metric"].map({"wer_read": "read speech", "wer_emotional": "emotional speech"})
    return _over_training(course, course["row"], kind, "WER [%]")


def snapshot_acoustics(studies: Studies, metric: str, label: str) -> Drawing:
    """One metric of every unified vocoder by its training step, e.g. "centroid_median"; ``label`` of the y axis."""
    course = gather(studies, training_course, [metric])
    return _over_training(course, course["row"], "emotional speech", label)


def snapshot_called_angry(studies: Studies) -> Drawing:
    """Share of neutral utterances that each recogniser calls angry by every unified vocoder's training step."""
    course = by_recogniser(studies, training_course, ["neu_called_ang"])
    return _over_training(course, course["row"], course["recogniser"], "neutral\ncalled angry [%]")


def _over_training(course: pd.DataFrame, lines: pd.Series, panels: pd.Series | str, label: str) -> Drawing:
    """A panel for each value of ``panels`` and speech; a dotted line where the discriminators begin."""
    course = course.assign(line=lines, panel=panels + ", " + course["speech"])
    return trend_figure(course, label=label, change=SMALL.mel_only)
