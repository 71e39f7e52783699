"""Figures of `augment`: what became of each method's questions."""

from datagen.report.charts import Series, columns, number
from datagen.report.figure import Figure, Json


def augmentation_figures(methods: Json) -> list[Figure]:
    """Charts of a manifest's `methods`."""
    made = {name: of for name, of in methods.items() if of.get("questions")}
    if not made:
        return []
    names = list(made)
    accepted = [made[name]["accepted"] for name in names]
    rejected = [made[name]["questions"] - made[name]["accepted"] for name in names]
    said = ", ".join(f"{name} {number(made[name]['accepted'])} of {number(made[name]['questions'])}" for name in names)
    header = ("method", "problems", "questions", "accepted", "solutions", "question, chars", "diversity gain")
    return [
        Figure(
            "Questions by method",
            columns(
                names,
                [Series("accepted", "good", accepted), Series("rejected", "bad", rejected)],
                label=f"Questions accepted: {said}",
                x="method",
                y="questions",
            ),
            f"Accepted: {said}.",
            header,
            [
                (
                    name,
                    number(of["problems"]),
                    number(of["questions"]),
                    number(of["accepted"]),
                    number(of["solutions"]),
                    _value(of.get("mean_question_chars"), 0),
                    _value((of.get("diversity_gain") or {}).get("mean"), 3),
                )
                for name, of in made.items()
            ],
        )
    ]


def _value(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"
