"""Numbers in prose: words, a title with the interval, and a section that exists."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes

BOOK = Path(__file__).parents[2] / "book"


@pytest.fixture(scope="module")
def extension():
    spec = importlib.util.spec_from_file_location("result_numbers", BOOK / "_ext" / "result_numbers.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["result_numbers"] = module
    spec.loader.exec_module(module)
    return module


def test_a_number_is_a_link_whose_title_has_its_interval(extension):
    texts = {"T1": {"uar": "55.0 %", "uar_interval": "55.0 % [50.0, 60.0]"}}
    shown = extension.linked(texts, "rows", "scale")["T1"]
    assert shown["uar"] == "{number}`55.0 %|rows|scale.T1.uar: 55.0 % [50.0, 60.0]`"
    assert shown["uar_interval"].startswith("{number}`55.0 % [50.0, 60.0]|rows|")


def test_the_role_leads_to_the_section(extension):
    document = SimpleNamespace(settings=SimpleNamespace(env=SimpleNamespace(docname="index")))
    [made], problems = extension.number_role("number", "", "55.0 %|rows|a title", 1, SimpleNamespace(document=document))
    assert not problems and made.astext() == "55.0 %" and made["title"] == "a title"
    link = made[0]
    assert (link["reftarget"], link["reftype"], link["refdoc"]) == ("rows", "ref", "index")
    assert isinstance(link[0], nodes.inline)


def test_every_group_of_numbers_has_a_section_and_every_section_is_there(extension):
    groups = {group for group, entries in json.loads((BOOK / "numbers.json").read_text()).items() if entries}
    assert groups <= {*extension.SECTIONS, "reproduction", "claims", "cells"}
    pages = [*BOOK.glob("*.md"), *(BOOK / "notebooks").glob("*.md")]
    labels = {label for page in pages for label in re.findall(r"^\(([\w-]+)\)=$", page.read_text(), re.MULTILINE)}
    assert {section for group, section in extension.SECTIONS.items() if group in groups} <= labels
