"""How many of GSM8K's annotated equations are found again in the running text, once the annotations are taken out.

python benchmarks/equations.py
"""

import re
import time
from collections import Counter

from made_candidates import gsm8k

from datagen.equations.find import find_equations

ANNOTATION = re.compile(r"<<[^<>]*>>")


def main() -> None:
    """Compare the two lists of every solution as multisets, and time the finder."""
    annotated = found = again = false = 0
    seconds = 0.0
    for problem in gsm8k("train"):
        rationale = problem.rationale or ""
        expected = Counter(equation.normalised for equation in find_equations(rationale) if "<<" in rationale)
        started = time.process_time()
        equations = find_equations(ANNOTATION.sub("", rationale))
        seconds += time.process_time() - started
        annotated += expected.total()
        found += len(equations)
        again += (expected & Counter(equation.normalised for equation in equations)).total()
        false += sum(equation.holds is False for equation in equations)
    print(f"{annotated:,} annotated equations; {again:,} found again in the text ({100 * again / annotated:.1f} %)")
    print(f"{found:,} equations found in all, {false:,} of them false; {1000 * seconds / 7473:.2f} ms a solution")


if __name__ == "__main__":
    main()
