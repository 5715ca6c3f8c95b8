"""State diagrams: which states a thing is in, and what takes it from one to another."""
