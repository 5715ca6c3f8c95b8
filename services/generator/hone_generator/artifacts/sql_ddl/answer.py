"""What a model answers: tables in a form without a dialect. Facts of a data model are put into the same form, so
that one builder makes schemas of both."""

from collections.abc import Iterator
from typing import Annotated, get_args

from pydantic import Field

from hone_generator.artifacts import data_model
from hone_generator.artifacts.held import Quoted, Stated
from hone_generator.artifacts.sql_ddl.schema import Operator, SqlType

TypeName = Annotated[str, Field(json_schema_extra={"enum": list(get_args(SqlType))})]
OperatorName = Annotated[str, Field(json_schema_extra={"enum": list(get_args(Operator))})]
OnDelete = Annotated[str, Field(json_schema_extra={"enum": ["", "CASCADE", "SET NULL", "RESTRICT"]})]


class StatedColumn(Quoted):
    name: str
    type: TypeName = "string"
    nullable: bool = True
    unique: bool = False
    length: int = Field(
        default=0, description="characters of a string or digits of a decimal; 0 if not stated"
    )
    values: list[str] = Field(default=[], description="all values that an enum may have")
    default: str = Field(default="", description="a literal, now, true or false; empty for none")


class StatedCheck(Stated):
    column: str
    operator: OperatorName
    value: str = Field(description="a literal, or the name of another column of the table")


class StatedForeignKey(Stated):
    columns: list[str]
    table: str
    targets: list[str] = Field(default=[], description="the columns of that table; empty for its primary key")
    on_delete: OnDelete = ""


class StatedTable(Quoted):
    name: str
    columns: list[StatedColumn]
    primary_key: list[str] = Field(default=[])
    unique: list[list[str]] = Field(default=[])
    checks: list[StatedCheck] = Field(default=[])
    foreign_keys: list[StatedForeignKey] = Field(default=[])
    indexes: list[list[str]] = Field(default=[])


class Answer(Stated):
    reasoning: str = Field(default="", description="a few sentences: which things are kept, how they relate")
    tables: list[StatedTable]


def quotes(answer: Answer) -> Iterator[tuple[str, str]]:
    """Elements and the words that they rest on."""
    for table in answer.tables:
        yield f"table:{table.name}", table.evidence
        for column in table.columns:
            yield f"column:{table.name}.{column.name}", column.evidence


def answer_of(model: data_model.DataModel) -> Answer:
    """The tables of a data model: one for each entity, those between many and many included."""
    return Answer(tables=[_table(entity) for entity in model.entities])


def _table(entity: data_model.Entity) -> StatedTable:
    return StatedTable(
        name=entity.name,
        columns=[
            StatedColumn(name=each.name, type=each.type, nullable=not each.required, unique=each.unique)
            for each in entity.fields
        ],
        primary_key=[each.name for each in entity.key],
        unique=[list(each.fields) for each in entity.foreign_keys if each.unique and len(each.fields) > 1],
        foreign_keys=[
            StatedForeignKey(
                columns=list(each.fields),
                table=each.entity,
                targets=list(each.targets),
                on_delete="CASCADE" if entity.joins else "",
            )
            for each in entity.foreign_keys
        ],
    )
