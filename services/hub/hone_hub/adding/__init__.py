"""Models that a person adds: from a name to an answer that was proven, and away again."""
