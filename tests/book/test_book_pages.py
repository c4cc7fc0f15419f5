"""What the pages of the book are made from: diagrams, bibliography, API pages, links into the repository, Binder."""

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from emotrace.weights import ModelFolder

ROOT = Path(__file__).parents[2]
BOOK = ROOT / "book"


def load(path: Path):
    """A script of the book, which is no package, as a module."""
    sys.path.insert(0, str(BOOK))
    spec = importlib.util.spec_from_file_location(f"book_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    sys.path.remove(str(BOOK))
    return module


@pytest.fixture(scope="module")
def diagrams():
    return load(BOOK / "diagrams.py")


@pytest.fixture(scope="module")
def repository():
    return load(BOOK / "_ext" / "repository.py")


def test_committed_diagrams_are_what_the_maker_draws(diagrams):
    drawn = {f"{name}_{theme}.svg" for name in diagrams.DIAGRAMS for theme in diagrams.THEMES}
    assert {path.name for path in diagrams.FOLDER.iterdir()} == drawn
    for name in drawn:
        stem, _, theme = name.removesuffix(".svg").rpartition("_")
        assert (diagrams.FOLDER / name).read_text() == diagrams.draw(stem, theme), "python book/diagrams.py"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_of_diagrams_has_a_contrast_of_at_least_4_5(diagrams, theme):
    """WCAG 2 AA: text on every kind of box, and labels on the page's own background."""
    colours = diagrams.THEMES[theme]
    page = {"light": "#ffffff", "dark": "#121212"}[theme]
    fills = [value[0] for value in colours.values() if isinstance(value, tuple)]
    pairs = [(colours["ink"], fill) for fill in fills] + [(colours["soft"], page), (colours["ink"], page)]
    pairs.append((colours["mark_ink"], colours["mark"]))
    assert min(contrast(*pair) for pair in pairs) >= 4.5


def contrast(first: str, second: str) -> float:
    """Contrast of two colours #rrggbb, by WCAG 2."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_contrast_of_known_colours():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_citation_of_the_software_is_that_of_the_cff():
    cff = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    entries = (BOOK / "emotrace.bib").read_text()
    software, paper = entries.split("\n\n")
    assert f"title   = {{{cff['title']}}}" in software and f"version = {{{cff['version']}}}" in software
    assert f"year    = {{{cff['date-released'].year}}}" in software and cff["license"] in software
    (cited,) = cff["references"]
    assert f"{{{cited['title']}}}" in paper and f"{{{cited['year']}}}" in paper and cited["url"] in paper


def test_references_account_for_every_number_of_the_paper_once():
    table = re.findall(r"^\| ([\d, to]+) \| .* \| (.*) \|$", (BOOK / "references.md").read_text(), re.MULTILINE)
    numbers = []
    for cell, _ in table:
        ends = [int(number) for number in re.findall(r"\d+", cell)]
        numbers += range(ends[0], ends[-1] + 1)
    assert numbers == list(range(1, 32))
    assert all(("{cite:t}" in here) != ("not identified" in here) for _, here in table)


def test_notes_of_the_bibliography_agree_with_the_table():
    entries = re.findall(r"@\w+\{(\w+),(.*?)\n\}", (BOOK / "references.bib").read_text(), re.DOTALL)
    noted = {key: int(match[1]) for key, body in entries if (match := re.search(r"umber (\d+) in the paper", body))}
    rows = re.findall(r"^\| (\d+) \| .* \| (.*) \|$", (BOOK / "references.md").read_text(), re.MULTILINE)
    listed = {key: int(number) for number, here in rows for key in re.findall(r"cite:t\}`(\w+)`", here)}
    assert noted == listed and len(listed) >= 20


def test_api_pages_have_every_public_module():
    documented = set()
    for page in (BOOK / "api").glob("*.md"):
        documented |= set(re.findall(r"automodule:: (\S+)", page.read_text()))
    files = (ROOT / "src" / "emotrace").rglob("*.py")
    names = {".".join(path.relative_to(ROOT / "src").with_suffix("").parts) for path in files}
    public = {name.removesuffix(".__init__") for name in names if not name.endswith("__main__")}
    public = {name for name in public if not name.startswith("emotrace.cli")} - {"emotrace"}
    assert documented == public


@pytest.mark.parametrize(
    ("remote", "url"),
    [
        ("https://github.com/someone/emotrace.git", "https://github.com/someone/emotrace"),
        ("git@github.com:someone/emotrace.git", "https://github.com/someone/emotrace"),
        ("https://user:secret@gitlab.com/someone/emotrace", "https://gitlab.com/someone/emotrace"),
        ("/work/main", None),
        ("https://example.org/someone/emotrace", None),
        ("", None),
    ],
)
def test_public_address_of_a_remote(repository, remote, url):
    assert repository.public_url(remote) == url


@pytest.mark.parametrize(("suffix", "names"), [(".ipynb", ["Binder", "Colab"]), (".md", ["Binder"])])
def test_buttons_name_the_folder_behind_the_link_and_what_opens_it(repository, suffix, names):
    launch = [{"text": name, "url": "https://x/blob/main/book/notebooks/h1.ipynb"} for name in ("Binder", "Colab")]
    context = {"header_buttons": [{"buttons": launch}, {"url": "https://x/book/a.md"}], "page_source_suffix": suffix}
    repository.real_paths(None, "", "", context, None)
    group, single = context["header_buttons"]
    assert [button["text"] for button in group["buttons"]] == names
    assert {button["url"] for button in group["buttons"]} == {"https://x/blob/main/notebooks/h1.ipynb"}
    assert single["url"] == "https://x/book/a.md"


def test_docstrings_with_asterisks_and_final_underscores_are_no_markup():
    escape = load(BOOK / "_ext" / "docstrings.py").escape
    assert escape("f(*arguments), `*kept_`, result_for_rank_*") == r"f(\*arguments), `*kept_`, result_for_rank\_\*"


def test_signatures_show_no_folder_of_the_machine_that_builds():
    shown = load(BOOK / "_ext" / "docstrings.py").relative_paths(str(inspect.signature(ModelFolder)))
    assert str(ROOT) not in shown and "= Path('data/models/scale')" in shown


def test_what_pages_make_becomes_part_of_the_book(tmp_path):
    config = SimpleNamespace(html_extra_path=["own"])
    load(BOOK / "_ext" / "made_files.py").offer(SimpleNamespace(confdir=str(tmp_path)), config)
    assert config.html_extra_path == ["own", str(tmp_path / "_build" / "made")]
    assert (tmp_path / "_build" / "made").is_dir()  # Sphinx warns of a folder that is not there


def test_binder_installs_the_package_without_torch():
    """What pages need to read recorded results; versions are the pinned ones."""
    lines = (ROOT / ".binder" / "requirements.txt").read_text().splitlines()[1:]
    assert lines[:2] == ["-c ../requirements.txt", "-e ."] and (ROOT / "requirements.txt").is_file()
    assert not {"torch", "torchaudio", "transformers"} & set(lines)
    pinned = (ROOT / "requirements.lock").read_text()
    assert all(re.search(f"^{name}==", pinned, re.MULTILINE) for name in lines[2:]), lines


def test_pdf_is_skipped_with_a_message_without_a_browser(monkeypatch, capsys):
    pdf = load(BOOK / "pdf.py")
    monkeypatch.setattr(pdf, "find_browser", lambda: None)
    assert pdf.main() == 0
    assert "skipped" in capsys.readouterr().out


def test_pictures_that_notebooks_made_are_on_paper():
    page = '<img src="../_static/listening/a/b.png" alt="F0" loading="lazy"><a href="../index.html">'
    printed = load(BOOK / "pdf.py").for_paper(page)
    assert printed == '<img src="_static/listening/a/b.png" alt="F0"><a href="../index.html">'


def test_a_page_is_printed(tmp_path):
    pdf = load(BOOK / "pdf.py")
    if (browser := pdf.find_browser()) is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    page = tmp_path / "index.html"
    page.write_text("<h1>one</h1>")
    pdf.print_page(browser, page, tmp_path / "pdf" / "book.pdf")
    assert (tmp_path / "pdf" / "book.pdf").read_bytes().startswith(b"%PDF")
