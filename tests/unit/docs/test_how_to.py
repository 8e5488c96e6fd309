"""The how-tos quote code that is tested, and lead somewhere."""

import ast
import re
from pathlib import Path
from textwrap import dedent

import pytest

ROOT = Path(__file__).parents[3]
HOW_TO = sorted((ROOT / "docs" / "how-to").glob("*.md"))
RUN = "add-to-a-project.md"  # its code is run as a project of its own
DOCUMENTS = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]


def python_blocks(document: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", document.read_text(), re.DOTALL)


def bare(code: str) -> str:
    """Without what an indentation changes."""
    return "".join(code.split())


def quote_of(block: str) -> tuple[str, list[str]]:
    """The file that the first line names, and the passages quoted from it, `...` between them."""
    first, _, rest = block.partition("\n")
    return first.removeprefix("# "), re.split(r"^\s*\.\.\.$", rest, flags=re.MULTILINE)


def is_quoted(source: str, passages: list[str]) -> bool:
    """Whether all passages stand there, in this order."""
    text = bare(source)
    for passage in map(bare, passages):
        _, found, text = text.partition(passage)
        if not found:
            return False
    return True


BLOCKS = [
    (document.name, block)
    for document in HOW_TO
    if document.name != RUN
    for block in python_blocks(document)
]


@pytest.mark.parametrize(("document", "block"), BLOCKS)
def test_a_how_to_quotes_code_of_the_shop_or_of_the_suite(document: str, block: str) -> None:
    path, passages = quote_of(block)
    assert path.startswith(("examples/shop/", "tests/")), f"{document} quotes nothing that is run"
    assert is_quoted((ROOT / path).read_text(), passages), f"{document} misquotes {path}:\n{block}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_code_is_whole_enough_to_be_read_by_python(document: Path) -> None:
    for block in python_blocks(document):
        ast.parse(dedent("".join(block.partition("\n")[1:] if block.startswith("# ") else block)))


def test_a_quotation_that_is_wrong_is_found() -> None:
    source = "class A:\n    def f(self):\n        a()\n        b()\n        c()\n"
    assert is_quoted(source, ["a()\nb()"])
    assert is_quoted(source, ["a()", "c()"])
    assert not is_quoted(source, ["c()", "a()"])
    assert not is_quoted(source, ["a()\nc()"])
    assert quote_of("# examples/x.py\na()\n...\nc()\n") == ("examples/x.py", ["a()\n", "\nc()\n"])


def test_every_how_to_has_code() -> None:
    assert len(HOW_TO) > 10
    assert [path.name for path in HOW_TO if not python_blocks(path)] == []


def test_the_readme_leads_to_every_how_to() -> None:
    linked = set(re.findall(r"\(docs/how-to/([\w-]+\.md)\)", (ROOT / "README.md").read_text()))
    assert linked == {path.name for path in HOW_TO}


def anchors_of(document: Path) -> set[str]:
    """As GitHub makes them from headings."""
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


def test_links_to_headings_lead_to_one() -> None:
    broken = [
        (str(document.relative_to(ROOT)), link, anchor)
        for document in DOCUMENTS
        for link, anchor in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", document.read_text())
        if anchor not in anchors_of((document.parent / link) if link else document)
    ]
    assert broken == []
