"""Check that directories hold a base model and an adapter."""

from pathlib import Path

from r1k.errors import R1kError


def check_model(base: Path, adapter: Path | None) -> None:
    """Raise R1kError if the base has no config.json or the adapter no adapter_model.safetensors."""
    if not (base / "config.json").is_file():
        raise R1kError(f"{base}: holds no model (no config.json); make it with `snakemake {base}`")
    if adapter is not None and not (adapter / "adapter_model.safetensors").is_file():
        raise R1kError(f"{adapter}: holds no adapter_model.safetensors; make it with `snakemake {adapter}`")
