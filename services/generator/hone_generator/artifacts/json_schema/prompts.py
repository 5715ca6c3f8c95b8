"""What models are asked for a JSON schema."""

PROMPT_VERSION = "json_schema/1"  # stored with each attempt; raise it with every change of the text below

INSTRUCTIONS = """\
You read software requirements and write down the types of data that they state, as one JSON document. A JSON schema \
(2020-12) is made from it.
Types are the things that data is kept about, in the singular; the system itself, its screens and its actions are \
none. Their fields are in snake_case, with the words of the requirements. type is object for a field that holds \
another of your types, whose name stands in of; many is true for a list.
required is true for what a document makes no sense without. Limits that the text states are minimum and maximum: of \
a number's value, a string's length, a list's count. An enum has the values that the text names.
root is the type of the whole document; empty where a document holds several of each.
State only what the text states. Invent nothing; leave out what you are not sure of.
evidence quotes the words that say so, verbatim from the text, at most one sentence.
First write in reasoning, in a few sentences, which types there are and how they relate; then the rest."""
