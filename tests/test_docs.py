"""What README and docs/ say is true: tree, links, commands, figures, and the worked example.

``python -m tests.test_docs`` writes the generated blocks anew: the tree of modules and the table of the benchmark.
"""

import argparse
import ast
import inspect
import json
import re
import shlex
import sys
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from unittest.mock import patch

import pytest

from models import registry
from submissions.cli import WORDS
from tests.models import test_contract as contract

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(DOCS.glob("*.md"))]
PACKAGES = ("tomograms", "compute", "models", "postproc", "evaluation", "ensemble", "submissions")
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def tree() -> str:
    """Return every module with the first line of its docstring."""
    lines = ["```"]
    for package in PACKAGES:
        lines.append(f"{package}/")
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.name != "__init__.py":
                doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
                lines.append(f"  {path.relative_to(ROOT / package)!s:<29} {doc.partition(chr(10))[0]}".rstrip())
    return "\n".join([*lines, "```"])


def benchmark() -> str:
    """Return the stored results of the benchmark as a table."""
    lines = ["| stage | work | ours | the others' way | times as fast |", "|---|---|---|---|---|"]
    for row in json.loads((ROOT / "tests/benchmark/results/cpu.json").read_text(encoding="utf-8"))["rows"]:
        peer = f"{seconds(row['peer']['wall'])}, {row['peer_name']}" if row["peer"] else ""
        faster = f"{row['ratio']:.3g}" if row["peer"] else ""
        lines.append(f"| {row['stage']} | {row['work']} | {seconds(row['ours']['wall'])} | {peer} | {faster} |")
    return "\n".join(lines)


def seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 0.1 else f"{1000 * value:.3g} ms"


BLOCKS = {"tree": (DOCS / "architecture.md", tree), "benchmark": (DOCS / "benchmark.md", benchmark)}


def with_block(page: str, name: str, content: str) -> str:
    before, _, rest = page.partition(f"<!-- {name} -->\n")
    return f"{before}<!-- {name} -->\n{content}\n<!-- end -->{rest.partition('<!-- end -->')[2]}"


def test_lines_that_formats_shows_are_printed_somewhere():
    page = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    section = page.partition("## What people bring")[2].partition("\n## Weights")[0]
    shown = [match[1].split() for match in re.finditer(r"`[^`]*?expected ([^`]+)`", section)]
    written = "\n".join(
        node.value
        for package in PACKAGES
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    assert len(shown) > 40
    threes = [[" ".join(words[i : i + 3]) for i in range(max(1, len(words) - 2))] for words in shown]
    assert not [
        some for some in threes if not any(three in written for three in some)
    ]  # the rest are numbers and names


@pytest.mark.parametrize("name", BLOCKS)
def test_generated_blocks_are_up_to_date(name):
    page, content = BLOCKS[name]
    text = page.read_text(encoding="utf-8")
    assert text == with_block(text, name, content()), "python -m tests.test_docs writes it anew"


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 120


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        if not target.startswith(("http://", "https://")):
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), f"{page.name}: {target}"
            assert not anchor or anchor in anchors(file), f"{page.name}: {target}"
            assert page.parent != DOCS or DOCS in file.parents, f"{page.name}: {target} is not in the built site"


def test_every_page_is_in_the_navigation():
    listed = re.findall(r": (\S+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(listed) == [page.name for page in PAGES if page.parent == DOCS]


def commands() -> list[str]:
    """Return every ``python -m ...`` and ``cryoet-picks ...`` of the pages, in blocks and in sentences."""
    found = []
    for page in PAGES:
        blocks = [code for _, code in FENCED.findall(page.read_text(encoding="utf-8"))]
        lines = [
            re.split(r"#| > ", line)[0].strip() for block in blocks for line in block.replace("\\\n", " ").splitlines()
        ]
        found += [line for line in lines if line.startswith(("python -m ", "cryoet-picks "))]
        found += re.findall(r"`((?:python -m|cryoet-picks) [^`]+)`", prose(page).replace("\n", " "))
    return sorted(set(found))


@cache
def parser_of(name: str) -> argparse.ArgumentParser:
    """Return a command's parser: from its function ``parser``, or, of a test's, caught where ``main`` would use it."""
    module = import_module(f"{name}.__main__" if find_spec(name).submodule_search_locations else name)
    if not name.startswith("tests."):
        return module.parser()
    caught = []

    def catch(self, *_):
        caught.append(self)
        raise SystemExit

    with patch.object(argparse.ArgumentParser, "parse_args", catch), pytest.raises(SystemExit):
        module.main([])
    return caught[0]


def test_getting_started_tells_the_module_of_each_word():
    table = (ROOT / "docs/getting-started.md").read_text(encoding="utf-8").split("| word | module |")[1]
    rows = [re.findall(r"`([\w.]+)`", line) for line in table.split("\n\n")[0].splitlines()[2:]]
    pairs = {row[k]: row[k + len(row) // 2] for row in rows for k in range(len(row) // 2)}
    assert pairs == {word: module.removesuffix(".__main__") for word, (module, *_) in WORDS.items()}


@pytest.mark.parametrize("command", commands())
def test_commands_exist_with_these_options(command):
    first, name, *arguments = shlex.split(command.removeprefix("python "))
    if first == "cryoet-picks" and not name.startswith("-"):
        name = WORDS[name][0]
    elif first == "cryoet-picks":
        name, arguments = "submissions.cli", [name, *arguments]
    assert find_spec(name), command
    if arguments and name.partition(".")[0] in (*PACKAGES, "tests"):
        try:
            parser_of(name).parse_args(arguments)
        except SystemExit as end:
            assert not end.code, command


def test_the_three_commands_are_told():
    told = {command.removeprefix("python -m ").partition(" ")[0] for command in commands()}
    assert {"evaluation.cv", "ensemble.build", "submissions.make"} <= told


@pytest.fixture(scope="module")
def example(tmp_path_factory):
    """The worked example, registered and given settings by the page's own lines, and trained as the contract wants."""
    page = (DOCS / "adding-a-member.md").read_text(encoding="utf-8")
    code, line = [block for kind, block in FENCED.findall(page) if kind == "python"]
    (settings,) = re.findall(r'`"tiny": ({.*?})`', page)
    module = ModuleType("models.tiny.member")
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, module.__name__, module)
        exec(compile(code, "adding-a-member.md", "exec"), module.__dict__)
        lines: dict[str, dict[str, str]] = {}
        exec(line, lines)
        (name,) = set(lines["MEMBERS"]) - set(registry.MEMBERS)
        assert {key: value for key, value in lines["MEMBERS"].items() if key != name} == registry.MEMBERS
        patched.setitem(registry.MEMBERS, name, lines["MEMBERS"][name])
        patched.setitem(contract.TINY, name, ast.literal_eval(settings))
        directory = tmp_path_factory.mktemp(name)
        yield name, directory, contract.fit(name, directory)


CONTRACT = [
    test
    for name, test in vars(contract).items()
    if name.startswith("test_") and "trained" in inspect.signature(test).parameters
]


@pytest.mark.parametrize("test", CONTRACT, ids=lambda test: test.__name__)
def test_the_worked_example_keeps_the_contract(test, example, tmp_path):
    given = {"trained": example, "tmp_path": tmp_path}
    test(**{name: given[name] for name in inspect.signature(test).parameters})


def test_the_worked_example_learns(example):
    losses = [float(note.split()[1]) for _, _, note in example[2]]
    assert losses[-1] < losses[0]


if __name__ == "__main__":
    for name, (page, content) in BLOCKS.items():
        page.write_text(with_block(page.read_text(encoding="utf-8"), name, content()), encoding="utf-8")
