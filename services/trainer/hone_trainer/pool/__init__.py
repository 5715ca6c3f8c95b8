"""The pool: what people said of artifacts, and the examples that follow from it."""
