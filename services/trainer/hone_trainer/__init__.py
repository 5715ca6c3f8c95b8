"""Training.

``app`` wires the service. Its coordinator keeps what people said (``pool``), starts runs of it (``trigger``,
``starting``) and follows them to their end (``runs``); its worker makes versions by one method or another
(``few_shot``, ``runs.full``). It runs on any machine and imports nothing heavy. ``datasets`` judges training data
without any service. ``finetune`` changes weights and ``starter`` makes the model that ships with Hone, each in a
process of its own, with the packages that ``make train-deps`` adds.
"""
