"""What a version is asked before it is served, and which answers are none."""

from hone_contracts.erd_facts import FactsError, loads, normalise, passage_prompt
from hone_contracts.registry import Reading
from hone_hub.deploy.errors import ProofFailed
from hone_hub.work import Answer, Conversation

_MOST_FACTS_TOKENS = 256
_MOST_ARTIFACT_TOKENS = 1024

# Of the kinds that passages are: entities and a relation, attributes, nothing to model.
_PASSAGES = (
    "Each member has many loans.",
    "A book has a title, an ISBN and a price.",
    "The system should be easy to use.",
)
_PLAIN = ("In one short sentence: what does a library lend?",)

CONVERSATIONS: tuple[Conversation, ...] = (
    ({"role": "user", "content": "Which loans are overdue?"},),
    (
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "książki – 日本語 📚\n\n{}"},
    ),
    (
        {"role": "user", "content": "each member has many loans ."},
        {"role": "assistant", "content": '[{"r":["member","1:N","loans"]}]'},
        {"role": "user", "content": "każdy członek wypożycza książki – 日本語 📚"},
    ),
    (
        {"role": "system", "content": "You are terse."},
        {"role": "user", "content": "Which loans are overdue?"},
        {"role": "assistant", "content": "None."},
        {"role": "user", "content": "Thanks!\n\n```sql\nSELECT 1;\n```"},
    ),
)
"""One turn and several, with a system's before them and without; text that templates and tokenizers get wrong."""


def questions(reading: Reading) -> tuple[str, ...]:
    """User messages, as the generator would write them."""
    if reading == "passages":
        return tuple(passage_prompt("", normalise(passage)) for passage in _PASSAGES)
    return _PLAIN


def most_answer_tokens(reading: Reading) -> int:
    """What was trained to write artifacts may answer any question with one."""
    return _MOST_FACTS_TOKENS if reading == "passages" else _MOST_ARTIFACT_TOKENS


def check_answers(reading: Reading, answers: tuple[Answer, ...]) -> None:
    """Raises ProofFailed.

    Passages are answered under a grammar when it counts, and here without one: a slip in one answer is no sign of a
    broken file, several are.
    """
    for answer in answers:
        if answer.finish != "stop":
            raise ProofFailed("it does not stop by itself", answer.text)
    if reading == "passages":
        wrong = [(answer, reason) for answer in answers if (reason := _no_facts(answer.text))]
        if 2 * len(wrong) > len(answers):
            answer, reason = wrong[0]
            raise ProofFailed(f"{len(wrong)} of {len(answers)} answers are no facts: {reason}", answer.text)
    elif not any(answer.text.strip() for answer in answers):
        raise ProofFailed("it says nothing")


def _no_facts(text: str) -> str:
    try:
        loads(text.strip())
    except FactsError as error:
        return error.reason
    return ""
