"""Providers: where answers of language models come from.

``base`` is the interface that all of them share, ``errors`` what can go wrong, ``configured`` which there
are. Over HTTP with a key: ``remote_provider`` is all that ``openai_wire``, ``anthropic_wire`` and
``gemini_wire`` do not differ in, ``openai`` knows several servers, ``failures`` reads refusals,
``schema_dialects`` says a schema as each takes it; ``keys`` and ``prices`` are theirs. ``ollama*`` speaks to
one Ollama or several, ``llamacpp*`` runs models in processes of Hone's own.
"""
