"""What a model thinks of responses: scores s(c), assessment accuracy (Eq. 3) and perplexity (AFT paper, Table 4).

The score is that of training: token-mean log-likelihood of the response and its end, the prompt excluded (Eq. 2).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from datagen_schemas.alignment import AlignmentGroup
from datagen_trainers.groups import TokenisedGroup, collate, tokenised
from datagen_trainers.layouts import lay_out
from datagen_trainers.load import LoadedModel, load_model
from datagen_trainers.metrics.assessment import assessment_accuracy, pair_counts
from datagen_trainers.metrics.intervals import Interval, bootstrap_interval
from datagen_trainers.metrics.perplexity import mean_perplexity, perplexity
from datagen_trainers.metrics.significance import bootstrap_ratio_interval
from datagen_trainers.response_log_probs import candidate_scores, check_head

NO_LIMIT = 1 << 30  # tokens


class QuestionScores(NamedTuple):
    """Scores of a question's responses; one too long for the model has none and is not here."""

    positives: tuple[float, ...]
    negatives: tuple[float, ...]
    n_too_long: int = 0


class QuestionPairs(NamedTuple):
    """Eq. 3 within one question."""

    n_correct: int
    n_pairs: int


class Assessment(NamedTuple):
    """Both metrics over questions, with their 95 % intervals over questions; NaN where there is nothing to measure."""

    macro: float  # mean over questions with a pair
    macro_interval: Interval
    micro: float  # over all pairs
    micro_interval: Interval
    n_questions: int  # with at least one pair
    n_pairs: int
    perplexity: float  # mean over all positives
    perplexity_interval: Interval
    n_positives: int
    n_too_long: int


def load_to_score(path: str) -> LoadedModel:
    """A model for scoring: on a GPU in its own type where there is one, else in float32 on the CPU.

    Raises:
        DataError: it cannot be loaded, or computes its logits in a way that we do not know.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    loaded = load_model(path, dtype="float32" if device == "cpu" else "auto")
    loaded.model.to(device)  # type: ignore[arg-type]  # transformers decorates `to` away
    loaded.model.eval()
    check_head(loaded.model)
    return loaded


@torch.no_grad()
def score_groups(
    groups: Sequence[AlignmentGroup],
    *,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[list[int]] | None = None,
    batch_size: int = 8,
    on_progress: Callable[[int], None] | None = None,
) -> list[QuestionScores]:
    """Scores of every group's responses, in the groups' order; a response with score > 0 is a positive.

    Args:
        groups: one per question, with feedback 1 or 0.
        model: in evaluation mode, on its device.
        tokenizer: the model's.
        prompts: token ids to read in place of each group's prompt, such as those of a chat template.
        batch_size: questions scored at a time.
        on_progress: told how many questions are done.

    Raises:
        DataError: the tokenizer has no end, or a prompt is empty.
    """
    context = getattr(model.config.get_text_config(), "max_position_embeddings", None) or NO_LIMIT
    fitting: list[TokenisedGroup] = []
    for i, group in enumerate(groups):
        every = tokenised(group.model_copy(update={"reference": None}), tokenizer, max_length=NO_LIMIT)
        prompt = every.prompt if prompts is None else prompts[i]
        fits = [len(prompt) + len(response) <= context for response in every.responses]
        fitting.append(
            every._replace(
                prompt=prompt,
                responses=[ids for ids, fit in zip(every.responses, fits, strict=True) if fit],
                scores=[score for score, fit in zip(every.scores, fits, strict=True) if fit],
                n_too_long=fits.count(False),
            )
        )
    # Questions of similar length share a batch, which saves padding; results go back to their places.
    order = [i for i, group in enumerate(fitting) if group.responses]
    order.sort(key=lambda i: len(fitting[i].prompt) + max(map(len, fitting[i].responses)))
    found = [QuestionScores((), (), group.n_too_long) for group in fitting]
    for at in range(0, len(order), batch_size):
        part = order[at : at + batch_size]
        layout = lay_out(collate([fitting[i] for i in part]), "padded").to(model.device)
        rows = candidate_scores(model, layout).double().tolist()
        for i, row in zip(part, rows, strict=True):
            scored = list(zip(row, fitting[i].scores, strict=False))  # the row goes on with padding
            found[i] = found[i]._replace(
                positives=tuple(s for s, feedback in scored if feedback > 0),
                negatives=tuple(s for s, feedback in scored if feedback <= 0),
            )
        if on_progress is not None:
            on_progress(at + len(part))
    return found


def question_pairs(questions: Sequence[QuestionScores]) -> list[QuestionPairs]:
    """Pairs (positive, negative) of each question, and those that the model puts in order, strictly."""
    if not questions:
        return []
    counts = pair_counts(*_padded(questions))
    return [QuestionPairs(int(n), int(of)) for n, of in zip(*(c.tolist() for c in counts), strict=True)]


def assess(questions: Sequence[QuestionScores], *, seed: int) -> Assessment:
    """Assessment accuracy and mean perplexity of the positives; `seed` is of the intervals."""
    pairs = [of for of in question_pairs(questions) if of.n_pairs]
    values = [[perplexity(s) for s in question.positives] for question in questions]
    accuracy = assessment_accuracy(*_padded(questions)) if pairs else None
    total = mean_perplexity([s for question in questions for s in question.positives])
    nan = float("nan")
    return Assessment(
        macro=accuracy.macro if accuracy else nan,
        macro_interval=bootstrap_interval([of.n_correct / of.n_pairs for of in pairs], seed=seed),
        micro=accuracy.micro if accuracy else nan,
        micro_interval=bootstrap_ratio_interval(
            [of.n_correct for of in pairs], [of.n_pairs for of in pairs], seed=seed
        ),
        n_questions=len(pairs),
        n_pairs=sum(of.n_pairs for of in pairs),
        perplexity=total.value,
        perplexity_interval=bootstrap_ratio_interval([sum(v) for v in values], [len(v) for v in values], seed=seed),
        n_positives=total.n,
        n_too_long=sum(question.n_too_long for question in questions),
    )


def _padded(questions: Sequence[QuestionScores]) -> tuple[Tensor, Tensor, Tensor]:
    """Scores, ranks and mask, (questions, k); float64 so that no tie is made here."""
    width = max(len(question.positives) + len(question.negatives) for question in questions)
    scores, ranks = torch.zeros(2, len(questions), width, dtype=torch.float64)
    valid = torch.zeros(len(questions), width, dtype=torch.bool)
    for i, question in enumerate(questions):
        row = [*question.positives, *question.negatives]
        scores[i, : len(row)] = torch.tensor(row, dtype=torch.float64)
        ranks[i, : len(question.positives)] = 1
        valid[i, : len(row)] = True
    return scores, ranks, valid
