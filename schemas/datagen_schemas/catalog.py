"""Every record by the name that `datagen schema NAME` and `datagen validate` use."""

from datagen_schemas.alignment import AlignmentGroup
from datagen_schemas.augmented import AugmentationCount, Augmented, RejectedQuestion
from datagen_schemas.candidate import Candidate
from datagen_schemas.example import Example
from datagen_schemas.mixed import MixedExample, MixedGroup, MixedPreference, NearDuplicate
from datagen_schemas.preference import Preference
from datagen_schemas.problem import Problem
from datagen_schemas.provenance import Provenance
from datagen_schemas.rating import RankedGroup, Rating
from datagen_schemas.record import Record

RECORDS: dict[str, type[Record]] = {
    "problem": Problem,
    "candidate": Candidate,
    "rating": Rating,
    "ranked-group": RankedGroup,
    "alignment-group": AlignmentGroup,
    "preference": Preference,
    "example": Example,
    "augmented": Augmented,
    "mixed-example": MixedExample,
    "mixed-group": MixedGroup,
    "mixed-preference": MixedPreference,
    "near-duplicate": NearDuplicate,
    "rejected-question": RejectedQuestion,
    "augmentation-count": AugmentationCount,
    "provenance": Provenance,
}
