"""JSON Schema as an artifact type."""

import asyncio
import json
from typing import Any

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.registry import Reading
from hone_generator.artifacts.data_model import read_data_model
from hone_generator.artifacts.document import Document, Malformed, check_text, read_json
from hone_generator.artifacts.extract import Unreadable, json_document
from hone_generator.artifacts.held import MOST_ANSWER_CHARS, evidence_for, read_answer, schema_of
from hone_generator.artifacts.inverse import Quotes
from hone_generator.artifacts.json_schema import prompts
from hone_generator.artifacts.json_schema.answer import Answer, render, schema_of_answer
from hone_generator.artifacts.json_schema.checks import ParsedSchema
from hone_generator.artifacts.json_schema.grammar import faults_of
from hone_generator.artifacts.json_schema.inverse import answer_of
from hone_generator.artifacts.kind import Ask, Brief, Draft, Parsed, Subject, Tell, Tools
from hone_generator.artifacts.left_out import LeftOut
from hone_generator.artifacts.object_types import quotes, stated_types
from hone_generator.artifacts.prompting import whole_messages
from hone_generator.validators.base import result

_OWN_WORDS = frozenset({"$schema", "$defs", "properties", "definitions", "$ref", "allOf", "oneOf", "anyOf"})


class JsonSchemaDocument:
    """Reads types (or facts) and renders them. A whole schema that a model writes instead is taken as it is."""

    type = ArtifactType.JSON_SCHEMA
    prompt_version = prompts.PROMPT_VERSION
    readings: frozenset[Reading] = frozenset({"whole", "passages", "passages_schema"})
    suffix = ".schema.json"

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        if brief.reading != "whole":
            read = await read_data_model(brief, ask, tell)
            stated = Answer(types=stated_types(read.model))
            document, left_out = schema_of_answer(stated)
            ir = {"diagram": read.diagram.to_json(), "left_out": left_out.to_json()}
            return Draft(render(document), ir, read.evidence, (*read.notes, *left_out.notes))
        text = await ask(whole_messages(prompts.INSTRUCTIONS, brief), schema_of(Answer))
        written = _written(text)
        if written is not None:
            return Draft(render(written), {}, answer=text)
        try:
            answer = read_answer(Answer, text)
        except Unreadable as error:
            return Draft("", {}, notes=(f"the answer could not be read: {error.reason}",), answer=text)
        document, left_out = schema_of_answer(answer)
        evidence = evidence_for(quotes(answer.types), brief.requirements)
        ir = {**answer.model_dump(mode="json"), "left_out": left_out.to_json()}
        return Draft(render(document), ir, evidence, left_out.notes, text)

    def read(self, subject: Subject) -> Parsed:
        left_out = LeftOut.of(subject.draft)
        try:
            check_text(subject.content)
            return ParsedSchema(read_json(subject.content), left_out=left_out)
        except Malformed as error:
            return ParsedSchema(Document(None), str(error), left_out)

    def answer_of(self, subject: Subject, quotes: Quotes) -> str:
        return answer_of(subject.content, quotes)

    async def syntax(self, subject: Subject, tools: Tools) -> ValidatorResult:  # noqa: ARG002 (no process is asked)
        faults = await asyncio.to_thread(faults_of, subject.content)
        return result("syntax", 0 if faults else 100, faults, passed=not faults)


def _written(text: str) -> dict[str, Any] | None:
    """The schema itself, where the model wrote one in place of its parts."""
    try:
        found = json_document(text[:MOST_ANSWER_CHARS])
    except Unreadable:
        return None
    if "types" in found or not _OWN_WORDS & found.keys():
        return None
    try:
        json.dumps(found).encode()
    except (ValueError, RecursionError):
        return None
    return found
