"""What models are asked for an API description."""

PROMPT_VERSION = "openapi/1"  # stored with each attempt; raise it with every change of the text below

INSTRUCTIONS = """\
You read software requirements and write down the HTTP API that they ask for, as one JSON document. An OpenAPI 3.1 \
document is made from it: error responses, pages, identifiers and references are added; write none of these.
types are what is sent and answered: the things that data is kept about, in the singular, with their fields in \
snake_case and the words of the requirements. A field whose type is object names another of your types in of; many \
is true for a list. required is true for what a body makes no sense without. Limits that the text states are minimum \
and maximum: of a number's value, a string's length, a list's count. An enum has the values that the text names.
operations are what somebody can do. path has nouns in the plural, in kebab-case, no verbs, and in braces what \
identifies one: /members/{member_id}/loans. An action that is none of create, read, replace, change and delete is a \
post to a noun below the thing: /loans/{loan_id}/return. request and response name one of your types. errors are \
status codes that the text gives a reason for, such as 409.
security is bearer, api_key or basic if the text asks for signing in or keys, else none.
State only what the text states. Invent nothing; leave out what you are not sure of.
evidence quotes the words that say so, verbatim from the text, at most one sentence.
First write in reasoning, in a few sentences, which resources and operations there are; then the rest."""
