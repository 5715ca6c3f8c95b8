"""User stories as an artifact type."""

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.registry import Reading
from hone_generator.artifacts.extract import Unreadable, fenced
from hone_generator.artifacts.held import MOST_ANSWER_CHARS, evidence_for, read_answer, schema_of
from hone_generator.artifacts.inverse import Inexpressible, Quotes, written
from hone_generator.artifacts.kind import Ask, Brief, Draft, Parsed, Subject, Tell, Tools
from hone_generator.artifacts.prompting import whole_messages
from hone_generator.artifacts.user_stories import prompts
from hone_generator.artifacts.user_stories.checks import CheckedStories
from hone_generator.artifacts.user_stories.ir import Stories
from hone_generator.artifacts.user_stories.parse import ParsedStories, parse
from hone_generator.artifacts.user_stories.render import render, settled


class UserStories:
    """Reads stories, renders them as Markdown. Markdown that a model writes instead is read into the same form."""

    type = ArtifactType.USER_STORIES
    prompt_version = prompts.PROMPT_VERSION
    readings: frozenset[Reading] = frozenset({"whole"})
    suffix = ".md"

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        await tell("reading")
        text = await ask(whole_messages(prompts.INSTRUCTIONS, brief), schema_of(Stories))
        notes: tuple[str, ...] = ()
        try:
            stories = settled(read_answer(Stories, text))
        except Unreadable as error:
            markdown = parse(fenced(text[:MOST_ANSWER_CHARS], frozenset({"markdown", "md"})))
            stories = settled(markdown.stories)
            if not stories.stories:
                notes = (f"the answer could not be read: {error.reason}",)
        quotes = ((f"story:{story.id}", story.evidence) for story in stories.stories)
        evidence = evidence_for(quotes, brief.requirements)
        return Draft(render(stories), stories.to_json(), evidence, notes, text)

    def read(self, subject: Subject) -> Parsed:
        return _checked(subject)

    def answer_of(self, subject: Subject, quotes: Quotes) -> str:
        stories = settled(parse(subject.content).stories)
        if not stories.stories:
            raise Inexpressible("the text holds no story")
        quoted = [
            each.model_copy(update={"evidence": quotes.of_element("story", each.id)})
            for each in stories.stories
        ]
        return written(stories.model_copy(update={"stories": quoted}))

    async def syntax(self, subject: Subject, tools: Tools) -> ValidatorResult:  # noqa: ARG002 (no process is asked)
        return CheckedStories(parse(subject.content)).syntax()


def _checked(subject: Subject) -> CheckedStories:
    if subject.draft is not None:
        return CheckedStories(ParsedStories(Stories.model_validate(subject.draft.ir)), exact=True)
    return CheckedStories(parse(subject.content))
