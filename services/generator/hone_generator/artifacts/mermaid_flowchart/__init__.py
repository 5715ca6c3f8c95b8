"""Flowcharts: how work flows, where it forks, how it ends."""
