"""The rows are those of the paper's table, and a layer changes exactly the rows that have one to change."""

import json

import pandas as pd
import pytest

from emotrace.paths import REPORTED
from emotrace.pipeline.rows import (
    ALL_ROWS,
    EVERY_ENCODER,
    MCADAMS,
    PAPER_ROWS,
    REPLACED_BY,
    Row,
    select_rows,
    with_layer,
)
from emotrace.representation.spec import BASELINES, IRSpec
from emotrace.study.groups import GROUPS, lattice, step_of, unified, with_effect, with_variant
from emotrace.study.scale import scale
from emotrace.training.catalogue import TRAINERS
from emotrace.training.unified import JointConfig
from emotrace.vocoder import VOCODERS


def vocoder_models(row: Row) -> tuple[str, ...]:
    """The model folders of a row's vocoder."""
    return VOCODERS.find(row.vocoder).models(row.decoder)


def test_the_seven_disentangling_rows_are_those_the_paper_reports():
    hubert_rows = {row.name for row in ALL_ROWS if row.ir is not None and row.ir.linguistic == "hubert"}
    assert hubert_rows - set(BASELINES) == set(pd.read_csv(REPORTED)["row"]) - {"original", "B3", "B4", "B5"}


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
    anonymizer = "selec-anon" if "anon" in name else ""
    assert (row.speaker, row.ir.layer, row.ir.post, row.anonymizer) == (speaker, layer, post, anonymizer)


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


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"ir": IRSpec()}, "row x: the vocoder '' and the IR .* do not fit"),
        ({"vocoder": "two-stage"}, "row x: the vocoder 'two-stage' and the IR None do not fit"),
        ({"ir": IRSpec(), "vocoder": "three-stage"}, "row x: unknown vocoder 'three-stage'; there are: universal, two"),
        (
            {"ir": IRSpec(speaker="ecapa"), "vocoder": "two-stage", "anonymizer": "nobody"},
            "row x: unknown anonymizer 'nobody'; there are: selec-anon",
        ),
        ({"ir": IRSpec(), "vocoder": "two-stage", "anonymizer": "selec-anon"}, "no speaker in its IR to replace"),
        ({"anonymizer": "selec-anon"}, "row x: unknown waveform anonymizer 'selec-anon'; there are: mcadams"),
        (
            {"ir": IRSpec(speaker="ecapa"), "vocoder": "two-stage", "anonymizer": "mcadams"},
            "row x: unknown anonymizer 'mcadams'; there are: selec-anon",
        ),
        ({"ir": IRSpec(speaker="one-hot"), "vocoder": "two-stage"}, "only training speakers have a number"),
    ],
)
def test_rows_that_make_no_sense_are_refused(parts, message):
    with pytest.raises(ValueError, match=message):
        Row("x", **parts)


def test_groups_hold_known_rows_once_and_select_by_name():
    profile = scale()
    for name, rows in GROUPS.items():
        assert len(set(rows)) == len({row.name for row in rows}) == len(rows)
        assert profile.select([name]) == rows
    assert profile.select() == EVERY_ENCODER
    assert [row.name for row in profile.select(["none-T6", "seeds"], layer=3)][:2] == ["none-T3", "none-T1"]


def test_the_lattice_changes_one_decision_at_a_time():
    names = [row.name for row in lattice()]
    assert names[:5] == ["original", "official-control", "log-mel", "none-T1", "none-T12"]
    assert names[-1] == "ECAPA-anon-T12-soft" and len(names) == 12
    assert [row.name for row in GROUPS["attribution"]] == [*names, *(row.name for row in lattice("whisper")[3:])]


def test_a_variant_has_a_vocoder_of_its_own_and_an_effect_has_not():
    row = select_rows(["ECAPA-anon-T12-soft"])[0]
    assert vocoder_models(row) == vocoder_models(with_effect(row, "peak")) == ("acoustic-ECAPA-T12-soft",)
    assert vocoder_models(with_variant(row, "seed1")) == ("acoustic-ECAPA-T12-soft-seed1",)
    assert vocoder_models(unified(row)) == ("joint-ECAPA-T12-soft",)
    changed = with_effect(with_variant(row, "seed1"), "peak")
    assert changed.name == "ECAPA-anon-T12-soft@seed1~peak"
    assert changed.before == with_variant(row, "seed1")


def test_the_baselines_are_anonymised_rows_beside_the_systems_that_the_paper_reports():
    rows = GROUPS["baselines"]
    assert [row.name for row in rows] == ["B3-IR", "B4-IR", "B5-IR"] == [row.ir.name for row in rows]
    assert {row.name.removesuffix("-IR") for row in rows} <= set(pd.read_csv(REPORTED)["row"])
    assert all(vocoder_models(row) == (f"acoustic-{row.name}",) and row.speaker == row.name for row in rows)
    assert [row.anonymizer for row in rows] == [REPLACED_BY[row.ir.speaker] for row in rows]
    assert {row.name for row in rows}.isdisjoint(row.name for row in PAPER_ROWS)


def test_only_an_original_without_effect_is_the_recording():
    original = select_rows(["original"])[0]
    assert original.recorded and not original.vocoder and not with_effect(original, "peak").recorded
    assert [row.name for row in ALL_ROWS if row.recorded] == ["original"]
    assert not MCADAMS.recorded and not with_effect(MCADAMS, "level-down").recorded


def test_a_row_without_an_ir_is_chosen_by_name_or_group_and_is_not_in_the_table():
    assert scale().select(["McAdams"], layer=3) == scale().select(["waveform"]) == (MCADAMS,)
    assert MCADAMS not in ALL_ROWS and MCADAMS.speaker == "McAdams"


def test_the_snapshots_are_those_that_training_keeps():
    names = [name for row in GROUPS["snapshots"] if row.vocoder == "joint" for name in vocoder_models(row)]
    first, last = min(JointConfig().snapshots), max(JointConfig().snapshots)
    assert {"joint-log-mel", f"joint-none-T1-step{first}", f"joint-ECAPA-T12-soft-step{last}"} <= set(names)
    assert len(names) == 3 * (len(JointConfig().snapshots) + 1)
    missing = {name.partition("-step")[0] for name in names} - set(TRAINERS)
    assert not missing
    steps = {step_of(row.name) for row in GROUPS["snapshots"]}
    assert {("unified-none-T1", step) for step in (0, first, JointConfig().steps)} <= steps


def test_every_row_of_every_group_has_a_vocoder_that_can_be_trained():
    rows = [row for group in (EVERY_ENCODER, *GROUPS.values()) for row in group if row.ir is not None]
    assert {name.partition("-step")[0] for row in rows for name in vocoder_models(row)} <= set(TRAINERS)
