"""Blocks of a Markdown text with their places in it: enough of Markdown for requirements, and any text is one."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["heading", "paragraph", "item", "row"]

_FENCE = re.compile(r"\s*(```+|~~~+)")
_HEADING = re.compile(r"\s{0,3}#{1,6}\s+(?P<text>\S.*)$")
_BOLD_HEADING = re.compile(r"\s*(?:\*\*|__)(?P<text>[^*_]{1,60}?):?(?:\*\*|__):?\s*$")
_UNDERLINE = re.compile(r"\s{0,3}(=+|-{2,})\s*$")
_RULE = re.compile(r"\s*([-*_=])(\s*\1){2,}\s*$")
_ITEM = re.compile(
    r"(?P<indent>[\s>]*)(?:[-*+•‣◦–]|\(?(?:\d{1,3}|[a-zA-Z]|[ivx]{1,4})[.)])\s+(?:\[[ xX]\]\s+)?"
)
_ROW = re.compile(r"\s*\|.*\|\s*$")
_ROW_RULE = re.compile(r"\s*\|?\s*:?-{2,}:?\s*(\|\s*:?-{2,}:?\s*)*\|?\s*$")
_QUOTE = re.compile(r"\s*(?:>\s?)*")


@dataclass(frozen=True, slots=True)
class Block:
    """`start` and `end` are offsets into the source; `depth` is 0 but for list items (1 and more) and rows (1)."""

    kind: Kind
    start: int
    end: int
    depth: int = 0


def blocks(text: str) -> list[Block]:
    """Headings, paragraphs (soft line breaks joined), list items and table rows in the order of the text.
    Code fences, rules and the rows that head a table are left out."""
    found: list[Block] = []
    open_block: Block | None = None
    indents: list[int] = []
    for start, end, line in _lines_outside_fences(text):
        if open_block and open_block.kind == "paragraph" and line.strip() and _UNDERLINE.match(line):
            open_block = replace(open_block, kind="heading")
        block = _block_of(line, start, end, indents)
        if block is None or block.kind != "paragraph":
            _close(found, open_block)
            open_block = block
        elif open_block and open_block.kind in ("paragraph", "item"):
            open_block = replace(open_block, end=block.end)
        else:
            _close(found, open_block)
            open_block = block
        if block and block.kind == "heading":
            indents.clear()
    _close(found, open_block)
    return _without_table_heads(text, found)


def _close(found: list[Block], block: Block | None) -> None:
    if block:
        found.append(block)


def _block_of(line: str, start: int, end: int, indents: list[int]) -> Block | None:
    """The block that a line begins, or continues if it is a paragraph; None for a line that parts blocks."""
    if not line.strip() or _RULE.match(line) or _UNDERLINE.match(line):
        return None
    if heading := _HEADING.match(line) or _BOLD_HEADING.match(line):
        return Block("heading", start + heading.start("text"), start + heading.end("text"))
    if _ROW.match(line) or _ROW_RULE.match(line.strip()):
        return Block("row", start, end, depth=1)
    if item := _ITEM.match(line):
        indent = len(item["indent"].expandtabs(4))
        while indents and indents[-1] > indent:
            indents.pop()
        if not indents or indents[-1] < indent:
            indents.append(indent)
        return Block("item", start + item.end(), end, depth=len(indents))
    quote = _QUOTE.match(line)
    return Block("paragraph", start + (quote.end() if quote else 0), end)


def _lines_outside_fences(text: str) -> Iterator[tuple[int, int, str]]:
    """Lines as (start, end, text) without their ends. A fence that never closes is a line like any other."""
    lines = [(match.start(), match.end(), match[0]) for match in re.finditer(r"[^\n]+|(?<=\n)(?=\n)", text)]
    index = 0
    while index < len(lines):
        fence = _FENCE.match(lines[index][2])
        closing = _closing_fence(lines, index, fence[1]) if fence else None
        if closing is None:
            yield lines[index]
            index += 1
        else:
            start, end = lines[index][0], lines[closing][1]
            yield start, end, ""
            index = closing + 1


def _closing_fence(lines: list[tuple[int, int, str]], opened: int, mark: str) -> int | None:
    for index in range(opened + 1, len(lines)):
        if lines[index][2].strip().startswith(mark):
            return index
    return None


def _without_table_heads(text: str, found: list[Block]) -> list[Block]:
    """A row followed by a |---| row names columns, not facts."""
    kept: list[Block] = []
    for block in found:
        if block.kind == "row" and _ROW_RULE.match(text[block.start : block.end].strip()):
            if kept and kept[-1].kind == "row":
                kept.pop()
        else:
            kept.append(block)
    return kept
