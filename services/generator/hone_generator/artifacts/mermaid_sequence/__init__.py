"""Sequence diagrams: who says what to whom, in which order."""
