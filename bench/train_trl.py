"""One run of TRL's SFTTrainer for `bench/train.py`: `python bench/train_trl.py ORDER.json`, the result as last line.

It gets the same token sequences with the same tokens to train, the same adapter, rate, schedule and seed. All else is
TRL's default, but for what the order's ``more`` says.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from peft import LoraConfig
from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from hone_trainer.tuning.data.tokenised import Tokenised


class _Clock(TrainerCallback):
    """From the first step to the last, without what is made ready before it and written after it."""

    began = ended = 0.0

    def on_train_begin(self, *_: Any, **__: Any) -> None:
        self.began = time.perf_counter()

    def on_train_end(self, *_: Any, **__: Any) -> None:
        self.ended = time.perf_counter()


def main() -> None:
    order = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.set_num_threads(order["threads"])
    data = Tokenised(Path(order["data"]))
    rows = [
        {
            "input_ids": data.tokens(number).tolist(),
            "labels": [
                int(token) if trained else -100
                for token, trained in zip(data.tokens(number), data.trained(number), strict=True)
            ],
        }
        for number in range(len(data))
    ]
    base = order["base"]
    settings = {
        "output_dir": order["out"],
        "learning_rate": order["learning_rate"],
        "num_train_epochs": order["epochs"],
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr_rate": 0.1},
        "warmup_steps": 0.05,
        "seed": order["seed"],
        "report_to": "none",
        "disable_tqdm": True,
        "save_strategy": "no",  # the seconds are those of the steps, here and there
        "use_cpu": not torch.cuda.is_available(),  # it refuses to find that out itself
        **order["more"],
    }
    clock = _Clock()
    trainer = SFTTrainer(
        AutoModelForCausalLM.from_pretrained(base),
        args=SFTConfig(**settings),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(base),
        peft_config=LoraConfig(
            r=order["rank"], lora_alpha=order["alpha"], target_modules="all-linear", task_type="CAUSAL_LM"
        ),
        callbacks=[clock],
    )
    trainer.train()
    trainer.save_model(order["out"])
    args = trainer.args
    print(
        json.dumps(
            {
                "seconds": clock.ended - clock.began,
                "tokens": round(float(data.lengths.sum()) * order["epochs"]),
                "steps": trainer.state.global_step,
                "card_bytes": torch.cuda.max_memory_reserved() if torch.cuda.is_available() else 0,
                "batch": args.per_device_train_batch_size,
                "bf16": args.bf16,
                "checkpointing": args.gradient_checkpointing,
            }
        )
    )


if __name__ == "__main__":
    main()
