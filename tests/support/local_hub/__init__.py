"""A hub of models on this machine that speaks Hugging Face's HTTP protocol: the real client runs against it.

``with serving() as hub: hub.add("acme/tiny-GGUF", {"tiny-Q8_0.gguf": path})``, and ``HF_ENDPOINT=hub.url``. What
goes wrong is for a test to say, by file or by repository:
``hub.trouble("acme/tiny-GGUF", "tiny-Q8_0.gguf", Trouble(cut_after=1000, times=1))``.
"""

from local_hub.repositories import Repository, StoredFile
from local_hub.server import LocalHub, Served, serving
from local_hub.troubles import Trouble

__all__ = ["LocalHub", "Repository", "Served", "StoredFile", "Trouble", "serving"]
