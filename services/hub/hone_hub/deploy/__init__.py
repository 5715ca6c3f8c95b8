"""Versions of models on their way to who serves them: made, proven by a generation, or refused with the reason."""
