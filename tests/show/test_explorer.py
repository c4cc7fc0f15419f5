"""What the explorer's page holds: every label, how sure it is, and the study's own rates."""

import json
import re
from collections import Counter

import numpy as np
import pytest
from frames import results, utterance_lines

from emotrace.analysis.contrasts import EMOTIONS, metric_interval
from emotrace.analysis.tables import confusion_table
from emotrace.pipeline.results import emotion_column
from emotrace.show.explorer import UNLABELLED, explorer, letter
from emotrace.show.pages import recorded_study


def data_of(shown) -> dict:
    return json.loads(re.search(r'<script type="application/json">(.*?)</script>', shown.data, re.DOTALL)[1])


def counts(part: dict, row: dict, recogniser: str) -> Counter:
    labels = row["labels"][recogniser]["letters"]
    return Counter((u["meant"], label) for u, label in zip(part["utterances"], labels, strict=True))


@pytest.mark.parametrize("profile", ["phantom", "scale"])
def test_letters_count_as_the_confusion_matrices_of_what_is_recorded(profile):
    """Every row and every recogniser, against the table that other pages show."""
    study = recorded_study(profile, n_bootstrap=20)
    parts = data_of(explorer({profile: study}))["parts"]
    for part, corpus in zip(parts, study.profile.acted, strict=True):
        acted = study.on(corpus)
        assert [row["name"] for row in part["rows"]] == list(acted.rows)
        for row in part["rows"]:
            for name in row["labels"]:
                found, table = counts(part, row, name), confusion_table(acted, row["name"], name)
                own = {(e, called): found[letter(e), letter(called)] for e in EMOTIONS for called in EMOTIONS}
                assert own == {(e, called): table.loc[e, called] for e in EMOTIONS for called in EMOTIONS}


@pytest.fixture(scope="module")
def study():
    lines = utterance_lines("original", {}, 0) + utterance_lines("none-T1", {"sad": "ang"}, 0)
    for place, line in enumerate(lines):
        line["emotion_functionals_seed1"] = "hap" if place % 2 else line["emotion_functionals"]
        line["text"] = "</script>" if place == 0 else None
    lines[-1]["emotion_ge2e"] = np.nan
    return results(lines, n_bootstrap=50)


def test_a_label_says_of_how_many_trainings_it_is(study):
    [part] = data_of(explorer({"made-up": study}))["parts"]
    labels = part["rows"][1]["labels"]["functionals"]
    lines = study.lines("none-T1").set_index("utterance").loc[[u["id"] for u in part["utterances"]]]
    same = lines["emotion_functionals"] == lines["emotion_functionals_seed1"]
    assert labels["trainings"] == 2 and labels["agree"] == "".join("2" if agree else "1" for agree in same)
    assert part["rows"][1]["labels"]["ge2e"]["trainings"] == 1
    assert part["rows"][1]["labels"]["ge2e"]["letters"].count(UNLABELLED) == 1


def test_rates_are_the_studys_with_their_intervals(study):
    [part] = data_of(explorer({"made-up": study}))["parts"]
    for row in part["rows"]:
        rates = row["labels"]["functionals"]["rates"]
        assert rates["uar"] == [round(value, 1) for value in metric_interval(study, row["name"], "uar", "functionals")]
        assert rates["s"] == [round(value, 1) for value in metric_interval(study, row["name"], "sad", "functionals")]
    assert part["rows"][1]["labels"]["functionals"]["rates"]["s"][0] == pytest.approx(80)  # by construction


def test_audio_is_where_it_is_and_text_ends_no_script(study):
    name = study.utterances["utterance"][0]
    shown = explorer({"made-up": study}, audio={("none-T1", name): "../a.flac"})
    [part] = data_of(shown)["parts"]
    place = [u["id"] for u in part["utterances"]].index(name)
    assert [row["audio"] for row in part["rows"]] == [{}, {str(place): "../a.flac"}]
    assert part["utterances"][place]["text"] == "</script>" and shown.data.count("</script>") == 2


def test_a_recogniser_that_labelled_nothing_is_no_choice(study):
    bare = results(study.utterances.assign(**{emotion_column("ge2e"): None}), n_bootstrap=50)
    [part] = data_of(explorer({"made-up": bare}))["parts"]
    assert list(part["recognisers"]) == ["functionals"]
