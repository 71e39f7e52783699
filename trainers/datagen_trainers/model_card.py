"""The model card that a training run leaves beside its weights."""

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from datagen_schemas.example import Example

_CARD = """\
---
{library}pipeline_tag: text-generation
tags: [datagen]
---

# A model trained with datagen

{what}

Trained from `{base}` on {data} ({sources}).

```bash
{commands}
```

| setting | value |
|---|---|
{settings}
{results}
```bibtex
{papers}
```
"""

AFT_PAPER = """\
@article{wang2023making,
  title={Making Large Language Models Better Reasoners with Alignment},
  author={Wang, Peiyi and Li, Lei and Chen, Liang and Song, Feifan and Lin, Binghuai and Cao, Yunbo and Liu, Tianyu and Sui, Zhifang},
  journal={arXiv preprint arXiv:2309.02144},
  year={2023}
}"""  # noqa: E501  # BibTeX keeps an author list on one line

RFT_PAPER = """\
@article{yuan2023scaling,
  title={Scaling Relationship on Learning Mathematical Reasoning with Large Language Models},
  author={Yuan, Zheng and Yuan, Hongyi and Li, Chengpeng and Dong, Guanting and Tan, Chuanqi and Zhou, Chang},
  journal={arXiv preprint arXiv:2308.01825},
  year={2023}
}"""

SEGMENTATION_PAPER = """\
@inproceedings{cambrin2024beyond,
  title={Beyond Accuracy Optimization: Computer Vision Losses for Large Language Model Fine-Tuning},
  author={Rege Cambrin, Daniele and Gallipoli, Giuseppe and Benedetto, Irene and Cagliero, Luca and Garza, Paolo},
  booktitle={Findings of the Association for Computational Linguistics: EMNLP 2024},
  pages={12060--12079},
  year={2024}
}"""


def prompt_of(examples: Iterable[Example]) -> str | None:
    """The template that all gold paths are asked with; None if there are several, or it is not known."""
    names = {example.provenance.prompt_id for example in examples if example.source == "gold"}
    return names.pop() if len(names) == 1 else None


def model_card(
    *,
    what: str,
    base: str,
    data: str,
    sources: Mapping[str, int],
    command: str,
    out: Path,
    settings: Mapping[str, object],
    results: Mapping[str, float] | None = None,
    prompt: str | None = None,
    papers: Sequence[str] = (AFT_PAPER, RFT_PAPER),
) -> str:
    """Markdown with the loss, the data, the commands, the settings, the last logged numbers and the papers to cite.

    Args:
        what: the method.
        base: folder or Hub id of the model at the start; the Hub links the latter.
        data: how much of what.
        sources: examples or responses by where they come from.
        command: that trained; empty where no command did.
        out: the model's folder.
        settings: of the run; `lora_merge` tells an adapter from a whole model.
        results: the last logged numbers.
        prompt: name of the template of the prompts, where it is known; see `prompt_of`.
        papers: BibTeX.
    """
    is_adapter = settings.get("lora_r") is not None and not settings.get("lora_merge")
    is_hub_id = re.fullmatch(r"[\w.-]+/[\w.-]+", base) is not None and not Path(base).exists()
    asked = f" --prompt {shlex.quote(prompt)}" if prompt not in (None, "plain") else ""
    if settings.get("chat"):
        asked = " --api chat --prompt plain"
    evaluation = f"datagen eval {shlex.quote(str(out))} --backend transformers{asked} --dataset gsm8k --split test"
    logged = "".join(f"| {name} | {value:.4g} |\n" for name, value in (results or {}).items())
    return _CARD.format(
        what=what,
        library=f"library_name: {'peft' if is_adapter else 'transformers'}\n"
        + (f"base_model: {base}\n" if is_hub_id else ""),
        base=base,
        data=data,
        commands="\n".join(filter(None, (command, evaluation))),
        sources=", ".join(f"{count} {source}" for source, count in sorted(sources.items())),
        settings="\n".join(f"| {name} | {json.dumps(value)} |" for name, value in settings.items()),
        papers="\n".join(papers),
        results=f"\n| at the end of training | |\n|---|---|\n{logged}\n" if logged else "\n",
    )
