"""SQL DDL in three dialects: what a model answers or facts say, as a schema, rendered, read and checked."""
