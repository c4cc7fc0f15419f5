"""The rows are those of the paper's table, and a layer changes exactly the rows that have one to change."""

import json

import pandas as pd
import pytest

from emotrace.representation.ir import IRSpec
from emotrace.study.rows import ALL_ROWS, Route, Row, select_rows, with_layer
from emotrace.study.tables import REPORTED


def test_the_seven_disentangling_rows_are_those_the_paper_reports():
    ours = {row.name for row in ALL_ROWS if row.ir is not None and row.ir.linguistic == "hubert"}
    assert ours == set(pd.read_csv(REPORTED)["row"]) - {"original", "B3", "B4", "B5"}


@pytest.mark.parametrize(
    ("name", "speaker", "layer", "post"),
    [
        ("none-T1", "none", 1, "none"),
        ("ECAPA-orig-T6", "ECAPA-orig", 6, "none"),
        ("GST-orig-T12-soft", "GST-orig", 12, "soft"),
        ("ECAPA-anon-T12-soft", "ECAPA-anon", 12, "soft"),
    ],
)
def test_a_row_is_what_its_name_says(name, speaker, layer, post):
    row = select_rows([name])[0]
    assert (row.speaker, row.ir.layer, row.ir.post, row.anonymise) == (speaker, layer, post, "anon" in name)


def test_anonymised_rows_share_the_vocoder_of_their_original_row():
    irs = {row.name: row.ir.name for row in ALL_ROWS if row.ir is not None}
    assert irs["ECAPA-anon-T6"] == irs["ECAPA-orig-T6"]
    assert irs["ECAPA-anon-T12-soft"] == irs["ECAPA-orig-T12-soft"]
    assert len({irs[name] for name in irs if "T" in name}) == 5


def test_another_layer_replaces_t6_alone():
    before, after = select_rows(), select_rows(layer=3)
    changed = {old.name: new.name for old, new in zip(before, after, strict=True) if old != new}
    assert changed == {"ECAPA-orig-T6": "ECAPA-orig-T3", "none-T6": "none-T3", "ECAPA-anon-T6": "ECAPA-anon-T3"}
    assert all(new.ir.layer == 3 for new in after if new.name in changed.values())


def test_a_row_that_a_layer_makes_twice_is_run_once():
    assert [row.name for row in select_rows(["none-T1", "none-T6"], layer=1)] == ["none-T1"]


def test_rows_at_another_layer_go_by_either_name():
    assert select_rows(["none-T6"], layer=3) == select_rows(["none-T3"], layer=3)


@pytest.mark.parametrize("names", [["none-T7"], [], ["none-T3"]])
def test_an_unknown_row_is_refused_with_the_known_ones(names):
    with pytest.raises(ValueError, match="known rows: original, official-control"):
        select_rows(names)


def test_configurations_are_json_and_distinct():
    rows = {*ALL_ROWS, *with_layer(ALL_ROWS, 3)}
    assert len({json.dumps(row.configuration(), sort_keys=True) for row in rows}) == len(rows)


def test_rows_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        Row("original", Route.ORIGINAL, IRSpec())
    with pytest.raises(ValueError, match="do not fit"):
        Row("nothing", Route.TWO_STAGE)
    with pytest.raises(ValueError, match="ECAPA embeddings, and here is none"):
        Row("none-anon", Route.TWO_STAGE, IRSpec(speaker="none"), anonymise=True)
