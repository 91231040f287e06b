"""Every path and link that a document names exists: ``python -m scripts.check_docs``."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*$", re.MULTILINE)
PLACEHOLDER = re.compile(r"[*<>{}…$]|NNNN")
ROOMS = Path("src/llm_incident_manager")


def documents(root: Path = ROOT) -> list[Path]:
    """Return the documents of the checkout, those at its root and those in ``docs/``."""
    return sorted([*root.glob("*.md"), *root.glob("docs/**/*.md")])


def faults(root: Path = ROOT) -> list[str]:
    """Return what is wrong, one ``document: fault`` each, empty where all is well."""
    return [f"{each.relative_to(root)}: {fault}" for each in documents(root) for fault in _faults_of(each, root)]


def anchors(text: str) -> set[str]:
    """Return the anchors that the headings of a Markdown text make."""
    plain = (re.sub(r"[`*_]|\[([^\]]*)\]\([^)]*\)", r"\1", each) for each in HEADING.findall(FENCE.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in plain}


def _faults_of(document: Path, root: Path) -> Iterator[str]:
    text = document.read_text(encoding="utf-8")
    prose = FENCE.sub("", text)
    for found in LINK.finditer(prose):
        yield from _link_faults(found[1] or found[2], document, text)
    for found in CODE.finditer(prose):
        path = _path_in(found[1], root)
        if path is not None and not any((base / path).exists() for base in (root, root / ROOMS, document.parent)):
            yield f"names `{path}`, which does not exist"


def _link_faults(target: str, document: Path, text: str) -> Iterator[str]:
    if re.match(r"[a-z]+:", target):
        return
    path, _, anchor = target.partition("#")
    place = document if not path else (document.parent / path)
    if not place.exists():
        yield f"links to {target}, which does not exist"
    elif anchor and place.suffix == ".md":
        there = text if place == document else place.read_text(encoding="utf-8")
        if anchor not in anchors(there):
            yield f"links to {target}, but there is no such heading"


def _path_in(code: str, root: Path) -> str | None:
    """Return the repository path that a piece of code in prose names, if it clearly names one."""
    word = code.strip()
    if " " in word or "/" not in word or word.startswith(("/", "-", "http")) or PLACEHOLDER.search(word):
        return None
    word = word.partition("::")[0].rstrip("/")
    first = word.partition("/")[0]
    known = {each.name for each in root.iterdir()} | {each.name for each in (root / ROOMS).iterdir()}
    return word if first in known and not first.startswith(".venv") else None


def main() -> int:
    """Print the faults; exit code 1 if there are any."""
    found = faults()
    print("\n".join(found) or f"docs: {len(documents())} documents, every path and link is there")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
