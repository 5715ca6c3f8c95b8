"""Requirements cut into passages: sentences, list items and table rows, each with its place in the source.

A passage is what the model reads at a time, and what an element of the diagram points back to.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from hone_contracts.erd_facts import is_name, normalise
from hone_generator.text.markdown import Block, blocks

MAX_PASSAGE_WORDS = 60  # the starter's context is a few hundred tokens; the longest legible sentences fit
MAX_PASSAGE_CHARS = 600
_MAX_HEADING_CHARS = 200

_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|approx|incl|excl|resp|no|nos|nr|fig|sec|ch|art|max|min|dr|mr|mrs|ms|prof|st|inc"
    r"|ltd|co|corp|dept|est|tel|ext|vol|p|pp|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec)"
    r"|\b[a-z](?:\.[a-z])*)\.$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]*_]*+(?=\s)|[。！？]+|;(?=\s)")
_MARKUP = (
    (re.compile(r"!?\[([^\]]*)\]\([^)]*\)"), r"\1"),
    (re.compile(r"(\*\*|__|~~|`++)(?=\S)(.+?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)[*_](?=\S)([^*_]+?)(?<=\S)[*_](?!\w)"), r"\1"),
    (re.compile(r"<!--.*?-->|</?[a-zA-Z][^<>]*>"), " "),
)
_CUTS = (
    re.compile(r"\s[–—]\s"),
    re.compile(r",\s+(?:and|but|or|while|which)\s"),
    re.compile(r",\s"),
    re.compile(r"\s"),
)
# Headings of documents, not of what the documents are about.
_GENERAL = frozenset(
    """
    overview introduction requirement functional requirements non-functional requirements summary background scope
    purpose goal goals description details notes note data data model model entities relationships attributes system
    features feature rules business rules constraints assumptions glossary context general users stories user stories
    """.split()  # noqa: SIM905 - a list of quoted words is not readable
)
_NUMBERING = re.compile(r"^\s*(?:\d+(?:\.\d+)*|[A-Z]|[IVX]+)[.):]?\s+")


@dataclass(frozen=True, slots=True)
class Passage:
    """`text` is one line without markup; source[start:end] is where it stands. `section` counts headings,
    `heading` is that heading's subject (normalised, may be empty), `depth` is 0 for prose, more in lists;
    `continues` says that it is not the first passage of its paragraph or item."""

    index: int
    text: str
    start: int
    end: int
    section: int
    heading: str
    depth: int
    continues: bool = False


def split_passages(text: str) -> list[Passage]:
    """All passages of a Markdown or plain text, in its order. No word outside headings, code fences and table
    heads is lost."""
    found: list[Passage] = []
    section, heading = 0, ""
    for block in blocks(text):
        if block.kind == "heading":
            section, heading = section + 1, heading_subject(text[block.start : block.end])
            continue
        first = len(found)
        for start, end in _sentences(text, block):
            line = plain(text[start:end], row=block.kind == "row")
            if any(char.isalnum() for char in line):
                continues = len(found) > first
                found.append(Passage(len(found), line, start, end, section, heading, block.depth, continues))
    return found


def heading_subject(heading: str) -> str:
    """What a heading is about, as words of the model: "## 2.1 Loans" gives "loans"; "" where that is no name
    or only names a part of the document."""
    subject = normalise(plain(_NUMBERING.sub("", heading[:_MAX_HEADING_CHARS])).strip(" :.-#"))
    return subject if is_name(subject) and not all(word in _GENERAL for word in subject.split()) else ""


def plain(text: str, *, row: bool = False) -> str:
    """One line without Markdown's marks. Cells of a table row are parted by commas, the first by a colon."""
    if row:
        cells = [cell.strip() for cell in text.strip().strip("|").split("|")]
        text = ": ".join([cells[0], ", ".join(cell for cell in cells[1:] if cell)]).rstrip(": ")
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return " ".join(re.sub(r"\n\s*>+", "\n", text).split())


def _sentences(text: str, block: Block) -> Iterator[tuple[int, int]]:
    if block.kind == "row":
        yield from _bounded(text, block.start, block.end)
        return
    start = block.start
    for match in _SENTENCE_END.finditer(text, block.start, block.end):
        if _ends_sentence(text, start, match, block.end):
            yield from _bounded(text, start, match.end())
            start = match.end()
    yield from _bounded(text, start, block.end)


def _ends_sentence(text: str, start: int, match: re.Match[str], end: int) -> bool:
    """A dot after an abbreviation or before a lower-case word ends nothing."""
    if not match[0].startswith("."):
        return True
    following = text[match.end() : min(end, match.end() + 80)].lstrip()[:1]
    before = text[max(start, match.start() - 12) : match.start() + 1]
    return not following.islower() and not (
        _ABBREVIATION.search(before) and not _is_last_word(before, following)
    )


def _is_last_word(before: str, following: str) -> bool:
    """ "etc." and "no." before a capital do end a sentence more often than not."""
    return (
        following.isupper()
        and re.search(r"\b(?:etc|no|inc|ltd|co|min|max)\.$", before, re.IGNORECASE) is not None
    )


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """The stretch without outer space, cut where it reads best while it is longer than a passage may be."""
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    while (limit := _limit(text, start, end)) < end:
        cut = _cut(text, start, limit)
        yield start, cut
        start = cut
        while start < end and text[start].isspace():
            start += 1
    if start < end:
        yield start, end


def _limit(text: str, start: int, end: int) -> int:
    """Where at the latest a passage that begins at `start` has to end."""
    limit = min(end, start + MAX_PASSAGE_CHARS)
    for count, word in enumerate(re.finditer(r"\S+", text[start:limit]), 1):
        if count > MAX_PASSAGE_WORDS:
            return start + word.start()
    return limit


def _cut(text: str, start: int, limit: int) -> int:
    """The last good place in the second half of the stretch, else the last space, else the limit."""
    for pattern in _CUTS:
        places = [match.start() + 1 for match in pattern.finditer(text, start, limit)]
        if places and places[-1] > start + (limit - start) // 2:
            return places[-1]
    return limit
