"""A model to train and its tokenizer, from a folder or the Hub."""

import importlib.util
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from datagen_schemas.errors import DataError


class LoadedModel(NamedTuple):
    """What `train` needs."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load_model(path: str, *, dtype: str = "auto", four_bit: bool = False) -> LoadedModel:
    """The causal language model of a folder or Hub id.

    Args:
        path: folder or Hub id.
        dtype: of the weights.
        four_bit: for QLoRA: weights in 4 bits (NF4) but the head's, products in bfloat16; needs bitsandbytes, which
            also works on a CPU (tried with 0.50).

    Raises:
        DataError: there is none, or it cannot be loaded.
    """
    quantised: dict[str, object] = {}
    if four_bit:
        if importlib.util.find_spec("bitsandbytes") is None:
            raise DataError("--four-bit needs the package bitsandbytes. Install it: pip install bitsandbytes")
        quantised["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
        )
    folder = Path(path).expanduser()
    if folder.is_file() or (path.startswith((".", "/", "~")) and not folder.is_dir()):
        what = "a file, and no folder" if folder.is_file() else "no such folder"
        raise DataError(f"model {path}: {what}. Name the folder or the Hub id of a causal language model.")
    try:
        model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype, **quantised)
        try:
            return LoadedModel(model, AutoTokenizer.from_pretrained(path))
        except (OSError, ValueError) as error:
            raise DataError(
                f"model {path}: its tokenizer cannot be loaded. Put the files of its tokenizer beside the weights."
            ) from error
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DataError(f"model {path}: {reason} Name the folder or the Hub id of a causal language model.") from error
