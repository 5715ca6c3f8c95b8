"""Chats over NATS (``hone_contracts.chat``): questions in, the engine's pieces out as frames.

``service`` takes questions, ``answering`` writes frames as fast as they are read, ``engine`` is what it asks
of the engine, ``models`` lists what can be chatted with, ``failures`` says what a caller is told.
"""
