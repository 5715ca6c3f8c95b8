"""Validators: each looks at one quality of an artifact and says what to mend.

``judge`` runs the eight, ``scoring`` makes one score of them. ``coverage``, ``consistency``, ``grounding``
and ``purity`` are here, with what they read (``requirements``, ``relations``, ``impurities``); ``syntax``,
``structure``, ``references`` and ``style`` are the types' own, counted with ``flaws``.
"""
