"""The written policy of promotion and rollback: pure functions of figures and ``LoopPolicy``, without any I/O.

``quality`` makes one number of an answer, ``bootstrap`` tells how sure a difference is, ``verdict`` decides on an
evaluation, ``betting`` and ``watch`` follow a version at work.
"""
