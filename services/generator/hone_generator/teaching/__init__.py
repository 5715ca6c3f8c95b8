"""What a model should have been asked and should have answered, from requirements and the artifact that is right
for them.

Whole texts: a type's ``answer_of`` gives the answer that renders to the artifact. Passage by passage: `target` tells
what a diagram states beyond convention, `mentions` where its names stand in a passage, `attributes` and `relations`
what a passage may state, `selection` which passage does, `facts` writes it, `alignment` runs them; `from_…` read the
diagram behind other types. `pairs` asks the type itself with those answers, so that questions are to the letter what
the model is asked; `rendering` does both for an example; `agreement` compares artifacts; `desk` answers the trainer.
"""
