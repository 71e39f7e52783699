"""The model card that a training run leaves beside its weights."""

import json
from collections.abc import Mapping, Sequence

_CARD = """\
---
library_name: transformers
pipeline_tag: text-generation
tags: [datagen]
---

# A model trained with datagen

{what}

Trained from `{base}` on {data} ({sources}).

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


def model_card(
    *,
    what: str,
    base: str,
    data: str,
    sources: Mapping[str, int],
    settings: Mapping[str, object],
    results: Mapping[str, float] | None = None,
    papers: Sequence[str] = (AFT_PAPER, RFT_PAPER),
) -> str:
    """Markdown with the loss, the data, the settings, the last logged numbers and the papers to cite."""
    logged = "".join(f"| {name} | {value:.4g} |\n" for name, value in (results or {}).items())
    return _CARD.format(
        what=what,
        base=base,
        data=data,
        sources=", ".join(f"{count} {source}" for source, count in sorted(sources.items())),
        settings="\n".join(f"| {name} | {json.dumps(value)} |" for name, value in settings.items()),
        papers="\n".join(papers),
        results=f"\n| at the end of training | |\n|---|---|\n{logged}\n" if logged else "\n",
    )
