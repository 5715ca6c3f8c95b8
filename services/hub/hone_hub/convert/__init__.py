"""Hugging Face folders to GGUF."""

from .conversion import ConversionProgress, ConversionReport, Progress, convert
from .quantize import Quant

__all__ = ["ConversionProgress", "ConversionReport", "Progress", "Quant", "convert"]
