"""The model card says what the run and the measurement say, and leaves no blank."""

import json
import re
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from hone_trainer.starter import card
from hone_trainer.starter.recipe import Recipe


def test_card_and_provenance_state_the_file_the_run_and_the_scores(tmp_path: Path) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    (run / "hf").mkdir(parents=True)
    out.mkdir()
    (run / "hf/model.safetensors").write_bytes(b"weights")
    model = tmp_path / "hone-starter-q8_0.gguf"
    model.write_bytes(b"a model")
    record = {
        "recipe": asdict(Recipe()),
        "corpus": "f" * 64,
        "steps": 1234,
        "tokens_read": 8_100_000,
        "passages_read": 200_000,
        "seconds": 1800,
        "parameters": 3_240_000,
        "vocabulary": 5364,
        "versions": {},
        "stages": [{"to_step": 600, "commit": "abc1234"}, {"to_step": 1234, "commit": "def5678"}],
    }
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    texts = {"precision": 0.75, "recall": 0.9}
    scores = tmp_path / "scores.json"
    scores.write_text(
        json.dumps({"table": "| what | measured | goal |", "texts": {"entities": texts}}), encoding="utf-8"
    )
    options = ["--run", str(run), "--model", str(model), "--scores", str(scores), "--out", str(out)]
    assert card.main(options) == 0

    text = (out / card.CARD).read_text(encoding="utf-8")
    provenance = json.loads((out / card.PROVENANCE).read_text(encoding="utf-8"))
    assert not re.search(r"\{[a-z_]+\}", text)
    digest = sha256(b"a model").hexdigest()
    assert digest in text
    assert digest == provenance["sha256"]
    assert "1234 steps" in text
    assert "to step 600 that of commit abc1234" in text
    assert "entities precision 0.75, recall 0.90" in text
    assert "| what | measured | goal |" in text
    assert provenance["corpus"]["empty_kinds"]["held_out"] > 5


def test_the_learning_rate_warms_up_holds_and_falls_to_nothing() -> None:
    recipe = Recipe(warmup_steps=10, decay_share=0.5)
    paces = [recipe.pace(step, 100) for step in range(101)]
    assert paces[0] == 0.1
    assert paces[9:51] == [1.0] * 42
    assert paces[75] == 0.5
    assert paces[100] == 0.0
