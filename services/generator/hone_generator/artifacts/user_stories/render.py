"""User stories as Markdown, in the one form that `parse` reads back to the same stories."""

import re
import unicodedata
from collections.abc import Iterator

from hone_generator.artifacts.user_stories.ir import Criterion, Stories, Story

TITLE = "User stories"
MAX_LINE_CHARS = 600  # of one text; longer ones are no stories

# What Markdown would make links, code, markup or emphasis of.
_MARKUP = re.compile(r"[\\<*`\[]")


def render(stories: Stories) -> str:
    """Markdown of settled stories."""
    lines = [f"# {escaped(stories.title) or TITLE}"]
    for story in stories.stories:
        lines += ["", *_story(story)]
    return "\n".join(lines) + "\n"


def settled(stories: Stories) -> Stories:
    """The stories with each text on one line and nothing invisible in it, and ids without spaces."""
    written: dict[str, str] = {}
    for number, story in enumerate(stories.stories, 1):
        written.setdefault(story.id, _identifier(story.id) or f"US-{number}")
    return Stories(
        title=one_line(stories.title), stories=[_settled(story, written) for story in stories.stories]
    )


def one_line(text: str) -> str:
    visible = "".join(" " if char.isspace() else char for char in text if _is_shown(char))
    line = " ".join(visible.split())
    return line if len(line) <= MAX_LINE_CHARS else line[: MAX_LINE_CHARS - 1].rstrip() + "…"


def escaped(text: str) -> str:
    return _MARKUP.sub(lambda found: f"\\{found[0]}", text)


def _is_shown(char: str) -> bool:
    return char.isspace() or unicodedata.category(char)[0] != "C"


def _settled(story: Story, written: dict[str, str]) -> Story:
    return story.model_copy(
        update={
            **{name: one_line(getattr(story, name)) for name in ("title", "role", "want", "benefit")},
            "id": written[story.id],
            "depends_on": [
                name for each in story.depends_on if (name := written.get(each, _identifier(each)))
            ],
            "criteria": [
                Criterion(given=one_line(each.given), when=one_line(each.when), then=one_line(each.then))
                for each in story.criteria
            ],
        }
    )


def _identifier(text: str) -> str:
    """An id of letters, digits, dots, hyphens and underscores; "" for one without a number, which is no id."""
    written = re.sub(r"[^A-Za-z0-9._-]+", "-", text.strip()[:40]).strip("-.")
    return written if any(char.isdigit() for char in written) else ""


def _story(story: Story) -> Iterator[str]:
    yield f"## {story.id}: {escaped(story.title)}".rstrip()
    yield ""
    yield f"**As a** {escaped(story.role)}".rstrip()
    yield f"**I want to** {escaped(story.want)}".rstrip()
    yield f"**so that** {escaped(story.benefit)}".rstrip()
    yield ""
    yield f"- Priority: {story.priority}"
    if story.depends_on:
        yield f"- Depends on: {', '.join(story.depends_on)}"
    yield ""
    yield "### Acceptance criteria"
    for number, criterion in enumerate(story.criteria, 1):
        yield ""
        yield f"{number}. **Given** {escaped(criterion.given)}".rstrip()
        indent = " " * (len(str(number)) + 2)
        yield f"{indent}**When** {escaped(criterion.when)}".rstrip()
        yield f"{indent}**Then** {escaped(criterion.then)}".rstrip()
