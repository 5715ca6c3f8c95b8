"""python -m hone_hub.convert DIR --out FILE.gguf [--quant q8_0] [--force] [--name NAME] [--json]"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..command import run
from . import ConversionProgress, ConversionReport, Quant, convert


def main() -> int:
    arguments = _parser().parse_args()
    show = None if arguments.json or not sys.stderr.isatty() else _show
    report = convert(
        arguments.source, arguments.out, arguments.quant, show, force=arguments.force, name=arguments.name
    )
    sys.stdout.write((report.model_dump_json(indent=2) if arguments.json else _text(report)) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hone_hub.convert", description="Model folder to GGUF.")
    parser.add_argument(
        "source", type=Path, metavar="DIR", help="folder with config.json and model.safetensors"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the .gguf file to write")
    parser.add_argument(
        "--quant", type=_quant, default=Quant.Q8_0, help=f"{', '.join(Quant)}; q8_0 by default"
    )
    parser.add_argument("--name", help="the model's name in the file, by default the folder's")
    parser.add_argument("--force", action="store_true", help="replace FILE if it is there")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


def _quant(text: str) -> Quant:
    try:
        return Quant(text.lower())
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(Quant)}") from error


def _show(progress: ConversionProgress) -> None:
    share = progress.bytes_done / progress.bytes_total
    sys.stderr.write(f"\r{share:4.0%} {progress.tensor[:60]:60}")
    if progress.bytes_done == progress.bytes_total:
        sys.stderr.write("\n")


def _text(report: ConversionReport) -> str:
    types = ", ".join(f"{name} {size / 1e6:.1f} MB" for name, size in report.tensor_types.items())
    lines = [
        f"{report.path}: {report.size_bytes / 1e6:.1f} MB, {report.architecture}, "
        f"{report.parameters / 1e6:.2f} million parameters, {report.tensors} tensors ({types})",
        f"vocabulary {report.vocabulary}, chat template {'embedded' if report.chat_template else 'none'}",
        *(f"warning: {warning}" for warning in report.warnings),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(run(main))
