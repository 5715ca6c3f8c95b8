"""Hypothesis strategies for stated types and their fields, hostile names first."""

from typing import get_args

from hypothesis import strategies as st
from sql_strategies import names, values

from hone_generator.artifacts.object_types import FieldType, StatedField, StatedType

words = st.one_of(
    names, st.sampled_from(["$ref", "$id", "#/$defs/x", "a/b", "a~b", "%41", "200", "null", "true", "yes"])
)
bounds = st.one_of(values, st.sampled_from(["1", "5", "-1", "2.5", "1e400", "999999999999999"]))
fields = st.builds(
    StatedField,
    evidence=st.just(""),
    name=words,
    type=st.one_of(st.sampled_from(get_args(FieldType)), words),
    of=st.one_of(st.just(""), words),
    many=st.booleans(),
    required=st.booleans(),
    description=words,
    values=st.lists(values, max_size=3),
    minimum=st.one_of(st.just(""), bounds),
    maximum=st.one_of(st.just(""), bounds),
    pattern=st.sampled_from(["", "^[A-Z]{3}$", "(", "(a+)+$", "[", "\\p{L}", "x" * 999]),
)


@st.composite
def stated_types(draw: st.DrawFn) -> list[StatedType]:
    said = draw(st.lists(words, max_size=5))
    own = fields.flatmap(
        lambda each: st.sampled_from(["", *said]).map(lambda of: each.model_copy(update={"of": of}))
    )
    return [
        StatedType(
            evidence="",
            name=name,
            description=draw(words),
            fields=draw(st.lists(st.one_of(own, fields), max_size=5)),
        )
        for name in said
    ]
