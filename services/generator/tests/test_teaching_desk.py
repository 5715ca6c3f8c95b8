"""The trainer's questions to the generator: examples as a model sees them, and how near artifacts are."""

import json
from pathlib import Path

import pytest
from asking import made
from team_texts import texts

from hone_chassis.errors import Permanent
from hone_contracts.artifacts import ArtifactType
from hone_contracts.erd_facts import dumps, passage_prompt
from hone_contracts.registry import Reading
from hone_contracts.teaching import CompareArtifacts, ExampleText, RenderedExamples, RenderExamples
from hone_generator.artifacts import KINDS
from hone_generator.artifacts.mermaid_erd import prompts
from hone_generator.teaching.desk import TeachingDesk
from hone_generator.teaching.pairs import asked

ERD = ArtifactType.MERMAID_ERD
ANSWERS = Path(__file__).parents[3] / "tests" / "support" / "answers"
# Classes, code and APIs do not say which attribute is unique, and the team's texts are full of those.
LEAST_SAME = {
    ArtifactType.SQL_DDL: 0.9,
    ArtifactType.MERMAID_CLASS: 0.7,
    ArtifactType.PYTHON_CODE: 0.7,
    ArtifactType.OPENAPI: 0.7,
}
LIBRARY = ExampleText(
    requirements="Each member has many loans. A loan has a due date.",
    content="erDiagram\n  Member ||--o{ Loan : has\n  Loan {\n    date due_date\n  }\n",
)


async def rendered(
    *examples: ExampleText, reading: Reading = "passages", type_: ArtifactType = ERD
) -> RenderedExamples:
    question = RenderExamples(artifact_type=type_, reading=reading, examples=examples)
    return await TeachingDesk(KINDS).render(question)


async def test_the_starter_is_taught_what_it_is_asked() -> None:
    found = await rendered(LIBRARY)

    pairs = found.examples[0].pairs
    assert [(each.system, each.user) for each in pairs] == [
        ("", passage_prompt("", "each member has many loans .")),
        ("", passage_prompt("member", "a loan has a due date .")),
    ]
    assert pairs[0].assistant == '[{"r":["member","1:N","loans"]}]'
    assert found.examples[0].unexpressed == ()


async def test_a_model_that_gives_the_taught_answers_makes_the_corrected_diagram() -> None:
    for text in texts(9, 10):
        example = ExampleText(requirements=text.requirements, content=text.correct)
        found = (await rendered(example)).examples[0]
        answers = [each.assistant for each in found.pairs]

        pairs, draft = await asked(KINDS[ERD], example, "passages", answers)

        assert [each.user for each in pairs] == [each.user for each in found.pairs]
        comparison = await TeachingDesk(KINDS).compare(
            CompareArtifacts(artifact_type=ERD, content=draft.content, reference=text.correct)
        )
        assert (comparison.types_f1, comparison.relations_f1) == (1.0, 1.0)


async def test_larger_models_are_taught_passages_in_their_own_form() -> None:
    found = await rendered(LIBRARY, reading="passages_schema")

    pairs = found.examples[0].pairs
    assert pairs[0].system == prompts.passage_messages("", "each member has many loans .")[0].content
    assert json.loads(pairs[1].assistant)["attributes"] == [
        {"entity": "loan", "name": "due date", "type": "date", "key": ""}
    ]


async def test_what_cannot_be_taught_has_a_reason_and_the_others_stay() -> None:
    nothing = ExampleText(requirements="Hello there.", content=LIBRARY.content)
    broken = ExampleText(requirements=LIBRARY.requirements, content="DROP TABLE members; --")
    huge = ExampleText(requirements="It has a name. " * 10_000, content=LIBRARY.content)
    empty = ExampleText(requirements=" ", content=LIBRARY.content)
    optional = LIBRARY.model_copy(update={"options": {"dialect": "sqlite"}})

    found = await rendered(nothing, broken, huge, empty, optional, LIBRARY)

    reasons = [each.reason for each in found.examples]
    assert reasons[0] == "no passage of the requirements states anything of the artifact"
    assert "no entities" in str(reasons[1])
    assert "65536 are taken" in str(reasons[2])
    assert "needs requirements" in str(reasons[3])
    assert "no option" in str(reasons[4])
    assert reasons[5] is None and found.examples[5].pairs


@pytest.mark.parametrize("type_", list(ArtifactType))
async def test_every_type_teaches_the_whole_text_as_it_is_asked(type_: ArtifactType) -> None:
    content = (await made(KINDS[type_], "-", (ANSWERS / f"{type_}.md").read_text(encoding="utf-8"))).content
    requirements = "Each member may renew a loan twice, unless the book is reserved."

    found = (
        await rendered(ExampleText(requirements=requirements, content=content), reading="whole", type_=type_)
    ).examples[0]

    assert found.reason is None
    (pair,) = found.pairs
    assert requirements in pair.user and pair.system
    draft = await made(KINDS[type_], requirements, pair.assistant)
    compared = await TeachingDesk(KINDS).compare(
        CompareArtifacts(artifact_type=type_, content=draft.content, reference=content)
    )
    assert compared.overall_f1 is None or compared.overall_f1 > 0.8


async def test_a_diagram_is_taught_whole_with_the_words_that_say_it() -> None:
    found = (await rendered(LIBRARY, reading="whole")).examples[0]
    answer = json.loads(found.pairs[0].assistant)
    assert answer["relationships"][0]["evidence"] == "Each member has many loans."
    assert answer["attributes"] == [
        {
            "evidence": "A loan has a due date.",
            "entity": "Loan",
            "name": "due_date",
            "type": "date",
            "key": "",
        }
    ]


@pytest.mark.parametrize(
    ("type_", "options"),
    [
        (ArtifactType.SQL_DDL, {"dialect": "postgresql"}),
        (ArtifactType.SQL_DDL, {"dialect": "sqlite"}),
        (ArtifactType.SQL_DDL, {"dialect": "mysql"}),
        (ArtifactType.MERMAID_CLASS, {}),
        (ArtifactType.PYTHON_CODE, {}),
        (ArtifactType.OPENAPI, {}),
    ],
)
async def test_facts_are_read_back_from_what_else_they_are_rendered_into(
    type_: ArtifactType, options: dict[str, str]
) -> None:
    """A corrected text of the type teaches the passages the same as a corrected ER diagram would."""
    same = told = 0
    for text in texts(4, 12):
        gold = [dumps(each.facts) for each in text.passages]
        _, draft = await asked(KINDS[type_], _example(text.requirements, "-", options), "passages", gold)

        found = (await rendered(_example(text.requirements, draft.content, options), type_=type_)).examples[0]

        assert found.reason is None
        same += sum(pair.assistant == answer for pair, answer in zip(found.pairs, gold, strict=True))
        told += len(gold)
        _, again = await asked(
            KINDS[type_],
            _example(text.requirements, "-", options),
            "passages",
            [each.assistant for each in found.pairs],
        )
        compared = await TeachingDesk(KINDS).compare(
            CompareArtifacts(
                artifact_type=type_, content=again.content, reference=draft.content, options=options
            )
        )
        assert (compared.types_f1, compared.relations_f1) == (1.0, 1.0), text.requirements
    assert same / told > LEAST_SAME[type_]


def _example(requirements: str, content: str, options: dict[str, str]) -> ExampleText:
    return ExampleText(requirements=requirements, content=content, options=options)


async def test_what_does_not_tell_how_many_is_not_taught_by_passages() -> None:
    found = await rendered(LIBRARY, type_=ArtifactType.JSON_SCHEMA)
    assert "how many" in str(found.examples[0].reason)


async def test_what_the_form_has_no_place_for_is_told() -> None:
    content = LIBRARY.content + '  "!!!" {\n    string "x"\n  }\n'
    found = (await rendered(LIBRARY.model_copy(update={"content": content}), reading="whole")).examples[0]
    assert found.pairs
    assert any("!!!" in each for each in found.unexpressed)


async def test_a_reading_that_the_type_has_not_is_a_reason() -> None:
    found = await rendered(LIBRARY, type_=ArtifactType.USER_STORIES)
    assert "not made with the reading passages" in str(found.examples[0].reason)


async def test_the_answer_never_outgrows_a_message() -> None:
    """Larger models are told the rules again with each passage."""
    long = ExampleText(requirements="A loan has a due date. " * 300, content=LIBRARY.content)

    found = await rendered(long, long, LIBRARY, reading="passages_schema")

    assert len(found.model_dump_json()) < 1024 * 1024
    assert found.examples[0].pairs
    assert "fewer examples" in str(found.examples[1].reason)
    assert found.examples[2].pairs


async def test_hostile_corrections_are_read_and_never_trusted() -> None:
    hostile = [
        "erDiagram\n" + "\n".join(f"a{n} ||--o{{ a{n + 1} : x" for n in range(5_000)),
        "erDiagram\n" + "{" * 50_000,
        'erDiagram\n"<script>alert(1)</script>" ||--o{ "%%{init: {}}%%" : "\u202e"',
        "erDiagram\n" + "\U0001f600" * 10_000,
    ]
    found = await rendered(*(LIBRARY.model_copy(update={"content": each}) for each in hostile))
    assert all(each.reason for each in found.examples)


async def test_artifacts_are_compared_by_what_they_say() -> None:
    other = "erDiagram\n  Loan }o--|| Member : belongs\n  Loan {\n    date due_date\n    string note\n  }\n"

    found = await TeachingDesk(KINDS).compare(
        CompareArtifacts(artifact_type=ERD, content=other, reference=LIBRARY.content)
    )

    assert (found.types_f1, found.relations_f1) == (1.0, 1.0)
    assert found.members_f1 == pytest.approx(2 / 3)
    assert 0 < found.distance < 0.3


async def test_a_comparison_refuses_what_is_too_long_and_options_that_there_are_not() -> None:
    desk = TeachingDesk(KINDS)
    with pytest.raises(Permanent, match="262144"):
        await desk.compare(CompareArtifacts(artifact_type=ERD, content="x" * 300_000, reference=""))
    with pytest.raises(Permanent, match="dialect"):
        await desk.compare(
            CompareArtifacts(artifact_type=ERD, content="", reference="", options={"dialect": "sqlite"})
        )
