"""The model card that a training run leaves beside its weights."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence

from datagen_schemas.example import Example

_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
tags: [datagen]
---

# A model trained with datagen

Vanilla fine-tuning (VFT): the next-token loss on the response and its end, not on the question. Trained from
`{base}` on {n} examples of {problems} problems ({sources}).

| setting | value |
|---|---|
{settings}

The loss is Eq. 1 of the first paper; examples marked as sampled were selected as in the second.

```bibtex
@article{{wang2023making,
  title={{Making Large Language Models Better Reasoners with Alignment}},
  author={{Wang, Peiyi and Li, Lei and Chen, Liang and Song, Feifan and Lin, Binghuai and Cao, Yunbo and Liu, Tianyu and Sui, Zhifang}},
  journal={{arXiv preprint arXiv:2309.02144}},
  year={{2023}}
}}
@article{{yuan2023scaling,
  title={{Scaling Relationship on Learning Mathematical Reasoning with Large Language Models}},
  author={{Yuan, Zheng and Yuan, Hongyi and Li, Chengpeng and Dong, Guanting and Tan, Chuanqi and Zhou, Chang}},
  journal={{arXiv preprint arXiv:2308.01825}},
  year={{2023}}
}}
```
"""  # noqa: E501  # BibTeX keeps an author list on one line


def model_card(examples: Sequence[Example], *, base: str, settings: Mapping[str, object]) -> str:
    """Markdown with the data, the settings and the papers to cite."""
    sources = Counter(example.source for example in examples)
    return _CARD.format(
        base=base,
        n=len(examples),
        problems=len({example.problem_id for example in examples}),
        sources=", ".join(f"{count} {source}" for source, count in sorted(sources.items())),
        settings="\n".join(f"| {name} | {json.dumps(value)} |" for name, value in settings.items()),
    )
