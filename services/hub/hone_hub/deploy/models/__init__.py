"""Models that a person adds, on their way to who serves them: placed, proven by an answer, or not there at all.

Nothing is imported here: worker processes of this package need none of what the service does.
"""
