"""What MetaMath's recipe decides about single questions and solutions."""

import pytest

from datagen.recipes.metamath import styled


@pytest.mark.parametrize("ending", ["#### 24", "The answer is: 24", "the answer is 24."])
def test_a_solution_ends_in_the_style_asked_for_however_it_ended_before(ending: str) -> None:
    assert styled(f"2*3*4 = 24\n{ending}\n", answer="24", style="metamath") == "2*3*4 = 24\nThe answer is: 24"
    assert styled(f"2*3*4 = 24\n{ending}", answer="24", style="gsm8k") == "2*3*4 = 24\n#### 24"
