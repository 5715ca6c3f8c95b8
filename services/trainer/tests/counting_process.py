"""A training process in miniature: it counts steps, keeps checkpoints, writes metrics, and ends as it is told."""

import json
import signal
import sys
import time
from pathlib import Path


def main() -> int:
    folder, checkpoints = Path(sys.argv[1]), Path(sys.argv[2])
    steps, pace_s = int(sys.argv[3]), float(sys.argv[4])
    asked: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: asked.append(number))
    checkpoints.mkdir(parents=True, exist_ok=True)
    began = step = max((int(path.name) for path in checkpoints.glob("[0-9]*")), default=0)
    with (folder / "metrics.jsonl").open("a", encoding="utf-8") as metrics:
        while step < steps and not asked and not (folder / "control").exists():
            if (fails := checkpoints.parent / "fails").exists():
                error = {"code": fails.read_text(), "title": "It fails", "detail": "the disk is full"}
                tell(stage="failed", message="as the test wants it", error=error)
                return 1
            time.sleep(pace_s)
            step += 1
            line = {"step": step, "loss": 3.0 / step, "learning_rate": 1e-4}
            metrics.write(json.dumps(line | ({"held_out_loss": 4.0 / step} if step % 10 == 0 else {})) + "\n")
            metrics.flush()
            tell(stage="training", done=step, total=steps, figures={"loss": 3.0 / step, "text": "x"})
            if step % 10 == 0:
                (checkpoints / f"{step:06}").touch()
    if asked:
        time.sleep(0.3)  # as a checkpoint of some size takes
        (folder / "saved").touch()
        (checkpoints / f"{step:06}").touch()
        tell(stage="cancelled", message="a checkpoint is written")
        return 143
    (folder / "out").mkdir()
    tell(stage="finished", figures={"began": began, "steps": step})
    return 0


def tell(**line: object) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
