"""Versions made of examples: some of the pool's best and most different ones stand before each question."""
