"""JSON Schema 2020-12: types that a model states or facts say, rendered, read and checked."""
