"""Builds the documentation site from the pages where they stand, without a network: `make docs`.

    .venv-docs/bin/python scripts/docs_site.py

The pages and what they link to are copied to `build/docs`, each with the minutes that it takes; MkDocs makes
`build/site` of them and fails at a link or an anchor that does not exist. Beside each page is its Markdown,
and `llms.txt` lists them. Last, the site's own search is asked what people look for (`docs_questions.toml`).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
SOURCE, SITE = ROOT / "build" / "docs", ROOT / "build" / "site"
LINK = re.compile(r"(!?\[[^\]]*\]\()(?!https?:|#|mailto:)([^)#\s]+)([^)]*\))")
WORDS_A_MINUTE = 220
CHARACTERS_A_MINUTE = 400
"""Of Chinese."""
SEARCH = {
    "docs/decisions": "exclude: true",  # reached by links
    "docs/zh": "boost: 0.5",  # words of a Chinese question are in no other page
    "docs/page.md": "boost: 2",  # the only one for employees
    "docs/configuration.md": "boost: 3",  # other pages name a variable; this one explains it
    "docs/errors.md": "boost: 3",  # other pages name a code; this one explains it
    "docs/first-tool.md": "boost: 2",  # other pages add tools, too
    "docs/mcp.md": "boost: 2",
    "docs/names.md": "boost: 0.5",  # lists what other pages explain
    "README.md": "boost: 2",
    "CHANGELOG.md": "boost: 0.2",
    "benchmarks/README.md": "boost: 0.5",
}
"""What the search does with a page, or with those of a folder."""
SAME_STATE = ("e=e+s+o.id}", 'e=e+s+o.id+","}')
"""How lunr, the search of the site, names a state of its automaton of words, and how it must.

It writes label and number of each edge one after another, so that "1" to 525 has the name of "1" to 5 beside
"2" to 5. The words of one are then lost to the other, and a query that meets one of them fails.
"""
FIRST = 2
"""The search finds the page that answers a question among so many."""


def site_pages() -> list[tuple[str, str, str]]:
    """Section, title and path of each page of the site."""
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    without_functions = text.replace("!!python/name:", "")  # which MkDocs alone loads
    return pages(yaml.safe_load(without_functions)["nav"])


def pages(nav: list[object]) -> list[tuple[str, str, str]]:
    """Section, title and path of each page of the navigation."""
    found = []
    for entry in nav:
        assert isinstance(entry, dict)  # noqa: S101 - of mkdocs.yml
        for title, target in entry.items():
            if isinstance(target, str):
                found.append(("", title, target))
            else:
                found += [(title, each, path) for _, each, path in pages(target)]
    return found


def minutes(text: str) -> int:
    """What reading takes; code and tables count half."""
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    chinese = len(re.findall(r"[\u4e00-\u9fff]", prose))
    words = len(re.sub(r"[\u4e00-\u9fff]", " ", prose).split())
    return max(1, round(words / WORDS_A_MINUTE + chinese / CHARACTERS_A_MINUTE))


def first_paragraph(text: str) -> tuple[int, int]:
    """Where the first paragraph below the title begins and ends."""
    begin = text.index("\n\n") + 2
    end = text.find("\n\n", begin)
    return begin, len(text.rstrip("\n")) if end < 0 else end


def timed(text: str) -> str:
    """The page, with its minutes in the first line."""
    begin, end = first_paragraph(text)
    chinese = re.search(r"[\u4e00-\u9fff]", text[:end])
    note = f"(阅读约 {minutes(text)} 分钟)" if chinese else f"({minutes(text)} min)"
    return f"{text[:end]} *{note}*{text[end:]}" if text[begin] not in "|-#`" else text


def copy(path: Path, copied: set[Path]) -> None:
    """The page or file, and the files that it links to. A link to a folder becomes its text."""
    if path in copied or not path.exists():  # MkDocs reports what does not exist
        return
    copied.add(path)
    target = SOURCE / path.relative_to(ROOT)
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix != ".md":
        shutil.copyfile(path, target)
        return

    def linked(match: re.Match[str]) -> str:
        to = Path(os.path.normpath(path.parent / match[2]))
        if to.is_dir():
            return match[1].strip("![(]") if to != ROOT else match[0]
        copy(to, copied)
        return match[0]

    text = LINK.sub(linked, path.read_text(encoding="utf-8"))
    text = timed(text)
    place = path.relative_to(ROOT)
    if searched := SEARCH.get(str(place)) or SEARCH.get(str(place.parent)):
        text = f"---\nsearch:\n  {searched}\n---\n\n{text}"
    target.write_text(text, encoding="utf-8")


def index(listed: list[tuple[str, str, str]]) -> str:
    """`llms.txt` (llmstxt.org): a list of the pages by reader, in Markdown."""
    lines = [
        "# idaas-agent",
        "",
        "> An AI agent that never acts without a known identity: LangGraph, Alibaba Cloud IDaaS.",
    ]
    section = None
    for name, title, path in listed:
        if name != section:
            lines += ["", f"## {name or 'Start'}", ""]
            section = name
        text = (ROOT / path).read_text(encoding="utf-8")
        begin, end = first_paragraph(text)
        about = " ".join(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text[begin:end]).split())
        lines.append(f"- [{title}]({path}): {about[:200]}")
    return "\n".join(lines) + "\n"


def name_states_apart() -> None:
    """Mends lunr in the built site (`SAME_STATE`). Fails if it is not as this script knows it."""
    (worker,) = (SITE / "assets" / "javascripts" / "workers").glob("search.*.js")
    text = worker.read_text(encoding="utf-8")
    assert text.count(SAME_STATE[0]) == 1  # noqa: S101 - of the locked version of the theme
    worker.write_text(text.replace(*SAME_STATE), encoding="utf-8")


def questions() -> dict[str, str]:
    """What people search for, and the page that answers it."""
    with (ROOT / "scripts" / "docs_questions.toml").open("rb") as file:
        return {query: path for group in tomllib.load(file).values() for query, path in group.items()}


def address(path: str) -> str:
    """Where the page is on the site."""
    name = path.removesuffix(".md").removesuffix("README").removesuffix("/")
    return f"{name}/" if name else ""


def unanswered() -> list[str]:
    """The questions for which the search of the site does not find their page among the first ones."""
    asked = questions()
    command = ["node", str(ROOT / "scripts" / "docs_search.js"), str(SITE)]
    answers = subprocess.run(  # noqa: S603 - our own command
        command, input=json.dumps(list(asked)), text=True, stdout=subprocess.PIPE, check=True
    ).stdout
    return [
        f'the search for "{query}" must find {path} among the first {FIRST}; it finds {found[:FIRST]}'
        for query, found in json.loads(answers).items()
        if address(path := asked[query]) not in found[:FIRST]
    ]


def main() -> int:
    """The exit status of MkDocs, or 1 if the search misses a page."""
    listed = site_pages()
    shutil.rmtree(SOURCE, ignore_errors=True)
    copied: set[Path] = set()
    for _, _, path in listed:
        copy(ROOT / path, copied)
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--clean",
        "--quiet",
        "-f",
        str(ROOT / "mkdocs.yml"),
    ]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    status = subprocess.run(command, check=False, env=environment).returncode  # noqa: S603 - our own command
    if not status:
        for page in SOURCE.rglob("*.md"):
            shutil.copyfile(page, SITE / page.relative_to(SOURCE))
        (SITE / "llms.txt").write_text(index(listed), encoding="utf-8")
        sys.stdout.write(f"{SITE}: {len(listed)} pages, llms.txt and their Markdown\n")
        name_states_apart()
        if missed := unanswered():
            sys.stderr.write("\n".join([*missed, ""]))
            return 1
    return status


if __name__ == "__main__":
    sys.exit(main())
