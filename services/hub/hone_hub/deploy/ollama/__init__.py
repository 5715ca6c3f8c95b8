"""Versions for Ollama: made through its API on each host that has the base, proven there, or removed again."""
