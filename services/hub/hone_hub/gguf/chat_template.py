"""Tries a stranger's chat template in a sandboxed process with limits on time and memory."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from .report import TemplateReport

_SANDBOX = Path(__file__).with_name("template_sandbox.py")
_TIMEOUT_S = 10.0
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
    answers = render_conversations(text, _CONVERSATIONS, bos, eos)
    for answer in answers:
        if "text" in answer:
            return TemplateReport(text=text, renders=True, sample=answer["text"])
    return TemplateReport(text=text, renders=False, error=answers[0]["error"])


def render_conversations(
    template: str,
    conversations: Iterable[Sequence[Mapping[str, str]]],
    bos: str | None,
    eos: str | None,
    *,
    as_engine: bool = False,
) -> list[dict[str, str]]:
    """As ``render``, of messages that an answer shall follow. ``as_engine``: with the day in the variable that
    Llama 3's templates read, as llama.cpp gives it to all; without it they write one of their own."""
    shared: dict[str, object] = {
        "bos_token": bos or "",
        "eos_token": eos or "",
        "add_generation_prompt": True,
    }
    if as_engine:
        shared["date_string"] = datetime.now().strftime("%d %b %Y")
    return render(template, [{"messages": list(messages), **shared} for messages in conversations])


def render(template: str, contexts: Sequence[dict[str, object]]) -> list[dict[str, str]]:
    """{"text": …} or {"error": …} for each; returns within _TIMEOUT_S whatever the template does."""
    request = json.dumps({"template": template, "contexts": contexts})
    try:
        ended = subprocess.run(
            [sys.executable, "-I", str(_SANDBOX)],
            input=request.encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return [{"error": "it takes too long"}] * len(contexts)
    if ended.returncode != 0:
        return [{"error": "it takes too long or too much memory"}] * len(contexts)
    answers: list[dict[str, str]] = json.loads(ended.stdout)
    return answers
