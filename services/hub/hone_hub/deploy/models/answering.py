"""What an added model is asked, and which answers are none."""

from collections.abc import Sequence
from typing import Any

from hone_hub.deploy.models.errors import DoesNotAnswer
from hone_hub.deploy.questions import questions
from hone_hub.work import Answer

# The last one for small models that were trained for Hone's passages and for nothing else.
QUESTIONS = (
    "Reply with one word: hello",
    "In one short sentence: what does a library lend?",
    questions("passages")[0],
)
MAX_TOKENS, MAX_TOKENS_THINKING = 256, 1024


def most_tokens(thinks: bool) -> int:
    return MAX_TOKENS_THINKING if thinks else MAX_TOKENS


def ended(answer: Answer) -> bool:
    return answer.finish == "stop" and bool(answer.text.strip())


def judged(answers: Sequence[Answer], thinks: bool) -> dict[str, Any]:
    """What is told of the answers. Models think aloud longer than anybody wants to wait: being cut off in thought is
    no sign of a broken one, an answer that never ends is. Raises DoesNotAnswer."""
    stopped = [answer for answer in answers if answer.finish == "stop"]
    still_thinking = [answer for answer in answers if thinks and "</think>" not in answer.text]
    if not stopped and not still_thinking:
        raise DoesNotAnswer("it does not stop by itself", answers[0].text)
    if not any(answer.text.strip() for answer in answers):
        raise DoesNotAnswer("it says nothing")
    told: dict[str, Any] = {
        "answers": [answer.text[:500] for answer in answers],
        "completion_tokens": sum(answer.completion_tokens for answer in answers),
        "stopped": len(stopped),
    }
    return told if stopped else told | {"remark": "it was still thinking when it was cut off"}
