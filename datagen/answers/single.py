"""Whether a marked span states one number: not two of them, not a bound, and not what the answer is not.

"18 (9 * 2)" and "18 dollars, 2 more than before" explain one number. "18 or 20", "18 men and 20 women", "3 hours 20
minutes", "18 dollars to 20 dollars" and "18 if she sold them, else 20" state two; "less than 18" states none. The same
amount in another unit ("$18 per day, or $126 per week") is an explanation.
"""

import re

from datagen.equations.tokens import MEASURES

# Words that begin a clause of their own: a number after them is not joined to the one before.
_CLAUSE = (
    "because|since|as|so|for|if|where|which|when|after|before|from|by|than|that|but|while|at"
    "|is|are|was|were|will|would|has|have|had"
)
_WORDS = rf"(?:\s+(?!(?:or|and|nor|to|{_CLAUSE})\b)[^\W\d_]+\.?){{0,4}}"
_JOINED = re.compile(
    rf"(?P<unit>{_WORDS})(?P<mark>\s*[,(])?\s*\b(?P<how>or|and|nor|to)\s+(?:(?:about|maybe|perhaps|even)\s+)?"
    rf"(?:(?P<sign>[-−]?\s?\\?[$€£₹]?)\s?\.?[0-9][0-9.,]*|(?:a|one)[\s-](?:half|third|quarter)\b)(?P<other>{_WORDS})",
    re.IGNORECASE,
)
_SMALLER_UNIT = re.compile(r"\s*(?P<unit>[^\W\d_]+)\.?\s*,?\s*[0-9][0-9.,/]*\s*(?P<other>[^\W\d_]+)")
_CONDITION = re.compile(r"\b(?:only if|unless|else|otherwise)\b", re.IGNORECASE)
_DENIED = re.compile(r"(?:\b(?:not|never|cannot|neither)\b|n['’]t\b)(?:\s+[^\s,;:()]+){0,3}\s*\Z", re.IGNORECASE)
_BOUND = re.compile(
    r"\A\W*(?:(?:less|fewer|more|greater|larger|smaller|higher|lower|other) than|at (?:least|most)"
    r"|over|under|above|below|up to)(?:\s+or equal to)?\s*\Z",
    re.IGNORECASE,
)


def is_denied_or_bound(before: str) -> bool:
    """Whether the words before a number say that it is not the answer, or no more than a limit of it.

    A bound inside a sentence is left: "that she has to score at least 9 points" answers what is the least.
    """
    return _DENIED.search(before) is not None or _BOUND.search(before) is not None


def goes_on(number: str, rest: str) -> bool:
    """Whether what follows a number states a second one, or a condition under which it is another."""
    if _CONDITION.search(rest):
        return True
    smaller = _SMALLER_UNIT.match(rest)
    if smaller is not None and _is_same_dimension(smaller["unit"], smaller["other"]):
        return True
    joined = _JOINED.match(rest)
    if joined is None:
        return False
    money = "$" if number.lstrip("-− ").startswith(("$", "\\$", "€", "£", "₹")) else ""
    unit, other = money + joined["unit"].strip(), ("$" if (joined["sign"] or "").strip("-− ") else "")
    other += joined["other"].strip()
    is_in_other_unit = bool(unit and other) and unit.lower() != other.lower()
    if joined["how"].lower() == "to":
        return not is_in_other_unit
    if joined["how"].lower() == "or" and is_in_other_unit:
        return joined["mark"] is None and not _is_same_dimension(unit, other)
    return not (joined["how"].lower() == "and" and "(" in (joined["mark"] or ""))


def _is_same_dimension(unit: str, other: str) -> bool:
    """Hours and minutes; not dollars and hours, nor minutes twice."""
    unit, other = unit.lower().rstrip("."), other.lower().rstrip(".")
    return unit != other and unit in MEASURES and MEASURES[unit] == MEASURES.get(other)
