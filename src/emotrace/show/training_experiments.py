"""What H1 shows of training: of the unified vocoders' in its course, and of the recognisers' on fewer speakers.

Nothing is trained here: ``emotrace run --rows snapshots`` and ``emotrace learning-curve`` do that.
"""

import pandas as pd
from IPython.display import Markdown
from pandas.io.formats.style import Styler

from emotrace.show.experiment_figures import course_figure
from emotrace.show.experiments import not_recorded, signed_intervals, speech_of
from emotrace.show.figures import Drawing
from emotrace.show.notebook import CLASSES, RECOGNISER_NAMES, RECORDED, Studies, gather, readable
from emotrace.analysis.gates import CONTROL_KEEPS
from emotrace.experiments.variants import COURSE_METRICS, HEARD, adversarial_change, training_course
from emotrace.experiments.learning_curve import ROWS, curve_record
from emotrace.experiments.learning_curve import learning_curve
from emotrace.study.profiles import get_profile
from emotrace.analysis.tables import heading
from emotrace.training.unified import SMALL


def show_learning_curve(metric: str, n_bootstrap: int) -> Drawing | Markdown:
    """The recognisers' UAR ("uar"), or what the controls keep of it ("kept"), by the speakers that they learn from."""
    profile = get_profile(RECORDED)
    if curve_record(profile).read_provenance() is None:
        return not_recorded(f"emotrace learning-curve --profile {RECORDED}")
    curve = learning_curve(profile, n_bootstrap=n_bootstrap)
    curve = curve[curve["metric"] == metric].rename(columns={"speakers": "step"})
    curve["line"] = pd.Categorical(curve["row"], ROWS)
    curve["panel"] = curve["recogniser"].map(RECOGNISER_NAMES) + f", {RECORDED}"
    label, limit = {"uar": ("UAR [%]", None), "kept": ("share of the\nrecordings' UAR", CONTROL_KEEPS)}[metric]
    return course_figure(curve, label=label, over="speakers that the recogniser learned from", limit=limit)


def course_recalls(studies: Studies) -> Drawing:
    """Recalls and UAR of every unified vocoder by its training step, first recogniser."""
    course = gather(studies, training_course, CLASSES)
    course = course.assign(line=course["metric"], panel=course["row"] + ", " + speech_of(course))
    return course_figure(course, label="recall [%]", change=SMALL.mel_only)


def course_words(studies: Studies) -> Drawing:
    """Word error rates of every unified vocoder by its training step."""
    course = gather(studies, training_course, ["wer_read", "wer_emotional"])
    kind = course["metric"].map({"wer_read": "read speech", "wer_emotional": "emotional speech"})
    return course_figure(
        course.assign(line=course["row"], panel=kind + ", " + speech_of(course)), label="WER [%]", change=SMALL.mel_only
    )


def course_centroid(studies: Studies) -> Drawing:
    """Median spectral centroid over frames of every unified vocoder by its training step."""
    return _course_of_rows(studies, "centroid_median", "spectral centroid [Hz]")


def course_kurtosis(studies: Studies) -> Drawing:
    """Median spectral kurtosis over frames of every unified vocoder by its training step."""
    return _course_of_rows(studies, "kurtosis_median", "spectral kurtosis")


def course_called_angry(studies: Studies) -> Drawing:
    """Share of neutral utterances that each recogniser calls angry by every unified vocoder's training step."""
    parts = []
    for recogniser, name in RECOGNISER_NAMES.items():
        course = gather(studies, training_course, ["neu_called_ang"], recogniser=recogniser)
        parts.append(course.assign(line=course["row"], panel=name + ", " + speech_of(course)))
    return course_figure(pd.concat(parts), label="neutral\ncalled angry [%]", change=SMALL.mel_only)


def _course_of_rows(studies: Studies, metric: str, label: str) -> Drawing:
    course = gather(studies, training_course, [metric])
    course = course.assign(line=course["row"], panel="emotional speech, " + speech_of(course))
    return course_figure(course, label=label, change=SMALL.mel_only)


def discriminator_table(studies: Studies) -> Styler:
    """What the steps with discriminators change: a line for each metric and recogniser, a column for each vocoder."""
    first, second = (
        gather(studies, adversarial_change, metrics, recogniser=recogniser).assign(recogniser=name)
        for metrics, (recogniser, name) in zip((COURSE_METRICS, HEARD), RECOGNISER_NAMES.items(), strict=True)
    )
    first["recogniser"] = first["recogniser"].where(first["metric"].isin(HEARD), "")
    table = pd.concat([first, second])
    table = table.assign(speech=speech_of(table), of=table["metric"].map(heading), change=signed_intervals(table))
    return readable(table.set_index(["speech", "of", "recogniser", "row"])["change"].unstack(sort=False).reset_index())
