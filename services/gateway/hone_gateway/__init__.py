"""Hone's front door: the HTTP API, keys, artifacts and the view of jobs.

``app`` wires; ``http`` is what surrounds every request; ``jobs`` is the life of a job and its event stream;
``feedback`` is what people say of artifacts;
``openai_api`` is ``/v1``, for OpenAI's clients; each other module is one resource of the API.
"""

__version__ = "0.1.0"
