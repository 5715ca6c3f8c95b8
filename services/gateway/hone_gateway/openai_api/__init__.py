"""``/v1``: OpenAI's HTTP API in front of the generator, for any client that speaks it."""
