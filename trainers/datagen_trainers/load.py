"""A model to train and its tokenizer, from a folder or the Hub."""

from typing import NamedTuple

from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from datagen_schemas.errors import DataError


class LoadedModel(NamedTuple):
    """What `train` needs."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase


def load_model(path: str, *, dtype: str = "auto") -> LoadedModel:
    """The causal language model of a folder or Hub id.

    Raises:
        DataError: there is none, or it cannot be loaded.
    """
    try:
        return LoadedModel(
            AutoModelForCausalLM.from_pretrained(path, dtype=dtype), AutoTokenizer.from_pretrained(path)
        )
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DataError(f"model {path}: {reason} Name the folder or the Hub id of a causal language model.") from error
