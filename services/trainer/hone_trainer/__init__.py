"""Training.

The service (``app``, ``training``) is the coordinator: it runs on any machine and imports nothing heavy. ``starter``
makes the model that ships with Hone, in a process of its own, with the packages that ``make train-deps`` adds.
"""
