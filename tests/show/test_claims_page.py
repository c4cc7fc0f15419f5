"""The matrix of claims and their tests as HTML, of verdicts that are made up."""

from itertools import product
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest

from emotrace.analysis import claims as rule
from emotrace.analysis.claims import CLAIMS, cell_verdicts, overall
from emotrace.show.claims import SYMBOLS, claim_matrix, claim_strip, claim_tests

TEST = {
    **{"encoder": "HuBERT-mini", "route": "two-stage", "corpus": "RAVDESS", "recogniser": "functionals"},
    **{"test": "T6 < T12 & more", "check": False, "estimate": 0.0, "low": -10.0, "high": 10.0, "over": "speakers"},
    **{"p": 0.5, "verdict": rule.UNDECIDED, "paper": "above 0", "reported": np.nan},
}


def parsed(shown) -> ElementTree.Element:
    return ElementTree.fromstring(f"<div>{shown.data}</div>")


def words(element: ElementTree.Element) -> str:
    return "".join(element.itertext())


def lines(*changes: dict) -> pd.DataFrame:
    return pd.DataFrame([{"claim": "C1"} | TEST | change for change in changes])


def test_every_verdict_has_a_symbol_and_its_side_a_colour():
    for several in product(SYMBOLS, repeat=2):
        assert overall(several) in SYMBOLS
    kinds = {verdict: kind for verdict, (_, kind) in SYMBOLS.items()}
    assert {kinds[rule.REPRODUCED], kinds[rule.REPRODUCED_IN_PART]} == {"for"}
    assert {kinds[rule.OPPOSITE], kinds[rule.OPPOSITE_IN_PART], kinds[rule.DIFFERENT]} == {"against"}
    assert {kinds[rule.UNDECIDED], kinds[rule.TOO_SMALL], kinds[rule.NO_MANIPULATION]} == {"open"}


def test_a_cell_of_the_matrix_has_every_recogniser_and_leads_to_its_claim():
    tests = lines(
        {"verdict": rule.REPRODUCED},
        {"recogniser": "ge2e", "verdict": rule.OPPOSITE},
        {"recogniser": "functionals_matched", "verdict": rule.UNDECIDED},
        {"recogniser": "ge2e_matched", "verdict": rule.UNDECIDED},
        {"route": "unified", "encoder": "Whisper base"},
        {"claim": "C9", "recogniser": "", "verdict": rule.DIFFERENT},
    )
    page = parsed(claim_matrix(cell_verdicts(tests, CLAIMS), CLAIMS))
    assert [words(heading) for heading in page.findall("table/thead/tr/th")] == [
        *("claim", "route", "HuBERT-miniRAVDESS", "Whisper baseRAVDESS")
    ]
    first, unified, ninth = page.findall("table/tbody/tr")
    assert first.find("th").get("rowspan") == "2" and first.find("th/small").text == "RAVDESS: mixed"
    assert unified.find("th") is None and unified.find("td").text == "unified"
    assert [(mark.text, mark.get("class")) for mark in first.iter("span")] == [
        ("✓", "for"),
        ("✗", "against"),
        ("?", "open"),
        ("?", "open"),
    ]
    inside = [part.tag for part in first.findall("td")[1].find("a")]
    assert inside == ["span", "span", "br", "span", "span"], "matched recognisers begin a line"
    _, own, other = first.findall("td")
    assert own.find("a").get("href") == "#claim-C1" and other.find("a") is None, "nothing of Whisper by two stages"
    assert own.find("a").get("aria-label") == (
        "C1, two stages, HuBERT-mini, RAVDESS: functionals + SVM: reproduced; GE2E + SVM: opposite sign here; "
        "functionals + SVM, matched: undecided; GE2E + SVM, matched: undecided"
    )
    assert [mark.get("title") for mark in ninth.iter("span")] == [rule.DIFFERENT]
    assert {mark.text for mark in page.find("p").iter("span")} == {"✓", "✗", "?", "≠"}


def test_a_strip_has_one_symbol_for_each_claim_and_counts_them():
    tests = lines({"verdict": rule.REPRODUCED}, {"claim": "C2", "recogniser": "", "verdict": rule.REPRODUCED})
    page = parsed(claim_strip(cell_verdicts(tests, CLAIMS), CLAIMS, "claims.html"))
    links = page.findall("p/a")
    assert [link.get("href") for link in links] == [f"claims.html#claim-{claim.name}" for claim in CLAIMS]
    assert [link.find("span").text for link in links[:3]] == ["✓", "✓", "·"]
    missing = len(CLAIMS) - 2
    assert words(page.findall("p")[1]) == f"Of {len(CLAIMS)} claims of the paper: {missing} rows missing, 2 reproduced."


def bars(page: ElementTree.Element) -> list[dict[str, float]]:
    styles = [mark.get("style") for mark in page.iter("span") if "bar" in mark.get("class")]
    return [{name: float(place) for name, place in (part.split(":") for part in style.split(";"))} for style in styles]


def test_bars_stand_on_one_axis_with_zero_in_its_middle():
    tests = lines({}, {"recogniser": "ge2e", "estimate": 5.0, "low": -5.0, "high": 15.0, "reported": 10.0})
    page = parsed(claim_tests(tests, CLAIMS))
    assert [part.get("id") for part in page.findall("details")] == [f"claim-{claim.name}" for claim in CLAIMS]
    first, second = bars(page)
    assert first["--at"] == 50 and first["--low"] + first["--high"] == pytest.approx(100) and "--paper" not in first
    ten_points = first["--high"] - 50
    places = {name: (place - 50) / ten_points for name, place in second.items()}
    assert places == pytest.approx({"--at": 0.5, "--low": -0.5, "--high": 1.5, "--paper": 1}, abs=0.1)
    assert page.find("details//td").text == "T6 < T12 & more"


def test_what_was_not_measured_has_no_bar():
    unknown = {"estimate": np.nan, "low": np.nan, "high": np.nan, "p": np.nan, "verdict": rule.NOT_MEASURED}
    page = parsed(claim_tests(lines(unknown), CLAIMS))
    assert not bars(page) and words(page.find("details//tbody")).split()[-2:] == ["not", "measured"]
    assert "No row that it needs is recorded." in words(page.findall("details")[1])
