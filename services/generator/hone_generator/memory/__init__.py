"""Memory of graphics cards: what a model will take, what there is, and making room before a model is used.

``footprint`` predicts, ``cards`` asks NVML, ``hosts`` and ``machine`` know what is loaded where and in use;
``plan`` decides, and ``room`` does what it says, in ``steps``. ``lease`` and ``lending`` give the cards to
training and take them back.
"""
