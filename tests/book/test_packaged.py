"""What comes with an installed package: recorded results and reported values, where `paths` looks for them."""

import subprocess
import sys
import tomllib
from pathlib import Path

from emotrace.paths import PACKAGE, ROOT

SHIPPED = PACKAGE / "recorded"
BARE = """
import sys
from emotrace import paths
from emotrace.show.pages import RECORDED, recorded_study
from emotrace.analysis.tables import table2
assert paths.RESULTS == paths.PACKAGE / "recorded" / "results", paths.RESULTS
print(*table2(recorded_study(RECORDED, n_bootstrap=100))["row"])
"""


def packaged() -> set[Path]:
    """The files that setuptools takes into the package besides code."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    patterns = settings["tool"]["setuptools"]["package-data"]["emotrace"]
    return {path.relative_to(PACKAGE) for pattern in patterns for path in PACKAGE.glob(pattern) if path.is_file()}


def test_every_recorded_row_and_reported_value_is_packed():
    rows = {path.parent.name for path in (ROOT / "data" / "results" / "scale").glob("*/utterances.parquet")}
    files = packaged()
    for name in ("provenance.json", "utterances.parquet", "trials.parquet"):
        assert {path.parts[3] for path in files if path.name == name} == rows
    assert Path("recorded/paper/table2.csv") in files
    size = sum((PACKAGE / path).stat().st_size for path in files)
    assert size < 15e6


def test_an_installed_package_reads_the_rows_that_came_with_it(tmp_path):
    """A copy of the package without its checkout, as an installation is one."""
    for path in {*packaged(), *(path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))}:
        (tmp_path / "emotrace" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "emotrace" / path).write_bytes((PACKAGE / path).read_bytes())
    command = [sys.executable, "-c", BARE]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert {"original", "none-T1", "ECAPA-anon-T12-soft"} <= set(done.stdout.split())
