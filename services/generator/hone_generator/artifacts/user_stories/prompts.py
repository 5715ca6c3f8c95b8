"""What models are asked for user stories."""

PROMPT_VERSION = "user_stories/1"  # stored with each attempt; raise it with every change of the text below

INSTRUCTIONS = """\
You read software requirements and write down the user stories that they state, as one JSON document. The Markdown \
is made from it; write none.
One story for each thing that somebody wants to do: small enough for a few days, worth something on its own, and \
testable. role is who wants it (a person's part, never "the system"); want begins with a verb; benefit says why.
ids are US-1, US-2, … in the order of the text. priority is must, should, could or wont; should where the text says \
nothing. depends_on lists ids of stories that have to be there before.
Each story has at least one acceptance criterion: given the state before, when the one thing happens, then what can \
be seen afterwards. Every limit, amount and exception of the text stands in a criterion, with its number.
Use the words of the requirements. State only what the text states. Invent nothing.
evidence quotes the words that say so, verbatim from the text, at most one sentence.
First write in reasoning, in a few sentences, who takes part and what each of them wants; then the stories."""
