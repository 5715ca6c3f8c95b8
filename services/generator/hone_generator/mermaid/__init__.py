"""Mermaid's own grammar, asked through a long-lived node process: :class:`MermaidParser`."""

from hone_generator.mermaid.errors import (
    MermaidCrashed,
    MermaidError,
    MermaidTimeout,
    MermaidUnavailable,
    TextTooLarge,
)
from hone_generator.mermaid.process import MermaidParser, ParseResult, SyntaxFault

__all__ = [
    "MermaidCrashed",
    "MermaidError",
    "MermaidParser",
    "MermaidTimeout",
    "MermaidUnavailable",
    "ParseResult",
    "SyntaxFault",
    "TextTooLarge",
]
