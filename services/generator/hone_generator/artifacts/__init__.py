"""The artifact types that are made, one module each. A further one is a line here."""

from collections.abc import Mapping
from types import MappingProxyType

from hone_contracts.artifacts import ArtifactType
from hone_generator.artifacts.kind import ArtifactKind
from hone_generator.artifacts.mermaid_erd.kind import MermaidErd

KINDS: Mapping[ArtifactType, ArtifactKind] = MappingProxyType({kind.type: kind for kind in (MermaidErd(),)})
