"""Embeddings of texts: mean of a model's last hidden states, of length 1."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datagen_schemas.errors import DataError, MissingExtraError


def embed(texts: Sequence[str], *, model: str, batch_size: int = 32) -> NDArray[np.float32]:
    """One row per text: the mean over its tokens of the model's last hidden states, divided by its norm.

    A text is cut where the model's context ends; one without tokens has zeros.

    Args:
        texts: what to embed.
        model: folder or Hub id that `AutoModel` loads, with its tokenizer; an encoder or a decoder, not both in one.
        batch_size: texts computed at a time; texts of about one length share a batch. Padding changes no result.

    Returns:
        (texts, width of the model), float32, in the order of the texts.

    Raises:
        MissingExtraError: torch or transformers is not installed.
        DataError: there is no such model, or it cannot be loaded.
        ValueError: `batch_size` is below 1.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}, and must be 1 or more")
    try:
        import torch
        from transformers import AutoModel, AutoTokenizer
    except ImportError as error:
        raise MissingExtraError("train", needed_for="--embedding-model") from error
    device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        # Any, twice: the auto classes return whatever class the folder names
        tokenizer: Any = AutoTokenizer.from_pretrained(model)
        encoder: Any = AutoModel.from_pretrained(model, dtype="float32").to(device).eval()
    except (OSError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DataError(f"embedding model {model}: {reason} Name the folder or the Hub id of a model.") from error
    config = encoder.config.get_text_config()
    if encoder.config.is_encoder_decoder:
        raise DataError(f"embedding model {model}: it has an encoder and a decoder. Name a model with one of them.")
    context = min(getattr(config, "max_position_embeddings", None) or 2**31, tokenizer.model_max_length)
    tokens = [ids[:context] for ids in tokenizer(list(texts), verbose=False)["input_ids"]] if texts else []
    embeddings = np.zeros((len(texts), config.hidden_size), np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(tokens[i]))
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        width = max(1, len(tokens[batch[-1]]))
        # On the right whatever the tokenizer's side is, so that a token's position does not depend on its batch.
        ids = torch.full((len(batch), width), tokenizer.pad_token_id or 0)
        mask = torch.zeros((len(batch), width), dtype=torch.int64)
        for row, i in enumerate(batch):
            ids[row, : len(tokens[i])] = torch.tensor(tokens[i], dtype=torch.int64)
            mask[row, : len(tokens[i])] = 1
        ids, mask = ids.to(device), mask.to(device)
        with torch.inference_mode():
            states = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
            # where, not times 0: a padded place may hold nan
            mean = torch.where(mask[..., None] == 1, states, 0).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1)
            embeddings[batch] = torch.nn.functional.normalize(mean, dim=1).float().cpu().numpy()
    return embeddings
