"""The embedded default's language model: a Llama of half a million parameters and a tokenizer of whole numbers.

Whole numbers are single tokens: with digits as tokens the same model solves 5-27 % of the problems instead of 63 %.
A number is the same token with and without a space before it, so that `4` in `3 * 4 = <<3*4=12>>12` has one embedding
to learn: the space before a number is implied by what stands before it, and a joiner token marks the exceptions.
"""

from collections import Counter
from collections.abc import Iterable

import torch
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

_UNK, _PAD, _BOS, _EOS = "<unk>", "<pad>", "<s>", "</s>"
_JOINER = "\u2060"  # "word joiner": no space here although the rule below implies one
# A number follows these with a space unless a joiner says otherwise: a word, a mark that ends a phrase, an operator
# that has a space before it itself, the answer mark. Everything else (`<<`, `$`, `3*`) is followed directly.
_SPACED = r"(?<=[A-Za-z,.:;?!])", r"(?<= [-+*/=])", r"(?<=####)"


def _number(max_number: int) -> str:
    """Regular expression of the numbers 0..max_number without leading zeros, and else of one digit."""
    digits = str(max_number)
    # By first difference: every shorter number, every one that is smaller at digit i, and the largest itself.
    forms = ["[0-9]", *(f"[1-9][0-9]{{{n - 1}}}" for n in range(2, len(digits))), digits]
    for i, digit in enumerate(digits):
        low = 1 if i == 0 else 0
        if int(digit) > low and len(digits) > 1:
            forms.append(f"{digits[:i]}[{low}-{int(digit) - 1}][0-9]{{{len(digits) - i - 1}}}")
    return f"(?<![0-9])(?:{'|'.join(forms)})(?![0-9])|[0-9]"


def build_tokenizer(texts: Iterable[str], *, max_number: int) -> PreTrainedTokenizerFast:
    """Tokenizer of the words in `texts` and the numbers 0..max_number; larger numbers fall apart into digits.

    Decoding gives back every text made of these words and of printable ASCII marks; an unknown word becomes `<unk>`.
    """
    spaced = [f"{before} (?=[0-9])" for before in _SPACED]
    tight = [f"{before}(?=[0-9])" for before in _SPACED]
    core = Tokenizer(models.WordLevel({_UNK: 0}, unk_token=_UNK))
    core.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex("|".join(tight)), _JOINER), normalizers.Replace(Regex("|".join(spaced)), "")]
    )
    # A word, bracket pair or mark carries the space before it; a number never does.
    pieces = rf" ?(?:[A-Za-z]+(?:'[a-z]+)?|<<|>>|####)|{_number(max_number)}| ?[^\sA-Za-z0-9]|."
    core.pre_tokenizer = pre_tokenizers.Split(Regex(f"(?m){pieces}|\\n"), behavior="isolated")
    core.decoder = decoders.Sequence(
        [decoders.Fuse(), decoders.Replace(Regex("|".join(tight)), " "), decoders.Replace(_JOINER, "")]
    )
    words: Counter[str] = Counter()
    for text in texts:
        pieces_of_text = core.pre_tokenizer.pre_tokenize_str(core.normalizer.normalize_str(text))
        words.update(piece for piece, _ in pieces_of_text)
    marks = [mark for code in range(32, 127) if not (mark := chr(code)).isalnum()]
    known = [_UNK, _PAD, _BOS, _EOS, "\n", _JOINER, *marks, *(f" {mark}" for mark in marks if mark != " ")]
    known += ["<<", " <<", ">>", " >>", "####", " ####", *map(str, range(max(max_number, 9) + 1))]
    known += sorted(word for word in words if not word.isdigit())
    core.model = models.WordLevel({token: i for i, token in enumerate(dict.fromkeys(known))}, unk_token=_UNK)
    return PreTrainedTokenizerFast(
        tokenizer_object=core,
        unk_token=_UNK,
        pad_token=_PAD,
        bos_token=_BOS,
        eos_token=_EOS,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def build_model(
    tokenizer: PreTrainedTokenizerFast,
    *,
    seed: int,
    hidden: int = 128,
    layers: int = 2,
    heads: int = 4,
    max_length: int = 512,
) -> LlamaForCausalLM:
    """Llama with random weights for this tokenizer; the same seed gives the same weights."""
    pad_id, bos_id, eos_id = (token_id(tokenizer, token) for token in (_PAD, _BOS, _EOS))
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=max_length,
        tie_word_embeddings=True,
        initializer_range=hidden**-0.5,
        pad_token_id=pad_id,
        bos_token_id=bos_id,
        eos_token_id=eos_id,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = LlamaForCausalLM(config)
        _write_numbers(model, tokenizer)
    model.generation_config = GenerationConfig(pad_token_id=pad_id, bos_token_id=bos_id, eos_token_id=eos_id)
    return model


def _write_numbers(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> None:
    """Let the embeddings of the numbers start with their digits and their size in them.

    From random embeddings sums are learnt pair by pair; from these also digit by digit, in fewer steps.
    They are ordinary weights afterwards, trained as all others.
    """
    largest = max(int(token) for token in tokenizer.get_vocab() if token.isdigit())
    rows = torch.tensor([token_id(tokenizer, str(number)) for number in range(largest + 1)])
    number = torch.arange(largest + 1)
    weight = model.get_parameter("model.embed_tokens.weight")
    hidden = model.config.hidden_size
    scale = hidden**-0.5
    tens, ones, own = (torch.randn(n, hidden) for n in (largest // 10 + 1, 10, largest + 1))
    # Clocks of ten, a hundred and so on beside the digits: adding turns their hands.
    angle = 2 * torch.pi * number[:, None] / torch.tensor([10, 10, 5, 5, 100, 100, 50, 200, 400, 800])
    hands = torch.cat([angle.cos(), angle.sin()], dim=1)[:, : hidden // 4]
    with torch.no_grad():
        weight[rows] = scale * (0.7 * (tens[number // 10] + ones[number % 10]) + 0.2 * own)
        weight[rows, : hands.shape[1]] = 2 * scale * hands


def token_id(tokenizer: PreTrainedTokenizerFast, token: str) -> int:
    """Id of one token."""
    found = tokenizer.convert_tokens_to_ids(token)
    if not isinstance(found, int):
        raise TypeError(f"{token!r} is not one token")
    return found
