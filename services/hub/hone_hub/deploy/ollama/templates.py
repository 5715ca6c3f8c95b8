"""Chat templates in Go's language, for files that carry theirs in Jinja: those that are known to say the same."""

from hone_hub.work import Conversation

CHATML = (
    "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}<|im_start|>assistant\n"
)

# What Ollama takes for a file whose template it does not know. It has no marks of turns, and in some versions of
# Ollama all messages but the last are dropped without a word.
UNKNOWN = "{{ .Prompt }}"


def candidates(base_template: str) -> tuple[str, ...]:
    """To be proven one after the other by the tokens that come of them; the base's is known to do."""
    known = () if base_template in ("", UNKNOWN) else (base_template,)
    return tuple(dict.fromkeys((*known, CHATML)))


def asks_once(conversation: Conversation) -> bool:
    """Whether ``/api/generate``, which tells the tokens, takes it: a user's turn, perhaps a system's before it."""
    return [message["role"] for message in conversation] in (["user"], ["system", "user"])
