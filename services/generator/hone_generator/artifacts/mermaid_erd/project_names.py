"""The project's own spelling for what the diagram and the project both have.

Merging writes names by its own conventions (LibraryMember, due_date), so a model could not follow the context's even
if it wanted to. Where the context has the same name in another case or with underscores, that one is taken.
"""

from collections.abc import Mapping

from hone_generator.artifacts.mermaid_erd.ir import Attribute, Diagram, Entity
from hone_generator.text.naming import identity
from hone_generator.validators.consistency import spellings_of


def in_project_names(diagram: Diagram, context: str | None) -> Diagram:
    """The diagram with known names as the context writes them; which things it has stays the same."""
    if not context:
        return diagram
    known = spellings_of(context)
    names = {entity.name: _known(entity.name, known) for entity in diagram.entities}
    ends = (
        relation.model_copy(
            update={
                "from_": names.get(relation.from_, relation.from_),
                "to": names.get(relation.to, relation.to),
            }
        )
        for relation in diagram.relationships
    )
    entities = tuple(_renamed(entity, names[entity.name], known) for entity in diagram.entities)
    return diagram.model_copy(update={"entities": entities, "relationships": tuple(ends)})


def _renamed(entity: Entity, name: str, known: Mapping[str, tuple[str, ...]]) -> Entity:
    taken: set[str] = set()
    attributes: list[Attribute] = []
    for attribute in entity.attributes:
        own = _known(attribute.name, known)
        own = attribute.name if own.casefold() in taken else own
        taken.add(own.casefold())
        attributes.append(attribute.model_copy(update={"name": own}))
    return entity.model_copy(update={"name": name, "attributes": tuple(attributes)})


def _known(name: str, known: Mapping[str, tuple[str, ...]]) -> str:
    spellings = known.get(identity(name), (name,))
    return name if name in spellings else spellings[0]
