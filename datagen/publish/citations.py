"""The papers behind a data set, as BibTeX: those of its sources, and of the methods that made its rows."""

from collections.abc import Iterable

_RFT = """@article{yuan2023scaling,
  title   = {Scaling Relationship on Learning Mathematical Reasoning with Large Language Models},
  author  = {Yuan, Zheng and Yuan, Hongyi and Li, Chengpeng and Dong, Guanting and Lu, Keming and Tan, Chuanqi and
             Zhou, Chang and Zhou, Jingren},
  journal = {arXiv preprint arXiv:2308.01825},
  year    = {2023}
}"""
_AFT = """@article{wang2023making,
  title   = {Making Large Language Models Better Reasoners with Alignment},
  author  = {Wang, Peiyi and Li, Lei and Chen, Liang and Song, Feifan and Lin, Binghuai and Cao, Yunbo and
             Liu, Tianyu and Sui, Zhifang},
  journal = {arXiv preprint arXiv:2309.02144},
  year    = {2023}
}"""
_METAMATH = """@article{yu2023metamath,
  title   = {{MetaMath}: Bootstrap Your Own Mathematical Questions for Large Language Models},
  author  = {Yu, Longhui and Jiang, Weisen and Shi, Han and Yu, Jincheng and Liu, Zhengying and Zhang, Yu and
             Kwok, James T. and Li, Zhenguo and Weller, Adrian and Liu, Weiyang},
  journal = {arXiv preprint arXiv:2309.12284},
  year    = {2023}
}"""
_FOBAR = """@article{jiang2023forward,
  title   = {Forward-Backward Reasoning in Large Language Models for Mathematical Verification},
  author  = {Jiang, Weisen and Shi, Han and Yu, Longhui and Liu, Zhengying and Zhang, Yu and Li, Zhenguo and
             Kwok, James T.},
  journal = {arXiv preprint arXiv:2308.07758},
  year    = {2023}
}"""
_SELF_VERIFICATION = """@article{weng2022large,
  title   = {Large Language Models are Better Reasoners with Self-Verification},
  author  = {Weng, Yixuan and Zhu, Minjun and Xia, Fei and Li, Bin and He, Shizhu and Liu, Shengping and
             Sun, Bin and Liu, Kang and Zhao, Jun},
  journal = {arXiv preprint arXiv:2212.09561},
  year    = {2022}
}"""
_GSM8K = """@article{cobbe2021training,
  title   = {Training Verifiers to Solve Math Word Problems},
  author  = {Cobbe, Karl and Kosaraju, Vineet and Bavarian, Mohammad and Chen, Mark and Jun, Heewoo and
             Kaiser, Lukasz and Plappert, Matthias and Tworek, Jerry and Hilton, Jacob and Nakano, Reiichiro and
             Hesse, Christopher and Schulman, John},
  journal = {arXiv preprint arXiv:2110.14168},
  year    = {2021}
}"""
_SVAMP = """@inproceedings{patel2021nlp,
  title     = {Are {NLP} Models really able to Solve Simple Math Word Problems?},
  author    = {Patel, Arkil and Bhattamishra, Satwik and Goyal, Navin},
  booktitle = {Proceedings of NAACL-HLT 2021},
  year      = {2021}
}"""
_AQUA = """@inproceedings{ling2017program,
  title     = {Program Induction by Rationale Generation: Learning to Solve and Explain Algebraic Word Problems},
  author    = {Ling, Wang and Yogatama, Dani and Dyer, Chris and Blunsom, Phil},
  booktitle = {Proceedings of ACL 2017},
  year      = {2017}
}"""
_MATHQA = """@inproceedings{amini2019mathqa,
  title     = {{MathQA}: Towards Interpretable Math Word Problem Solving with Operation-Based Formalisms},
  author    = {Amini, Aida and Gabriel, Saadia and Lin, Shanchuan and Koncel-Kedziorski, Rik and Choi, Yejin and
               Hajishirzi, Hannaneh},
  booktitle = {Proceedings of NAACL-HLT 2019},
  year      = {2019}
}"""
_MATH = """@article{hendrycks2021measuring,
  title   = {Measuring Mathematical Problem Solving With the {MATH} Dataset},
  author  = {Hendrycks, Dan and Burns, Collin and Kadavath, Saurav and Arora, Akul and Basart, Steven and
             Tang, Eric and Song, Dawn and Steinhardt, Jacob},
  journal = {arXiv preprint arXiv:2103.03874},
  year    = {2021}
}"""
_ECQA = """@inproceedings{aggarwal2021explanations,
  title     = {Explanations for {CommonsenseQA}: New Dataset and Models},
  author    = {Aggarwal, Shourya and Mandowara, Divyanshu and Agrawal, Vishwajeet and Khandelwal, Dinesh and
               Singla, Parag and Garg, Dinesh},
  booktitle = {Proceedings of ACL-IJCNLP 2021},
  year      = {2021}
}"""
_OPENBOOKQA = """@inproceedings{mihaylov2018can,
  title     = {Can a Suit of Armor Conduct Electricity? A New Dataset for Open Book Question Answering},
  author    = {Mihaylov, Todor and Clark, Peter and Khot, Tushar and Sabharwal, Ashish},
  booktitle = {Proceedings of EMNLP 2018},
  year      = {2018}
}"""
_HELLASWAG = """@inproceedings{zellers2019hellaswag,
  title     = {{HellaSwag}: Can a Machine Really Finish Your Sentence?},
  author    = {Zellers, Rowan and Holtzman, Ari and Bisk, Yonatan and Farhadi, Ali and Choi, Yejin},
  booktitle = {Proceedings of ACL 2019},
  year      = {2019}
}"""
OF_SOURCE = {
    "gsm8k": _GSM8K,
    "svamp": _SVAMP,
    "aqua": _AQUA,
    "mathqa": _MATHQA,
    "math": _MATH,
    "ecqa": _ECQA,
    "openbookqa": _OPENBOOKQA,
    "hellaswag": _HELLASWAG,
}
OF_STAGE = {"rft": (_RFT,), "rank": (_AFT,), "groups": (_AFT,), "corrupt": (_AFT,), "augment": (_METAMATH,)}
OF_METHOD = {"fobar": (_FOBAR,), "sv": (_SELF_VERIFICATION,)}  # of `datagen augment`, whose own paper is MetaMath's


def citations(*, sources: Iterable[str], stages: Iterable[str], methods: Iterable[str] = ()) -> list[str]:
    """BibTeX of what was used and of nothing else, each once: the sources first.

    Args:
        sources: their `cite` in the table of licences.
        stages: the commands that ran.
        methods: of `datagen augment`.
    """
    found = [OF_SOURCE[name] for name in sources if name in OF_SOURCE]
    found += [paper for stage in stages for paper in OF_STAGE.get(stage, ())]
    found += [paper for method in methods for paper in OF_METHOD.get(method, ())]
    return list(dict.fromkeys(found))
