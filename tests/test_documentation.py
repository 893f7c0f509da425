"""The documentation agrees with the code."""

import os
import re
import runpy
from collections.abc import Iterator
from pathlib import Path

import yaml

ROOT = Path(__file__).parent.parent
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("plugins/*/README.md")]
SYNC = str(ROOT / "scripts" / "sync_docs.py")
_NOT_OURS = frozenset({"node_modules", "build", "dist", "tests", ".git"})
_INSTALLED_BY_NAME = re.compile(
    r"""\b(?:pip3?|pipx|uvx?|poetry|pdm|conda)\b[^\n`|;&]*[ \t'"]idaas[-_.]agent(?:\[[\w,]*\])?(?![\w/.-])"""
    r"""|^[ \t]*["']?idaas[-_.]agent(?:\[[\w,]*\])?[ \t]*(?:[=<>~!]=|["']?,?$)""",
    re.MULTILINE,
)
"""What would install our package from an index: as an argument of an installer, or as a requirement."""
_INSTALLED_WITHOUT_HASH = re.compile(
    r"\b(?:pip3?|pipx)\b[^\n`|;&]*\binstall\b[^\n`]*idaas[-_]agent[^\n`\s]*\.whl"
)
"""What would install our wheel unchecked: pip knows its hash from a requirements file alone."""
_TEXTS = (
    *(".md", ".py", ".sh", ".toml", ".txt", ".lock", ".yml", ".yaml", ".in", ".env", ".js", ".jsx", ".html"),
    *("langgraph.json", "aegra.json", "package.json", ".service", "file", "run"),
)


def test_every_copied_part_of_the_readme_equals_its_source():
    synced = runpy.run_path(SYNC)["synced"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert synced(readme) == readme, f"run: .venv/bin/python {SYNC}"


def test_the_page_of_errors_has_a_row_for_each_code():
    errors = runpy.run_path(SYNC)["errors"]
    page = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    assert "<!-- error codes -->" in page
    assert errors(page) == page, f"run: .venv/bin/python {SYNC}"


def test_the_page_of_observability_has_every_metric():
    observability = runpy.run_path(SYNC)["observability"]
    page = (ROOT / "docs" / "observability.md").read_text(encoding="utf-8")
    assert "<!-- metrics -->" in page
    assert observability(page) == page, f"run: .venv/bin/python {SYNC}"


def test_every_variable_is_described_as_the_settings_describe_it():
    configuration = runpy.run_path(SYNC)["configuration"]
    described = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert configuration() == described, f"run: .venv/bin/python {SYNC}"


def test_every_file_named_in_the_documents_exists():
    named = re.compile(
        r"`((?:agent|benchmarks|docs|frontend|graph|identity|plugins|sandbox|scripts|tests|tools)/[\w/.-]+)`"
    )
    wrong = {
        f"{document.name}: {name}"
        for document in DOCUMENTS
        for name in named.findall(document.read_text(encoding="utf-8"))
        if not (ROOT / name).exists() and "benchmarks/results" not in name
    }
    assert not wrong


def test_every_link_of_the_documents_exists():
    link = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)[^)]*\)")
    wrong = {
        f"{document.name}: {target}"
        for document in DOCUMENTS
        for target in link.findall(document.read_text(encoding="utf-8"))
        if not (document.parent / target).exists()
    }
    assert not wrong


def test_nothing_tells_to_install_the_agent_by_its_name_or_without_its_hash():
    for by_name in (
        "pip install idaas-agent pytest",
        'pip install "idaas-agent[policy]"',
        "RUN pip install --no-cache-dir idaas_agent && useradd x",
        "uv add idaas-agent==0.1.0",
        "uvx idaas-agent up",
        "  idaas-agent[studio]>=0.1",
        '  "idaas-agent==0.1.0",',
        '  "idaas-agent[policy]",',
    ):
        assert _INSTALLED_BY_NAME.search(by_name), by_name
    for by_path in (
        "cd wheels && pip install --require-hashes -r requirements.lock && pip install pytest",
        "uv add ./wheels/idaas_agent-0.1.0-py3-none-any.whl",
        "pip install --no-deps --editable . && idaas-agent up",
        "pip install --require-hashes -r dist/requirements.lock\nidaas-agent up",
        "./wheels/idaas_agent-0.1.0-py3-none-any.whl --hash=sha256:0",
    ):
        assert not _INSTALLED_BY_NAME.search(by_path), by_path
        assert not _INSTALLED_WITHOUT_HASH.search(by_path), by_path
    for without_hash in (
        "pip install wheels/idaas_agent-*.whl pytest",
        'pip install "$(ls dist/idaas_agent-*.whl)[policy]"',
        "RUN pip install --no-cache-dir /wheels/idaas_agent-*.whl && useradd x",
    ):
        assert _INSTALLED_WITHOUT_HASH.search(without_hash), without_hash
    found = {
        f"{path.relative_to(ROOT)}: {line[0].strip()}"
        for path in own_files(*_TEXTS)
        for pattern in (_INSTALLED_BY_NAME, _INSTALLED_WITHOUT_HASH)
        for line in pattern.finditer(path.read_text(encoding="utf-8"))
    }
    assert found == set()


def own_files(*endings: str) -> Iterator[Path]:
    """The files of the repository whose names have one of these endings, without tests and what is built."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name not in _NOT_OURS and not name.startswith(".venv") and not name.endswith(".egg-info")
        ]
        yield from (Path(folder, name) for name in names if name.endswith(endings))


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def site_pages() -> list[tuple[str, str, str]]:
    """Section, title and path of each page of the site."""
    site = runpy.run_path(str(ROOT / "scripts" / "docs_site.py"))
    return list(site["site_pages"]())


def test_links_to_chinese_headings_name_one_which_the_site_gives_an_anchor():
    assert "slugify_unicode" in read("mkdocs.yml")  # the default leaves out all Chinese characters
    wrong = []
    for page in sorted((ROOT / "docs" / "zh").glob("*.md")):
        for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]+)\)", page.read_text(encoding="utf-8")):
            linked = page.parent / target if target else page
            headings = re.findall(r"^#+ (.+)$", linked.read_text(encoding="utf-8"), re.MULTILINE)
            anchors = [re.sub(r"[^\w\- ]", "", heading).strip().lower() for heading in headings]
            if anchor not in [text.replace(" ", "-") for text in anchors]:
                wrong.append(f"{page.name}: {target}#{anchor}")
    assert not wrong


def test_each_page_is_on_the_site_once_and_begins_with_its_readers():
    paths = [path for _, _, path in site_pages()]
    written = {str(page.relative_to(ROOT)) for page in DOCUMENTS if page.parent.name != "decisions"}
    assert len(paths) == len(set(paths))
    assert written <= set(paths)
    first = {path: read(path).split("\n\n")[1] for path in paths}
    about_itself = "README.md"
    assert [
        path for path in first if path != about_itself and not first[path].startswith(("For ", "面向"))
    ] == []


def test_the_chinese_page_of_errors_has_the_texts_of_the_page():
    errors_zh = runpy.run_path(SYNC)["errors_zh"]
    page = (ROOT / "docs" / "zh" / "errors.md").read_text(encoding="utf-8")
    assert errors_zh() == page, f"run: .venv/bin/python {SYNC}"


def test_the_chinese_page_for_operators_has_commands_of_the_pages_that_it_names():
    page = read("docs/zh/operate.md")
    blocks = re.findall(r"^```\w*\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    lines = [line for block in blocks for line in block.splitlines() if line]
    english = set(re.findall(r"\]\(\.\./\.\./(plugins/\w+/README\.md)\)", page))
    written = {line for path in english for line in read(path).splitlines()}
    assert len(english) == 4
    assert lines
    assert [line for line in lines if line not in written] == []


def test_the_runbook_has_each_alert():
    rules = yaml.safe_load((ROOT / "deploy" / "observability" / "alerts.yaml").read_text(encoding="utf-8"))
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    page = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    assert alerts
    assert re.findall(r"^\| `(Idaas\w+)`", page, re.MULTILINE) == alerts


def test_a_page_of_the_site_has_its_minutes_and_a_line_in_the_index():
    site = runpy.run_path(str(ROOT / "scripts" / "docs_site.py"))
    text = "# Title\n\nFor operators.\n\n" + "word " * 660
    assert site["timed"](text).startswith("# Title\n\nFor operators. *(3 min)*\n\nword")
    paths = [path for _, _, path in site_pages()]
    assert [
        path for path in paths if " min)*" not in (page := site["timed"](read(path))) and "分钟)*" not in page
    ] == []
    assert "](docs/runbook.md): For operators on duty" in site["index"](site_pages())


def test_each_question_that_the_search_of_the_site_is_asked_has_a_page_of_the_site():
    site = runpy.run_path(str(ROOT / "scripts" / "docs_site.py"))
    paths = {path for _, _, path in site_pages()}
    assert set(site["questions"]().values()) <= paths
    assert site["address"]("README.md") == ""
    assert site["address"]("sandbox/README.md") == "sandbox/"
    assert site["address"]("docs/errors.md") == "docs/errors/"
