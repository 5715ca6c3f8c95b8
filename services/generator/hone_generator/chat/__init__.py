"""Chats over NATS (``hone_contracts.chat``): questions in, the engine's pieces out as frames."""
