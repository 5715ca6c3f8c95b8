"""Generator: turns requirements into artifacts, with the models that a route names.

``artifacts`` are the types: how each is asked for, rendered, read and checked; ``engine`` goes from model to
model until an answer is good enough; ``providers`` speak with the models, and ``memory`` makes room on the
card before; ``validators`` say what an answer is worth, ``mermaid`` whether Mermaid takes it; ``text`` reads
sentences and names for all of them. ``chat`` answers conversations. ``app`` wires, ``handlers`` says what is
done with the command, ``routing`` and ``allowed_servers`` which models a request may reach, ``validation``
and ``validate`` judge what is there already, ``provider_report`` tells how the providers are, ``child`` and
``pdeathsig`` keep processes that end with their parent.
"""
