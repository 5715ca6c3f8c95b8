"""Files of model weights: read as hostile input, converted to GGUF.

``gguf`` and ``convert`` know the formats and no service. ``app`` wires the service, ``handlers`` says what it does
with a message, ``worker_process`` runs ``worker`` for each piece of work, ``file_roots`` says which files it may
touch. ``training`` answers the trainer.
"""
