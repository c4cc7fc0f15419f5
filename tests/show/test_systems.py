"""Table II as a page shows it, of studies whose numbers are known by construction."""

from xml.etree import ElementTree

import pytest
from frames import results, trial_lines, utterance_lines

from emotrace.pipeline.rows import EVERY_ENCODER, MCADAMS
from emotrace.show.systems import CONTROLS, EQUIVALENTS, OTHERS, group_of, show_table2
from emotrace.study.results import Results


@pytest.fixture(scope="module")
def studies() -> dict[str, Results]:
    lines = utterance_lines("original", {}, 1) + utterance_lines("none-T1", {"sad": "ang", "neu": "ang"}, 3)
    lines += utterance_lines("B4-IR", {"sad": "ang"}, 2)
    trials = trial_lines("original", "original", 2.0)
    trials += [line for row in ("none-T1", "B4-IR") for line in trial_lines(row, "lazy-informed", 1.0)]
    first = results(lines, trials, source="people", n_bootstrap=50)
    return {"people": first, "phantom": first}


def parsed(shown) -> ElementTree.Element:
    return ElementTree.fromstring(shown.data)


def test_a_system_is_one_line_with_the_papers_value_in_the_cell(studies):
    page = parsed(show_table2(studies))
    tables = page.findall(".//table")
    assert len(tables) == 2 and [button.text for button in page.iter("button")] == ["people", "phantom"]
    head, *lines = (line.findall("*") for line in tables[0].iter("tr"))
    names = "|".join(cell.get("data-csv") for cell in head).split("|")
    assert names[:5] == ["row", "EER F [%]", "EER F, low", "EER F, high", "EER F, paper"] and names[-4] == "UAR [%]"
    found = [dict(zip(names, "|".join(c.get("data-csv") for c in line).split("|"), strict=True)) for line in lines]
    assert [line["row"] for line in found] == ["original", "none-T1", "B4-IR"]
    assert found[1]["UAR [%]"] == "90.0" and found[1]["UAR, paper"] == "64.78"
    assert found[2]["UAR, paper"] == "42.78", "the paper's B4"
    for line in found:
        for name in ("UAR", "WER read", "EER F", "sad"):
            assert float(line[f"{name}, low"]) <= float(line[f"{name} [%]"]) <= float(line[f"{name}, high"])


def test_the_best_of_a_column_has_the_strongest_colour_also_where_less_is_better(studies):
    head, *lines = (line.findall("*") for line in parsed(show_table2(studies)).find(".//table").iter("tr"))
    places = {cell.get("data-csv").split(" [")[0]: place for place, cell in enumerate(head)}
    shades = {
        name: [int(line[places[name]].get("style").removeprefix("--shade:")) for line in lines]
        for name in ("UAR", "WER read")
    }
    assert shades["UAR"][:2] == [100, 0] and 0 < shades["UAR"][2] < 100
    assert shades["WER read"] == [100, 0, 50]


def test_other_recognisers_have_tables_of_recalls_without_the_papers_values(studies):
    page = parsed(show_table2(studies, others=True))
    assert [part.text for part in page.findall(".//p[@class='speech']")] == [
        "people, GE2E + SVM",
        "phantom, GE2E + SVM",
    ]
    (recalls,) = {len(line.findall("*")) for line in page.find(".//table").iter("tr")}
    assert recalls == 1 + 5 and not page.findall(".//small[@class='paper']")


def test_every_row_of_the_study_has_a_group():
    groups = {row.name: group_of(row.name) for row in (*EVERY_ENCODER, MCADAMS)}
    assert groups["original"] == groups["unified-log-mel"] == CONTROLS and groups["B5-IR"] == EQUIVALENTS
    assert groups["McAdams"] == OTHERS == group_of("somebody's system")
    assert groups["ECAPA-anon-T6"] == "HuBERT-mini, two stages" and groups["none-W1"] == "Whisper base, two stages"
    assert group_of("unified-none-W1") == "Whisper base, unified"
