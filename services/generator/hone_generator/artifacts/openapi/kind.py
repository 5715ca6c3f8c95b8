"""OpenAPI as an artifact type."""

import asyncio
import json
import re

from hone_contracts.artifacts import ArtifactType, ValidatorResult
from hone_contracts.registry import Reading
from hone_generator.artifacts.data_model import read_data_model
from hone_generator.artifacts.document import Document, Malformed, read_document, read_json
from hone_generator.artifacts.extract import Unreadable, fenced, json_document
from hone_generator.artifacts.held import MOST_ANSWER_CHARS, evidence_for, read_answer, schema_of
from hone_generator.artifacts.inverse import Quotes
from hone_generator.artifacts.kind import Ask, Brief, Draft, Parsed, Subject, Tell, Tools
from hone_generator.artifacts.left_out import LeftOut
from hone_generator.artifacts.openapi import inverse, prompts
from hone_generator.artifacts.openapi.answer import Answer, all_quotes, answer_of
from hone_generator.artifacts.openapi.checks import ParsedOpenApi
from hone_generator.artifacts.openapi.grammar import faults_of
from hone_generator.artifacts.openapi.render import document_of, to_yaml
from hone_generator.artifacts.prompting import whole_messages
from hone_generator.validators.base import result

_FENCES = frozenset({"yaml", "yml", "openapi", "swagger"})
_YAML = re.compile(r"^(?:openapi|swagger)\s*:", re.MULTILINE)


class OpenApi:
    """Reads operations and types (or facts) and renders them. A whole document that a model writes instead, in YAML
    or JSON, is taken as it is."""

    type = ArtifactType.OPENAPI
    prompt_version = prompts.PROMPT_VERSION
    readings: frozenset[Reading] = frozenset({"whole", "passages", "passages_schema"})
    suffix = ".yaml"

    async def make(self, brief: Brief, ask: Ask, tell: Tell) -> Draft:
        if brief.reading != "whole":
            read = await read_data_model(brief, ask, tell)
            document, left_out = document_of(answer_of(read.model))
            ir = {"diagram": read.diagram.to_json(), "left_out": left_out.to_json()}
            return Draft(to_yaml(document), ir, read.evidence, (*read.notes, *left_out.notes))
        text = await ask(whole_messages(prompts.INSTRUCTIONS, brief), schema_of(Answer))
        written = _written(text)
        if written is not None:
            return Draft(written, {}, answer=text)
        try:
            answer = read_answer(Answer, text)
        except Unreadable as error:
            return Draft("", {}, notes=(f"the answer could not be read: {error.reason}",), answer=text)
        document, left_out = document_of(answer)
        ir = {**answer.model_dump(mode="json"), "left_out": left_out.to_json()}
        evidence = evidence_for(all_quotes(answer), brief.requirements)
        return Draft(to_yaml(document), ir, evidence, left_out.notes, text)

    def read(self, subject: Subject) -> Parsed:
        left_out = LeftOut.of(subject.draft)
        try:
            return ParsedOpenApi(read_document(subject.content), left_out=left_out)
        except Malformed as error:
            return ParsedOpenApi(Document(None), str(error), left_out)

    def answer_of(self, subject: Subject, quotes: Quotes) -> str:
        return inverse.answer_of(subject.content, quotes)

    async def syntax(self, subject: Subject, tools: Tools) -> ValidatorResult:  # noqa: ARG002 (no process is asked)
        faults = await asyncio.to_thread(faults_of, subject.content)
        return result("syntax", 0 if faults else 100, faults, passed=not faults)


def _written(text: str) -> str | None:
    """The document itself, where the model wrote one in place of its parts: YAML as it stands, JSON as YAML."""
    text = text[:MOST_ANSWER_CHARS]
    try:
        found = json_document(text)
        if "openapi" in found or "swagger" in found:
            return to_yaml(read_json(json.dumps(found)).value)
    except (Unreadable, Malformed, RecursionError):
        pass
    else:
        if "operations" in found:
            return None
    written = fenced(text, _FENCES)
    begun = _YAML.search(written)
    return written[begun.start() :].rstrip() + "\n" if begun else None
