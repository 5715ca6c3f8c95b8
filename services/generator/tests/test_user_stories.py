import json

import pytest
from asking import made
from hypothesis import given, settings
from hypothesis import strategies as st

from hone_generator.artifacts.kind import Subject
from hone_generator.artifacts.user_stories.checks import CheckedStories
from hone_generator.artifacts.user_stories.ir import Criterion, Stories, Story, priority_of
from hone_generator.artifacts.user_stories.kind import UserStories
from hone_generator.artifacts.user_stories.parse import parse
from hone_generator.artifacts.user_stories.render import render, settled
from hone_generator.validators.coverage import check_coverage
from hone_generator.validators.grounding import check_grounding

BORROW = Story(
    id="US-1",
    title="Borrow a book",
    role="member",
    want="borrow a book",
    benefit="I can read it at home",
    priority="must",
    criteria=[
        Criterion(
            given="a member with fewer than five loans",
            when="they borrow a book",
            then="a loan of 28 days is recorded",
        )
    ],
    evidence="A member may borrow up to five books",
)
RENEW = BORROW.model_copy(
    update={
        "id": "US-2",
        "title": "Renew a loan",
        "want": "renew a loan",
        "depends_on": ["US-1"],
        "priority": "could",
    }
)
LIBRARY = Stories(title="Library", stories=[BORROW, RENEW])
REQUIREMENTS = "A member may borrow up to five books for 28 days. A member can renew a loan."
OURS = """\
# Library

## US-1: Borrow a book

**As a** member
**I want to** borrow a book
**so that** I can read it at home

- Priority: must

### Acceptance criteria

1. **Given** a member with fewer than five loans
   **When** they borrow a book
   **Then** a loan of 28 days is recorded

## US-2: Renew a loan

**As a** member
**I want to** renew a loan
**so that** I can read it at home

- Priority: could
- Depends on: US-1

### Acceptance criteria

1. **Given** a member with fewer than five loans
   **When** they borrow a book
   **Then** a loan of 28 days is recorded
"""


def checked(*stories: Story) -> CheckedStories:
    return CheckedStories(parse(render(settled(Stories(stories=list(stories))))))


def test_stories_are_written_in_one_form_and_read_back_from_it() -> None:
    assert render(LIBRARY) == OURS
    parsed = parse(OURS)
    assert parsed.problems == ()
    assert parsed.lines == (3, 17)
    assert parsed.stories.to_json() == settled(LIBRARY).to_json() | {
        "stories": [story.model_dump(mode="json") | {"evidence": ""} for story in LIBRARY.stories]
    }


def test_sound_stories_have_no_flaws() -> None:
    parsed = CheckedStories(parse(OURS))
    for verdict in (parsed.syntax(), parsed.structure(), parsed.references(), parsed.style()):
        assert (verdict.score, verdict.passed, verdict.messages) == (100, True, ())
    assert check_coverage(parsed.outline(), REQUIREMENTS).score == 100
    assert check_grounding(parsed.outline(), REQUIREMENTS, None).score == 100


@pytest.mark.parametrize(
    ("changes", "validator", "complaint"),
    [
        ({"want": ""}, "structure", "story US-1 says not what is wanted"),
        ({"role": ""}, "structure", "story US-1 says not who wants it"),
        ({"benefit": ""}, "structure", "story US-1 says not why"),
        ({"criteria": []}, "structure", "story US-1 has no acceptance criterion"),
        ({"criteria": [Criterion(given="x", then="y")]}, "structure", "story US-1, criterion 1, lacks when"),
        ({"criteria": [Criterion(when="x")]}, "structure", "criterion 1, lacks given and then"),
        ({"want": "to renew the loans"}, "structure", "story US-2 wants the same as US-1"),
        ({"id": "US-2"}, "references", "two stories have the id US-2"),
        ({"depends_on": ["US-9"]}, "references", "story US-1 depends on US-9, which is not there"),
        ({"depends_on": ["US-1"]}, "references", "story US-1 depends on itself"),
        ({"depends_on": ["US-2"]}, "references", "the stories US-1, US-2 depend on each other in a circle"),
        ({"id": "7"}, "style", "story 7: write the id in capitals with a number"),
        ({"title": ""}, "style", "story US-1 needs a title"),
        ({"want": "word " * 40}, "style", "story US-1 is large: split it"),
        (
            {"criteria": [Criterion(given="a", when="b", then="it is user-friendly")]},
            "style",
            '"user-friendly"',
        ),
    ],
)
def test_each_flaw_is_named_with_its_line_and_its_cure(
    changes: dict[str, object], validator: str, complaint: str
) -> None:
    verdict = getattr(checked(BORROW.model_copy(update=changes), RENEW), validator)()
    said = [message for message in verdict.messages if complaint in message]
    assert said, verdict.messages
    assert said[0].startswith("line ") or "circle" in complaint
    assert verdict.score < 100
    if validator == "references":
        assert not verdict.passed


def test_no_stories_are_no_artifact() -> None:
    for text in ("", "# Library\n", "Just some words."):
        parsed = CheckedStories(parse(text))
        assert not parsed.syntax().passed
        assert parsed.structure().score == 0


def test_a_line_that_is_part_of_no_story_is_a_fault_of_the_form() -> None:
    verdict = CheckedStories(parse(OURS + "\nI hope this helps!\n")).syntax()
    assert verdict.messages == ("line 32: 'I hope this helps!' is no part of a story",)
    assert not verdict.passed


@pytest.mark.parametrize(
    "text",
    [
        "# L\n\n### Story 1: Borrow\nAs a member, I want to borrow a book, so that I can read it at home.\n\n"
        "#### Acceptance Criteria:\n- Given a shelf, when I take a book, then it is gone.\n- **Priority:** High\n",
        "## US-1 Borrow\n\n**As a** member, **I want to** borrow a book **so that** I can read it at home\n\n"
        "**Acceptance Criteria**\n\n* Given a shelf\n* When I take a book\n* Then it is gone\n\nPriority: P1",
        "As a member I want to borrow a book so that I can read it at home\nGiven a shelf\nWhen I take a book\n"
        "Then it is gone\nPriority: Must have\nTitle: Borrow\n",
    ],
)
def test_what_people_and_models_write_is_understood(text: str) -> None:
    parsed = parse(text)
    assert parsed.problems == ()
    (story,) = parsed.stories.stories
    assert (story.role.rstrip(","), story.want, story.benefit.rstrip(".")) == (
        "member", "borrow a book", "I can read it at home",
    )  # fmt: skip
    assert story.title == "Borrow"
    assert story.priority == "must"
    (criterion,) = story.criteria
    assert (criterion.given, criterion.when, criterion.then.rstrip(".")) == (
        "a shelf",
        "I take a book",
        "it is gone",
    )


def test_and_adds_to_the_step_before_it() -> None:
    text = "## US-1: T\nAs a b I want c so that d\n- Given e\n- And f\n- When g\n- Then h\n- But not i\n- Given j\n"
    first, second = parse(text).stories.stories[0].criteria
    assert (first.given, first.when, first.then) == ("e and f", "g", "h but not i")
    assert second.given == "j"


async def test_a_model_held_to_the_form_answers_json() -> None:
    answer = LIBRARY.model_dump_json()
    draft = await made(UserStories(), REQUIREMENTS, answer)
    assert draft.content == OURS
    assert draft.answer == answer
    assert (draft.evidence[0].element, draft.evidence[0].text) == (
        "story:US-1",
        "A member may borrow up to five books for 28 days.",
    )
    parsed = UserStories().read(Subject(draft.content, draft=draft))
    assert parsed.structure().score == 100
    assert all(name.line is None for name in parsed.outline().names)


async def test_a_model_that_writes_markdown_is_understood_all_the_same() -> None:
    draft = await made(UserStories(), REQUIREMENTS, f"Sure!\n```markdown\n{OURS}```\nBye")
    assert draft.content == OURS
    assert draft.notes == ()


async def test_an_answer_that_is_none_is_a_draft_that_says_why() -> None:
    draft = await made(UserStories(), REQUIREMENTS, '{"stories": 3}')
    assert draft.notes[0].startswith("the answer could not be read: stories:")
    assert not UserStories().read(Subject(draft.content, draft=draft)).structure().passed


@pytest.mark.parametrize(
    ("word", "priority"),
    [("MUST", "must"), ("High", "must"), ("P2", "should"), ("Won't have", "wont"), ("?", "should")],
)
def test_priorities_have_many_names(word: str, priority: str) -> None:
    assert priority_of(word) == priority


PIECES = [
    "** ",
    "I want to",
    "so that",
    "Given",
    "- ",
    "#",
    "##",
    "US-1:",
    "\\",
    "<b>",
    "as a",
    "\n",
    "`",
    "x",
]
texts = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from(PIECES))
    .map(" ".join),
)  # fmt: skip
criteria = st.builds(Criterion, given=texts, when=texts, then=texts)
ids = st.one_of(st.text(max_size=8), st.from_regex(r"\AUS-[1-5]\Z"))
stories = st.builds(
    Story,
    id=ids, title=texts, role=texts, want=texts, benefit=texts, priority=st.sampled_from(["must", "could"]),
    criteria=st.lists(criteria, max_size=3), depends_on=st.lists(ids, max_size=2),
)  # fmt: skip


@settings(deadline=None)
@given(st.lists(stories, max_size=4), texts)
def test_whatever_stories_say_they_are_read_back_as_they_were(given_stories: list[Story], title: str) -> None:
    known = settled(Stories(title=title, stories=given_stories))
    read = parse(render(known))
    assert read.problems == ()
    assert read.stories.stories == known.stories
    assert settled(known) == known
    assert Stories.model_validate(json.loads(json.dumps(known.to_json()))) == known


@settings(deadline=None)
@given(st.one_of(st.text(), st.lists(texts).map("\n".join)))
def test_any_text_is_judged(text: str) -> None:
    parsed = CheckedStories(parse(text))
    for verdict in (parsed.syntax(), parsed.structure(), parsed.references(), parsed.style()):
        assert 0 <= verdict.score <= 100
    assert parsed.outline().scope == "everything"


@pytest.mark.parametrize(
    "piece",
    [
        "#",
        "# ",
        "as a ",
        "I want ",
        "so that ",
        "given ",
        "- ",
        "**",
        "US-1 ",
        "1",
        " ",
        "\n",
        "when x then ",
    ],
)
def test_long_repetitions_are_read_in_a_moment(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    CheckedStories(parse(text)).structure()
    CheckedStories(parse(f"## US-1: x\n{text}")).references()


TRACKED = """\
### Story 1 - Login
As a registered user, I want to log in with my email, so that I can access my account.

**Acceptance criteria**
- [ ] Given valid credentials, when I submit the form, then I see my dashboard
- [ ] The account is locked after 5 failed attempts

**Priority:** High
**Story points:** 3
"""


def test_a_criterion_without_its_condition_is_a_flaw_of_structure_and_no_broken_syntax() -> None:
    found = CheckedStories(parse(TRACKED))
    assert found.syntax().passed, found.syntax().messages
    assert found.structure().messages == (
        "line 1: story 1, criterion 2, lacks given and when: write all of given, when and then",
    )
    [story] = parse(TRACKED).stories.stories
    assert story.criteria[1].then == "The account is locked after 5 failed attempts"


def test_a_list_outside_of_the_criteria_is_still_no_part_of_a_story() -> None:
    loose = TRACKED.replace("**Acceptance criteria**\n", "")
    assert "no part of a story" in CheckedStories(parse(loose)).syntax().messages[0]
