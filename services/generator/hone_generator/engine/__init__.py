"""The engine: from a request to the best answer that the models of its route can give.

``plan`` says who is asked in which order, ``engine`` walks that order, ``tries`` decides what a model is asked
next, ``asking`` and ``call`` put the questions, ``circuits``, ``backoff`` and ``budget`` keep trouble bounded,
``inflight`` answers identical requests once, ``telling`` says how far it is, and ``chat`` passes a conversation
through the same order of models.
"""
