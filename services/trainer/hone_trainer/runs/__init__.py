"""Runs: from claimed examples to a version that was judged, or a reason why there is none."""
