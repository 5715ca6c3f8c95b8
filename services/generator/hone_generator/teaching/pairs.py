"""Questions and right answers as a model sees them: the type itself is asked to make the artifact, and a model that
knows the right answers answers it. So the questions are to the letter those of real requests, and what the answers
are made into is seen at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from hone_contracts import erd_facts
from hone_contracts.erd_facts import Attributes, Entities, Facts, Keys, Relation
from hone_contracts.registry import Reading
from hone_contracts.teaching import ExampleText, Pair
from hone_generator.artifacts.inverse import Inexpressible
from hone_generator.artifacts.kind import ArtifactKind, Brief, Draft
from hone_generator.artifacts.mermaid_erd import grounding
from hone_generator.artifacts.mermaid_erd.attribute_types import settled_type
from hone_generator.artifacts.mermaid_erd.ir import Diagram
from hone_generator.providers.base import ChatMessage, Gbnf, JsonSchema, Role
from hone_generator.teaching.alignment import Alignment, align


@dataclass(slots=True)
class Knowing:
    """A model that gives the right answers in their order, and remembers what it was asked."""

    answers: Iterator[str]
    pairs: list[Pair] = field(default_factory=list)

    async def __call__(self, messages: Sequence[ChatMessage], constraint: Gbnf | JsonSchema | None) -> str:  # noqa: ARG002 (it needs no holding)
        answer = next(self.answers, None)
        if answer is None:
            raise Inexpressible("the type asks more than there are answers to")
        said = {role: "\n".join(each.content for each in messages if each.role is role) for role in Role}
        self.pairs.append(Pair(system=said[Role.SYSTEM], user=said[Role.USER], assistant=answer))
        return answer


async def asked(
    kind: ArtifactKind, example: ExampleText, reading: Reading, answers: Sequence[str]
) -> tuple[list[Pair], Draft]:
    """What the type asks with this reading, and what it makes of the answers. Raises Inexpressible, BadOption."""
    model = Knowing(iter(answers))
    brief = Brief(example.requirements, reading, example.context_text, example.options)
    draft = await kind.make(brief, model, _silent)
    return model.pairs, draft


def passage_answers(
    example: ExampleText, diagram: Diagram, reading: Reading
) -> tuple[tuple[str, ...], Alignment]:
    """The answer to each passage that is asked about, and the alignment that they come from."""
    found = align(example.requirements, diagram, example.evidence)
    written = erd_facts.dumps if reading == "passages" else _schema_answer
    return (
        tuple(
            written(each.facts) for each in found.passages if grounding.name_spans(each.subject, each.line)
        ),
        found,
    )


def _schema_answer(facts: Facts) -> str:
    """Facts in the spelled-out form; a key is said with its attribute there."""
    answer = grounding.SchemaAnswer()
    keys = {
        (fact.entity, name): key
        for fact in facts
        if isinstance(fact, Keys)
        for name, key in fact.keys.items()
    }
    for fact in facts:
        match fact:
            case Entities(names):
                answer.entities.extend(names)
            case Attributes(entity, types):
                answer.attributes.extend(
                    grounding.AttributeAnswer(
                        entity=entity, name=name, type=kind, key=keys.pop((entity, name), "")
                    )
                    for name, kind in types.items()
                )
            case Relation(from_, cardinality, to):
                relation = {"from": from_, "cardinality": cardinality, "to": to}
                answer.relationships.append(grounding.RelationAnswer.model_validate(relation))
    for (entity, name), key in keys.items():
        kind = settled_type(name, [])
        answer.attributes.append(grounding.AttributeAnswer(entity=entity, name=name, type=kind, key=key))
    return answer.model_dump_json(by_alias=True)


async def _silent(
    stage: str, message: str = "", *, done: int | None = None, total: int | None = None
) -> None:
    """Nobody waits for it."""
