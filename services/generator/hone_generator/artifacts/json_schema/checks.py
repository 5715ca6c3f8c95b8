"""Whether a JSON schema says something, and whether what it refers to is there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from hone_contracts.artifacts import ValidatorResult
from hone_generator.artifacts.document import Document, Path
from hone_generator.artifacts.kind import Link, Name, Outline
from hone_generator.artifacts.left_out import LeftOut
from hone_generator.artifacts.schema_outline import links_of, names_of
from hone_generator.artifacts.schema_walk import pointed_to, resolve, schema_flaws, shown, subschemas
from hone_generator.text import naming
from hone_generator.validators.flaws import MISSING, ODD, WRONG, Flaw, judged

MOST_TYPES = 120  # more in one document are read by nobody


@dataclass(slots=True)
class ParsedSchema:
    """``fault`` is why the text is no document; ``left_out`` what of the model's answer could not stand in it."""

    document: Document
    fault: str = ""
    left_out: LeftOut = field(default_factory=LeftOut)
    schemas: list[tuple[Path, dict[str, Any]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.schemas = list(subschemas(self.document.value))

    def structure(self) -> ValidatorResult:
        return judged(
            "structure", [*self._structure_flaws(), *self.left_out.structure_flaws()], len(self.schemas)
        )

    def references(self) -> ValidatorResult:
        lost = self.left_out.reference_flaws()
        return judged("references", [*self._reference_flaws(), *lost], len(self.schemas))

    def style(self) -> ValidatorResult:
        return judged("style", self._style_flaws(), len(self.schemas))

    def outline(self) -> Outline:
        root = str(self.document.value.get("title") or "") if isinstance(self.document.value, dict) else ""
        names: list[Name] = [Name(root, "prose", 1)] if root else []
        names += names_of(self.schemas, self.document)
        links: tuple[Link, ...] = tuple(links_of(self.schemas))
        return Outline(tuple(names), "data", numbers=True, links=links)

    def _structure_flaws(self) -> Iterator[Flaw]:
        if self.fault:
            yield Flaw(WRONG, self.fault, fatal=True)
            return
        if not any(schema.get("properties") or schema.get("items") for _, schema in self.schemas):
            yield Flaw(WRONG, "the schema describes nothing: add properties", fatal=True)
            return
        for path, schema in self.schemas:
            where = f"{self.document.at(path)}{shown(path)}"
            kind = schema.get("type")
            composed = any(key in schema for key in ("$ref", "allOf", "anyOf", "oneOf", "patternProperties"))
            if kind == "object" and not schema.get("properties") and not composed and len(path) > 0:
                open_ended = isinstance(schema.get("additionalProperties"), dict)
                if not open_ended:
                    yield Flaw(MISSING, f"{where} is an object without properties: say what is in it")
            if kind == "array" and "items" not in schema and "prefixItems" not in schema:
                yield Flaw(MISSING, f"{where} is an array of anything: add items")
        yield from self._orphans()

    def _orphans(self) -> Iterator[Flaw]:
        used = {pointed_to(ref) for _, ref in self._references()}
        for path, _ in self.schemas:
            if len(path) == 2 and path[0] in ("$defs", "definitions") and path not in used:
                anchored = any(
                    ref.startswith("#") and not ref.startswith("#/") for _, ref in self._references()
                )
                if not anchored:
                    yield Flaw(
                        MISSING,
                        f"{self.document.at(path)}{shown(path)} is used nowhere: refer to it or drop it",
                    )

    def _references(self) -> Iterator[tuple[Path, str]]:
        for path, schema in self.schemas:
            for key in ("$ref", "$dynamicRef"):
                if isinstance(schema.get(key), str):
                    yield (*path, key), schema[key]

    def _reference_flaws(self) -> Iterator[Flaw]:
        anchors = {
            schema[key] for _, schema in self.schemas for key in ("$anchor", "$dynamicAnchor") if key in schema
            and isinstance(schema[key], str)
        }  # fmt: skip
        own = self.document.value.get("$id", "") if isinstance(self.document.value, dict) else ""
        circles = circular(self.schemas)
        for path, ref in self._references():
            where = f"{self.document.at(path)}{shown(path[:-1])}"
            local = ref.removeprefix(own) if isinstance(own, str) and own and "#" in ref else ref
            target = pointed_to(local)
            if target is not None:
                found, _ = resolve(self.document.value, target)
                if not found:
                    yield Flaw(
                        WRONG, f"{where}: $ref {ref[:80]} leads nowhere: add it under $defs or correct it"
                    )
                elif target in circles:
                    yield Flaw(
                        WRONG, f"{where}: $ref {ref[:80]} leads in a circle to itself: describe the type"
                    )
            elif not local.startswith("#"):
                yield Flaw(
                    WRONG, f"{where}: $ref {ref[:80]} leads out of the document: bring it in under $defs"
                )
            elif local[1:] not in anchors:
                yield Flaw(WRONG, f"{where}: there is no $anchor {local[1:80]}: add it or correct the name")
        for path, schema in self.schemas:
            yield from schema_flaws(path, schema, self.document)

    def _style_flaws(self) -> Iterator[Flaw]:
        root = self.document.value if isinstance(self.document.value, dict) else {}
        if "$schema" not in root:
            yield Flaw(
                ODD, "line 1: there is no $schema: name the dialect, so that every tool reads it alike"
            )
        if "title" not in root and "description" not in root:
            yield Flaw(ODD, "line 1: there is neither title nor description: say what this is")
        types = [path for path, _ in self.schemas if len(path) == 2 and path[0] in ("$defs", "definitions")]
        if len(types) > MOST_TYPES:
            yield Flaw(WRONG, f"there are {len(types)} types: split the schema, {MOST_TYPES} at most")
        if "definitions" in root:
            yield Flaw(
                ODD, f"{self.document.at(('definitions',))}definitions is called $defs since 2019: rename it"
            )
        for path in types:
            name = str(path[-1])
            if not name[:1].isupper():
                better = naming.entity_name(name)[:60]
                yield Flaw(
                    ODD, f"{self.document.at(path)}type {name[:60]} is not in PascalCase: write {better}"
                )
        yield from property_style(self.schemas, self.document)


def property_style(schemas: list[tuple[Path, dict[str, Any]]], document: Document) -> Iterator[Flaw]:
    """One way to write the names of properties, whichever most of them are in."""
    named = [
        ((*path, "properties", name), name)
        for path, schema in schemas
        if isinstance(schema.get("properties"), dict)
        for name in schema["properties"]
    ]
    snake = sum("_" in name and name == name.lower() for _, name in named)
    camel = sum(name[:1].islower() and name != name.lower() and "_" not in name for _, name in named)
    style = "camelCase" if camel > snake else "snake_case"
    for path, name in named:
        words = naming.words_of(name)
        proper = "_".join(words)
        if style == "camelCase" and words:
            proper = words[0] + "".join(word.title() for word in words[1:])
        if (
            words
            and name not in (proper, name.lower() if len(words) == 1 else proper)
            and not name.startswith("$")
        ):
            yield Flaw(
                ODD,
                f"{document.at(path)}property {name[:60]} is not in {style} as the others: write {proper[:60]}",
            )


def circular(schemas: Sequence[tuple[Path, dict[str, Any]]]) -> set[Path]:
    """Where references lead to references, and so on, back to where they began: nothing is ever described."""
    following: dict[Path, Path] = {}
    for path, schema in schemas:
        ref = schema.get("$ref")
        target = (
            pointed_to(ref) if isinstance(ref, str) and not schema.keys() & {"properties", "type"} else None
        )
        if target is not None:
            following[path] = target
    rounds: set[Path] = set()
    done: set[Path] = set()
    for start in following:
        way: dict[Path, None] = {}
        place: Path | None = start
        while place is not None and place not in done and place not in way:
            way[place] = None
            place = following.get(place)
        if place is not None and place in way:
            steps = list(way)
            rounds.update(steps[steps.index(place) :])
        done.update(way)
    return rounds
