"""Markdown read back into user stories, tolerantly: for files that came from anywhere, and for models that write
Markdown where JSON was asked for.

Our own form (`render`) is read to the letter. Beside it: "As a … I want … so that …" in one sentence, Given/When/Then
in one line, other headings and marks. A line that is none of it is reported and passed over.
"""

import re
from dataclasses import dataclass, field

from hone_generator.artifacts.user_stories.ir import Criterion, Stories, Story, priority_of

_LONGEST_LINE = 4_000
_MOST_LINES = 20_000
_HEADING = re.compile(r"(#{1,6})[ \t]+(.*)")
_STORY = re.compile(
    r"(?:user story|story)?[ \t]*(?P<id>[A-Za-z]{1,12}[-_ ]?\d[\w.-]*|\d{1,4}(?:\.\d{1,4}){0,3})"
    r"[ \t]*(?:[:.)\u2013\u2014-][ \t]*|[ \t]|$)(?P<title>.*)",
    re.IGNORECASE,
)
_OURS = re.compile(r"(?P<id>(?=\D{0,40}\d)[A-Za-z0-9._-]{1,40}):(?:[ \t]+(?P<title>.*))?")
_OUR_LINE = re.compile(r"\*\*(As a|I want to|so that|Given|When|Then)\*\*(?:[ \t]+((?:(?!\*\*).)*))?")
_CRITERIA = re.compile(r"acceptance criteria|criteria|scenarios?", re.IGNORECASE)
_FIELD = re.compile(r"(priority|depends on|dependencies|id|title)[ \t]*:[ \t]*(.*)", re.IGNORECASE)
# What trackers write beside a story, and no part of it is.
_ASIDE = re.compile(
    r"(?:story points?|points|estimate|epic|labels?|tags?|status|assignee|sprint|effort)[ \t]*:[ \t]*.*",
    re.IGNORECASE,
)
_BULLET = re.compile(r"[ \t]*(?:[-*+]|\d{1,4}[.)])[ \t]+(?:\[[ xX]?\][ \t]*)?")
_MARKS = re.compile(r"\*{2}|__")
_AS = re.compile(r"as an?\b[ \t]*", re.IGNORECASE)
_WANT = re.compile(r"[,;]?[ \t]*\bI (?:want|would like|need|can)(?: to\b)?[ \t]*", re.IGNORECASE)
_BENEFIT = re.compile(r"[,;]?[ \t]*\b(?:so that|in order to)\b[ \t]*", re.IGNORECASE)
_STEP = re.compile(r"(given|when|then|and|but)\b[ \t]*", re.IGNORECASE)
_INLINE_STEP = re.compile(r"[,;]?[ \t]+\b(when|then)\b[ \t]+", re.IGNORECASE)
_ESCAPE = re.compile(r"\\([\\<*`\[])")
_NARRATIVE = {"As a": "role", "I want to": "want", "so that": "benefit"}


@dataclass(frozen=True, slots=True)
class Problem:
    """A line (from 1) that is no part of a story."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class ParsedStories:
    """`lines` tells where each story begins, in their order."""

    stories: Stories
    lines: tuple[int, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(slots=True)
class _Reader:
    title: str = ""
    stories: list[Story] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    part: str = ""  # given, when or then: what "and" adds to
    in_criteria: bool = False

    def line(self, number: int, text: str) -> None:
        if heading := _HEADING.fullmatch(text):
            self._heading(number, len(heading[1]), heading[2].strip())
            return
        bullet = _BULLET.match(text)
        body = text[bullet.end() if bullet else 0 :].strip()
        plain = _MARKS.sub("", body).strip()
        if not self._is_read(number, body, plain, listed=bullet is not None):
            self.problems.append(Problem(number, f"{text.strip()[:80]!r} is no part of a story"))

    def _heading(self, number: int, level: int, text: str) -> None:
        self.part, self.in_criteria = "", False
        found = _OURS.fullmatch(text) if level == 2 else None
        found = found or _STORY.fullmatch(_MARKS.sub("", text))
        if _CRITERIA.fullmatch(_MARKS.sub("", text).rstrip(":")):
            self.in_criteria = bool(self.stories)
            if not self.stories:
                self.problems.append(Problem(number, "these criteria belong to no story"))
        elif found and (level > 1 or self.title):
            self._begin(number, found["id"], found["title"] or "")
        elif level == 1 and not self.title and not self.stories:
            self.title = _unescaped(text)
        else:
            self.problems.append(
                Problem(number, f"heading {text[:80]!r} names no story: begin it with an id")
            )

    def _begin(self, number: int, name: str, title: str) -> None:
        self.stories.append(Story(id=name.replace(" ", "-"), title=_unescaped(title.strip())))
        self.lines.append(number)
        self.part, self.in_criteria = "", False

    def _is_read(self, number: int, body: str, plain: str, *, listed: bool) -> bool:
        ours = _OUR_LINE.fullmatch(body)
        if _AS.match(plain) and (not self.stories or self._has_text()):
            self._begin(number, f"US-{len(self.stories) + 1}", "")  # a story without a heading of its own
        if not self.stories:
            return False
        if ours:
            self._our_line(ours[1], _unescaped(ours[2] or ""))
            return True
        return (
            self._field(plain)
            or self._narrative(plain)
            or self._step(plain, listed=listed)
            or self._outcome(plain, listed=listed)
        )

    def _our_line(self, mark: str, text: str) -> None:
        if mark in _NARRATIVE:
            self._update(**{_NARRATIVE[mark]: text})
            return
        if mark == "Given" or not self.stories[-1].criteria:
            self.stories[-1].criteria.append(Criterion())
        self._say(mark.lower(), text)

    def _has_text(self) -> bool:
        return bool(self.stories[-1].role or self.stories[-1].want)

    def _field(self, plain: str) -> bool:
        found = _FIELD.fullmatch(plain)
        if not found:
            if _CRITERIA.fullmatch(plain.rstrip(":")):
                self.in_criteria, self.part = True, ""
                return True
            return bool(_ASIDE.fullmatch(plain))
        name, value = found[1].lower(), found[2].strip()
        if name == "priority":
            self._update(priority=priority_of(value))
        elif name in ("depends on", "dependencies"):
            none = value.lower().rstrip(".") in ("none", "nothing", "-", "n/a", "")
            self._update(
                depends_on=[] if none else [each.strip() for each in value.split(",") if each.strip()]
            )
        else:
            self._update(**{name: value})
        return True

    def _narrative(self, plain: str) -> bool:
        role, want, benefit = _narrative(plain)
        if role is None and want is None and benefit is None:
            return False
        told = {"role": role, "want": want, "benefit": benefit}
        self._update(**{name: _unescaped(text) for name, text in told.items() if text is not None})
        return True

    def _step(self, plain: str, *, listed: bool) -> bool:
        found = _STEP.match(plain)
        if not found:
            return False
        word, rest = found[1].lower(), plain[found.end() :].strip()
        if word in ("and", "but"):
            if not self.part:
                return False
            before = getattr(self.stories[-1].criteria[-1], self.part)
            self._say(self.part, _unescaped(f"{before} {word} {rest}".strip()))
            return True
        if (
            not self.stories[-1].criteria
            or word == "given"
            or (listed and word == "when" and self.part != "given")
        ):
            self.stories[-1].criteria.append(Criterion())
        pieces = _INLINE_STEP.split(rest)
        for part, text in zip([word, *pieces[1::2]], pieces[0::2], strict=True):
            self._say(part.lower(), _unescaped(text.strip().rstrip(",")))
        return True

    def _outcome(self, plain: str, *, listed: bool) -> bool:
        """A criterion that says only what shall be: the rest of it is missed, and asked for, by `structure`."""
        if not (listed and self.in_criteria):
            return False
        self.stories[-1].criteria.append(Criterion(then=_unescaped(plain)))
        self.part = "then"
        return True

    def _say(self, part: str, text: str) -> None:
        criteria = self.stories[-1].criteria
        criteria[-1] = criteria[-1].model_copy(update={part: text})
        self.part = part

    def _update(self, **fields: object) -> None:
        self.stories[-1] = self.stories[-1].model_copy(update=fields)


def parse(text: str) -> ParsedStories:
    """Read Markdown. Never raises: what is not understood is among the problems."""
    reader = _Reader()
    lines = text.split("\n")
    for number, line in enumerate(lines[:_MOST_LINES], 1):
        content = line[:_LONGEST_LINE].rstrip()
        if content.strip() and not re.fullmatch(r"[ \t]*(?:-{3,}|\*{3,}|_{3,})", content):
            reader.line(number, content)
    if len(lines) > _MOST_LINES:
        reader.problems.append(Problem(_MOST_LINES, "the text goes on too long: split it"))
    stories = Stories(title=reader.title, stories=reader.stories)
    return ParsedStories(stories, tuple(reader.lines), tuple(reader.problems))


def _narrative(plain: str) -> tuple[str | None, str | None, str | None]:
    """Role, want and benefit, as far as a line states them."""
    role = want = benefit = None
    begins = _AS.match(plain)
    wants = _WANT.search(plain) if begins else _WANT.match(plain)
    helps = _BENEFIT.search(plain, wants.end()) if wants else _BENEFIT.match(plain)
    if begins:
        role = plain[begins.end() : wants.start() if wants else len(plain)].strip()
    if wants:
        want = plain[wants.end() : helps.start() if helps else len(plain)].strip()
    if helps:
        benefit = plain[helps.end() :].strip()
    return role, want, benefit


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(r"\1", text)
