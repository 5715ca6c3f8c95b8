"""Tries a stranger's chat template in a sandboxed process with limits on time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .report import TemplateReport

_SANDBOX = Path(__file__).with_name("template_sandbox.py")
_TIMEOUT_S = 10.0
_TOO_LONG = "it takes too long"
_TOO_MUCH = "it takes too long or too much memory"
_MAX_TEMPLATE_CHARACTERS = 1 << 20
_CONVERSATIONS = (
    [
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "Which loans are overdue?"},
        {"role": "assistant", "content": "None – all 3 are on time. 📚"},
        {"role": "user", "content": "Danke!"},
    ],
    # Some templates refuse a system turn or more than one exchange.
    [{"role": "user", "content": "Which loans are overdue?"}],
)


def try_template(text: str, bos: str | None, eos: str | None) -> TemplateReport:
    """Renders sample conversations. The report says whether one came out, what it looks like, or why not."""
    if len(text) > _MAX_TEMPLATE_CHARACTERS:
        return TemplateReport(
            text=text, renders=False, error=f"it is longer than {_MAX_TEMPLATE_CHARACTERS} characters"
        )
    error = ""
    for messages in _CONVERSATIONS:
        answer = render_conversation(text, messages, bos, eos)
        if "text" in answer:
            return TemplateReport(text=text, renders=True, sample=answer["text"])
        error = error or answer["error"]
        if answer["error"] in (_TOO_LONG, _TOO_MUCH):
            break
    return TemplateReport(text=text, renders=False, error=error)


def render_conversation(
    template: str, messages: Sequence[Mapping[str, str]], bos: str | None, eos: str | None
) -> dict[str, str]:
    """As ``render``, of messages that an answer shall follow."""
    return render(
        template,
        {
            "messages": list(messages),
            "bos_token": bos or "",
            "eos_token": eos or "",
            "add_generation_prompt": True,
        },
    )


def render(template: str, context: dict[str, object]) -> dict[str, str]:
    """{"text": …} or {"error": …}; returns within _TIMEOUT_S whatever the template does."""
    request = json.dumps({"template": template, "context": context})
    try:
        ended = subprocess.run(
            [sys.executable, "-I", str(_SANDBOX)],
            input=request.encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {"error": _TOO_LONG}
    if ended.returncode != 0:
        return {"error": _TOO_MUCH}
    answer: dict[str, str] = json.loads(ended.stdout)
    return answer
