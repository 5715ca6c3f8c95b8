"""Generator: turns requirements into artifacts."""
