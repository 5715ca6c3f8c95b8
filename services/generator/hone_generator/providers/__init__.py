"""Providers: where answers of language models come from. ``base`` is the interface that all of them share."""
