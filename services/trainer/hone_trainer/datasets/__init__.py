"""Training data: formats in and out, quality gates, repairs, and where files come from. Needs no service."""
