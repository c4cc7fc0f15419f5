"""The reported numbers, against the recall averages and the differences that the paper's text draws from them."""

from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return pd.read_csv(ROOT / "data" / "paper" / "table2.csv", index_col="row")


def test_recalls_average_to_the_uar_except_where_noted(table):
    gap = (table[["sad", "neu", "ang", "hap"]].mean(axis=1) - table["uar"]).abs()
    assert list(gap[gap > 0.011].index) == ["B4"]
    assert list(table.index[table["note"].notna()]) == ["B4"]


@pytest.mark.parametrize(
    ("first", "second", "points"),
    [
        ("ECAPA-anon-T6", "ECAPA-anon-T12-soft", 11.07),
        ("ECAPA-orig-T6", "ECAPA-orig-T12-soft", 5.61),
        ("ECAPA-anon-T6", "ECAPA-orig-T6", -2.85),
        ("ECAPA-anon-T12-soft", "ECAPA-orig-T12-soft", -8.31),
        ("none-T6", "ECAPA-orig-T6", -5.38),
        ("none-T6", "ECAPA-anon-T6", -2.53),
    ],
)
def test_differences_that_the_text_reports(table, first, second, points):
    assert table.at[first, "uar"] - table.at[second, "uar"] == pytest.approx(points, abs=1e-9)


def test_eer_of_the_originals_from_the_counts(table):
    """(misses / target trials + false accepts / other trials) / 2; the paper's threshold makes both nearly equal."""
    female, male = (48 / 548 + 981 / 11196) / 2, (2 / 449 + 37 / 9457) / 2
    assert table.at["original", "eer_f"] == pytest.approx(100 * female, abs=0.006)
    assert table.at["original", "eer_m"] == pytest.approx(100 * male, abs=0.006)
