"""Python code from requirements: types with their relations and what they do.

A larger model writes the code; the starter's facts are rendered as dataclasses. Code is read (`source`), never run
and never compiled: `ast` for its parts, `ruff` as a process of its own for the rest.
"""
