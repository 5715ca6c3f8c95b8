"""What can go wrong when Mermaid's grammar is asked. A diagram it rejects is an answer, not an error."""


class MermaidError(Exception):
    """Mermaid's grammar gave no verdict on this diagram; the next one can be tried at once."""


class MermaidUnavailable(MermaidError):
    """The parser cannot be started."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"Mermaid's grammar is not available: {reason}. {remedy}")
        self.reason = reason
        self.remedy = remedy


class MermaidTimeout(MermaidError):
    """The grammar did not come to an end with this diagram; its process was killed."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"Mermaid's grammar needed over {limit_s:g} s for this diagram; simplify it")
        self.limit_s = limit_s


class MermaidCrashed(MermaidError):
    """The node process died while it parsed this diagram."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"Mermaid's parser died on this diagram ({reason}); simplify it")
        self.reason = reason


class TextTooLarge(MermaidError):
    """The diagram is larger than what is handed to the grammar."""

    def __init__(self, size_bytes: int, limit_bytes: int) -> None:
        super().__init__(f"the diagram has {size_bytes} bytes, the limit is {limit_bytes}; split it")
        self.size_bytes = size_bytes
        self.limit_bytes = limit_bytes
