"""A model that follows examples, played: it keeps the team's conventions once it is shown some, and not before.

It stands for any model of some billion parameters, of which none can be had here. What it answers without examples is
well made and valid, and has the team's relations the wrong way round.
"""

import re
from collections.abc import Iterable

from fake_upstream_wire import Answer, Asked
from team_texts import TeamText

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.inverse import Quotes
from hone_generator.artifacts.kind import Subject

_KIND = KINDS[ArtifactType.MERMAID_ERD]
_RELATION = re.compile(r"^( *)(\w+) (\|\|--o\{|\}o--o\{|\|\|--\|\|) (\w+) : .*$", re.MULTILINE)


class ExampleFollower:
    """``answer`` of a FakeUpstream. It knows the texts that it will be asked about, and no other."""

    def __init__(self, known: Iterable[TeamText]) -> None:
        self._known = {text.requirements.strip(): text for text in known}
        self.shown_examples = 0  # how many questions came with examples before them

    def __call__(self, asked: Asked) -> Answer | str:
        # The question is the last turn with a text in it: after it there may be what is to be mended in an answer.
        turns = [
            (place, text)
            for place, (role, said) in enumerate(asked.messages)
            for told, text in self._known.items()
            if role == "user" and told in said
        ]
        if not turns:
            return "{}"  # a beginning of a text, to warm it up
        place, found = turns[-1]
        follows = any(role == "assistant" for role, _ in asked.messages[:place])
        self.shown_examples += follows
        content = found.correct if follows else _without_conventions(found.correct)
        return _KIND.answer_of(Subject(content, found.requirements), Quotes())


def _without_conventions(diagram: str) -> str:
    """Every one to many the other way round, as a model reads "loans roll up to members" that was never told."""
    return _RELATION.sub(r'\1\4 \3 \2 : "has"', diagram)
