"""What "it", "they" and a bare list item speak of: a small machine fed with each answer.

The subject is the first entity of the previous answer, or the heading where nothing was answered yet. Items of
a list share the subject of what led into the list, so one item's entity does not become the next one's; prose
after the list goes on where the lead-in was. The starter model was taught with subjects made in this way.
"""

from hone_contracts.erd_facts import Facts, first_entity
from hone_generator.text.passages import Passage


class SubjectTracker:
    """Ask `subject_of` for a passage, then tell `answered` what the model said of it, in the text's order."""

    def __init__(self) -> None:
        self._section = -1
        self._by_depth: list[str] = [""]

    def subject_of(self, passage: Passage) -> str:
        """The subject carried into this passage, normalised; empty where there is none."""
        if passage.section != self._section:
            self._section = passage.section
            self._by_depth = [passage.heading]
        # An item takes the subject of the level above it, its second sentence that of its first.
        level = passage.depth if passage.continues else max(passage.depth - 1, 0)
        return self._by_depth[min(level, len(self._by_depth) - 1)]

    def answered(self, passage: Passage, facts: Facts) -> None:
        """Remember the first entity of the answer; an answer without facts changes no subject."""
        subject = first_entity(facts[0]) if facts else self.subject_of(passage)
        kept = self._by_depth[: passage.depth]
        while len(kept) < passage.depth:  # a list may begin deeper than one level
            kept.append(kept[-1])
        self._by_depth = [*kept, subject]
