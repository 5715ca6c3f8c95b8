"""Mermaid ER diagrams from requirements.

The path of a text: `passages` cuts it, `subjects` carries the subject over, `grounding` holds the model to the
words of a passage (or `schema` and `prompts` let a larger model read the whole text), `merge` makes one
diagram (`ir`) of the facts, `render` writes it as Mermaid. `reading` runs the path; `parse` reads Mermaid back.
"""
