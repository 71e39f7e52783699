"""A request's prompt in tokens, for the models that run in this process."""

from typing import Any

from jinja2 import TemplateError

from datagen.requests.failure import RequestFailed
from datagen.requests.request import Request


def prompt_tokens(request: Request, tokenizer: Any, *, context: int | None) -> list[int]:  # Any: of an optional extra
    """The prompt's token ids: by the chat template where there is one, else one text to continue.

    Args:
        request: what is asked.
        tokenizer: a transformers tokenizer.
        context: most tokens of prompt and reply together; None if the model has no limit.

    Raises:
        RequestFailed: nothing to continue, no room to continue it, or a prompt that the template refuses.
    """
    if request.api == "chat" and tokenizer.chat_template:
        turns = [{"role": turn.role, "content": turn.content} for turn in request.turns]
        try:
            encoded = tokenizer.apply_chat_template(turns, add_generation_prompt=True, return_dict=True)
        except TemplateError as error:
            message = f"the model's chat template refuses the prompt: {error}"
            raise RequestFailed("refused", message, retryable=False) from error
        ids = list(encoded["input_ids"])
    else:
        # Without a template the turns are one text to continue, as the prompt templates write it.
        ids = list(tokenizer("\n\n".join(turn.content for turn in request.turns))["input_ids"])
        if ids and ids[-1] == tokenizer.eos_token_id:
            ids.pop()
    if not ids:
        raise RequestFailed("refused", "the prompt is empty", retryable=False)
    if context is not None and len(ids) >= context:
        message = f"the prompt has {len(ids)} tokens and the model's context {context}"
        raise RequestFailed("refused", message, retryable=False)
    return ids
