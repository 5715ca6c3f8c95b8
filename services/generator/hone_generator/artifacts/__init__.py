"""The artifact types that are made, one folder each. A further one is a line here.

``kind`` is what a type brings, ``prompting`` how it is asked for, ``extract``, ``held`` and ``diagrams`` how
answers are read. ``data_model`` settles facts for the types that render them, ``object_types``,
``schema_walk`` and ``schema_outline`` are what JSON Schema and OpenAPI share, ``document`` reads their text,
``left_out`` keeps what no document can hold. ``inverse`` and ``stated_again`` lead from an artifact back to the
answer that it is made of. ``options`` belong to a type; ``detect`` tells the type of a text.
"""

from collections.abc import Mapping
from types import MappingProxyType

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts.json_schema.kind import JsonSchemaDocument
from hone_generator.artifacts.kind import ArtifactKind
from hone_generator.artifacts.mermaid_class.kind import MermaidClass
from hone_generator.artifacts.mermaid_erd.kind import MermaidErd
from hone_generator.artifacts.mermaid_flowchart.kind import MERMAID_FLOWCHART
from hone_generator.artifacts.mermaid_sequence.kind import MERMAID_SEQUENCE
from hone_generator.artifacts.mermaid_state.kind import MERMAID_STATE
from hone_generator.artifacts.openapi.kind import OpenApi
from hone_generator.artifacts.python_code.kind import PythonCode
from hone_generator.artifacts.sql_ddl.kind import SqlDdl
from hone_generator.artifacts.user_stories.kind import UserStories

_KINDS: tuple[ArtifactKind, ...] = (
    MermaidErd(),
    MermaidClass(),
    MERMAID_FLOWCHART,
    MERMAID_SEQUENCE,
    MERMAID_STATE,
    OpenApi(),
    SqlDdl(),
    JsonSchemaDocument(),
    UserStories(),
    PythonCode(),
)
KINDS: Mapping[ArtifactType, ArtifactKind] = MappingProxyType({kind.type: kind for kind in _KINDS})
