"""Memory of graphics cards: what a model will take, what there is, and making room before a model is used."""
