"""The starter model: corpus, tokenizer, training from scratch and export, from one seed.

Nothing here imports torch until training begins, so the trainer's coordinator stays light.
"""
