"""Hypothesis strategies for ER diagrams and their parts, hostile names first."""

from hypothesis import strategies as st

from hone_contracts.erd_facts import (
    ATTRIBUTE_TYPES,
    CARDINALITIES,
    KEYS,
    Attributes,
    Entities,
    Keys,
    Relation,
)
from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity, Relationship

HOSTILE = [
    "",
    " ",
    '"',
    '""',
    "%",
    "%%",
    "%%{init: {}}%%",
    "\\",
    "\\n",
    "~",
    "a~b~c",
    "`",
    "#quot;",
    "#",
    ";",
    ":",
    ":::x",
    "{",
    "}",
    "{}",
    "[",
    "]",
    "[x]",
    "|",
    "||--o{",
    "}o--o{",
    "--",
    "..",
    ",",
    "'",
    "<script>alert(1)</script>",
    "\n",
    "a\nb",
    "a\r\nb",
    "\t",
    "\x00",
    "\x08",
    "\x0b",
    "\x1b[0m",
    "\u2028",
    "\u202eabc",
    "\u200b",
    "\ufeff",
    "\ud800",
    "direction",
    "direction LR",
    "x direction TB y",
    "direction\nBT",
    "style",
    "style a fill:#f9f",
    "class",
    "classDef",
    "subgraph",
    "end",
    "End",
    "one",
    "many",
    "only one",
    "zero or more",
    "one or many",
    "to",
    "optionally to",
    "u",
    "o",
    "erDiagram",
    "title",
    "accTitle: x",
    "accDescr { x",
    "PK",
    "pk",
    "FK",
    "UK",
    "pk-name",
    "default",
    "__proto__",
    "constructor",
    "toString",
    "hasOwnProperty",
    "---",
    "1",
    "1+",
    "0+",
    "1.5",
    "2fa",
    "-",
    "_",
    "*",
    ".",
    "a.b",
    "a-b",
    "Größe",
    "名前",
    "اسم",
    "हिन्दी",
    "😀",
    "👩‍👩‍👧",
    "e\u0301",
    "İ",
    "ß",
    "x" * 10_000,
    "a " * 5_000,
    "library card",
    "Library Card",
    "library_card",
    "LibraryCard",
    "unnamed",
    "unnamed (2)",
    "attribute",
    "attribute_2",
]

names = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(max_size=12),
    st.lists(st.sampled_from(HOSTILE[:-12]), min_size=2, max_size=4).map(" ".join),
    st.from_regex(r"[A-Za-z][a-z]{1,8}( [a-z]{2,6})?", fullmatch=True),
)

attributes = st.builds(
    Attribute,
    name=names,
    type=st.one_of(st.sampled_from(ATTRIBUTE_TYPES), names),
    keys=st.lists(st.sampled_from(["PK", "FK", "UK"]), unique=True, max_size=3).map(tuple),
    evidence=st.just(()),
    derived=st.just(False),
)


@st.composite
def diagrams(draw: st.DrawFn) -> Diagram:
    """Any diagram, dangling ends included; no two entities bear the same name."""
    found = draw(st.lists(names, max_size=5, unique=True))
    entities = tuple(
        Entity(name=name, attributes=tuple(draw(st.lists(attributes, max_size=4)))) for name in found
    )
    closed = draw(st.booleans())
    ends = st.sampled_from(found) if found and closed else names
    relationship = st.builds(
        Relationship,
        from_=ends,
        to=ends,
        cardinality=st.sampled_from(CARDINALITIES),
        label=names,
        evidence=st.just(()),
        derived=st.just(False),
    )
    return Diagram(entities=entities, relationships=tuple(draw(st.lists(relationship, max_size=4))))


fact_names = st.sampled_from(
    ["member", "members", "loan", "book", "due date", "due-date", "email", "e-mail", "library card", "copy", "copies"]
)  # fmt: skip
facts = st.one_of(
    st.lists(fact_names, min_size=1, max_size=3).map(lambda found: Entities(tuple(found))),
    st.builds(
        Attributes,
        fact_names,
        st.dictionaries(fact_names, st.sampled_from(ATTRIBUTE_TYPES), min_size=1, max_size=3),
    ),
    st.builds(Keys, fact_names, st.dictionaries(fact_names, st.sampled_from(KEYS), min_size=1, max_size=2)),
    st.builds(Relation, fact_names, st.sampled_from(CARDINALITIES), fact_names),
)
