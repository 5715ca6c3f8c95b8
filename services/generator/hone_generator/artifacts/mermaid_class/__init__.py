"""Class diagrams: which classes there are, what they have and do, how they relate."""
