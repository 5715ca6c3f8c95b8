"""Hugging Face, or a mirror of it: who may ask what there, and what its repositories hold."""
