"""User stories with acceptance criteria.

A model answers JSON (`ir`), which is rendered as Markdown in one documented form; `parse` reads that form back, and
what is like it, so that files of people and models that write Markdown at once are understood.
"""
