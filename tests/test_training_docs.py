"""What docs say of training is what the code says: settings with ranges and reasons, refusals by their codes."""

import json
import re
import subprocess
import sys
from pathlib import Path

from hone_trainer.tuning import settings as all_settings
from hone_trainer.tuning.settings import METHOD_DEFAULTS, METHOD_RANGES, Settings
from hone_trainer.tuning.words import allowed, shown

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "training"
PAGE = ROOT / "docs" / "training.md"
SETTINGS = ROOT / "docs" / "training-settings.md"
ERRORS = Path(all_settings.__file__).with_name("errors.py")

# Of the process and its order: what only meets those who run it by hand, or is no failure.
OF_THE_PROCESS = {
    "tuning_spec_invalid",
    "tuning_cancelled",
    "tuning_phase_missing",
    "tuning_file_not_the_model",
}


def test_every_setting_stands_in_the_page_with_its_default_range_and_reason() -> None:
    tables = SETTINGS.read_text("utf-8").partition("## ")[2]
    told = re.findall(r"^\| `.*$", tables, re.MULTILINE)
    assert told == [row_of(name) for name in Settings.model_fields]


def row_of(name: str) -> str:
    field = Settings.model_fields[name]
    values = " or ".join(allowed(field.annotation, field.metadata))
    return f"| `{name}` | {shown(field.default)} | {values} | {field.description} |"


def test_what_is_otherwise_for_a_method_stands_there() -> None:
    text = SETTINGS.read_text("utf-8")
    for method, values in METHOD_DEFAULTS.items():
        for name, value in values.items():
            assert f"`{name}={json.dumps(value)}`" in text, (method, name)
    for method, ranges in METHOD_RANGES.items():
        for name, its in ranges.items():
            assert f"{its.low:g} to {its.high:g}" in text, (method, name)


def test_each_refusal_stands_in_the_page_by_its_code() -> None:
    raised = set(re.findall(r'super\(\).__init__\(\s*"([a-z_]+)"', ERRORS.read_text("utf-8")))
    assert len(raised) > 20
    told = set(re.findall(r"`(tuning_[a-z_]+)`", PAGE.read_text("utf-8")))
    assert told == {f"tuning_{code}" for code in raised} - OF_THE_PROCESS


def test_the_examples_are_what_their_script_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, EXAMPLES / "make.py", tmp_path], check=True)
    written = sorted(tmp_path.iterdir())
    assert [path.name for path in written] == ["table-conventions.jsonl", "table-thumbs.jsonl"]
    for path in written:
        assert path.read_bytes() == (EXAMPLES / path.name).read_bytes(), path.name
