"""Chat templates in Go's language that are known, and which conversations Ollama tells the tokens of."""

from hone_hub.work import Conversation

CHATML = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)

# What Ollama takes for a file whose template it does not know. It has no marks of turns, and in some versions of
# Ollama all messages but the last are dropped without a word.
UNKNOWN = "{{ .Prompt }}"


def asks_once(conversation: Conversation) -> bool:
    """Whether ``/api/generate``, which tells the tokens, takes it: a user's turn, perhaps a system's before it."""
    return [message["role"] for message in conversation] in (["user"], ["system", "user"])
