"""What people say about artifacts: taken, judged, worth a reward, told to whoever learns from it."""
