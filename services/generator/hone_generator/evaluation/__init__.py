"""Champion and challenger on the same held-out prompts.

``held_out`` reads the prompts, ``answering`` has both versions answer them through the engine that everyone's
requests go through, ``likeness`` compares wordings, ``handler`` tells the figures.
"""
