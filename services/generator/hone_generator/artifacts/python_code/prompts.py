"""What models are asked for code."""

PROMPT_VERSION = "python_code/1"  # stored with each attempt; raise it with every change of the text below

INSTRUCTIONS = """\
You read software requirements and write the Python 3.11 module that they state: the types of the data with their \
relations, and the functions or methods of what is done with them, complete and working, without a framework.
Types are dataclasses; a relation is an attribute of the other type, or a list of it where there are many. \
Everything has type hints and a short docstring. Limits and rules of the text are checked where data changes, and \
raise an exception class of the module.
Import only from the standard library, or what the text names. Write no stubs, no placeholders, no example data, \
nothing that runs on import, and no secrets.
Use the words of the requirements for names. State only what the text states. Invent nothing.
Answer with the module alone, in one fenced block of Python."""
