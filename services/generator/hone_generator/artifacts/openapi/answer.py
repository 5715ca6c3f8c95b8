"""What a model answers: operations and types. Facts of a data model are put into the same form: each entity can be
listed, made, read, replaced and deleted."""

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from hone_generator.artifacts import data_model
from hone_generator.artifacts.held import Quoted, Stated
from hone_generator.artifacts.json_schema.answer import plural
from hone_generator.artifacts.object_types import StatedType, TypeName, quotes, stated_types
from hone_generator.text import naming

METHODS = ("get", "post", "put", "patch", "delete")
MethodName = Annotated[str, Field(json_schema_extra={"enum": list(METHODS)})]
SecurityName = Annotated[str, Field(json_schema_extra={"enum": ["none", "bearer", "api_key", "basic"]})]


class StatedParameter(Stated):
    name: str
    type: TypeName = "string"
    required: bool = False
    description: str = ""


class StatedOperation(Quoted):
    method: MethodName
    path: str = Field(
        description="like /members/{member_id}/loans: nouns in the plural, what identifies in braces"
    )
    summary: str = ""
    request: str = Field(default="", description="the type of the body that is sent; empty for none")
    response: str = Field(default="", description="the type of the body that is answered; empty for none")
    many: bool = Field(default=False, description="the answer is a list of these")
    paged: bool = Field(default=False, description="the list comes in pages")
    query: list[StatedParameter] = Field(default=[], description="what the list is filtered by, and the like")
    errors: list[int] = Field(
        default=[], description="status codes from 400 on that the text gives reason for"
    )


class Answer(Stated):
    reasoning: str = Field(
        default="", description="a few sentences: which resources and operations there are"
    )
    title: str = ""
    description: str = ""
    security: SecurityName = "none"
    types: list[StatedType]
    operations: list[StatedOperation]


def all_quotes(answer: Answer) -> Iterator[tuple[str, str]]:
    """Elements and the words that they rest on."""
    yield from quotes(answer.types)
    for each in answer.operations:
        yield f"operation:{each.method} {each.path}", each.evidence


def answer_of(model: data_model.DataModel) -> Answer:
    """The operations that everything that is kept has, and a list of what belongs to it."""
    operations: list[StatedOperation] = []
    for entity in model.entities:
        if entity.joins is None:
            operations += _operations(entity)
            operations += _parts(entity, model)
    return Answer(types=stated_types(model), operations=operations)


def _operations(entity: data_model.Entity) -> Iterator[StatedOperation]:
    name, several, one = entity.name, _collection(entity.name), _item(entity)
    yield StatedOperation(method="get", path=several, response=name, many=True, paged=True)
    yield StatedOperation(method="post", path=several, request=name, response=name)
    yield StatedOperation(method="get", path=one, response=name)
    yield StatedOperation(method="put", path=one, request=name, response=name)
    yield StatedOperation(method="delete", path=one)


def _parts(entity: data_model.Entity, model: data_model.DataModel) -> Iterator[StatedOperation]:
    for _, other, many, _ in model.links_of(entity.name):
        if many and other != entity.name:
            path = _item(entity) + _collection(other)
            yield StatedOperation(method="get", path=path, response=other, many=True, paged=True)


def _collection(name: str) -> str:
    words = naming.words_of(name) or ("thing",)
    return "/" + "-".join((*words[:-1], plural(words[-1])))


def _item(entity: data_model.Entity) -> str:
    owner = naming.attribute_name(entity.name)
    names = [
        each.name if each.name.startswith(f"{owner}_") else f"{owner}_{each.name}" for each in entity.key
    ]
    return _collection(entity.name) + "".join(f"/{{{name}}}" for name in names)
