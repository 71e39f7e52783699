"""Where a row comes from."""

from pydantic import Field

from datagen_schemas.record import Record


class Provenance(Record):
    """How a text was made, in enough detail to make it again.

    There is no time in it: rows of the same inputs and seed are the same bytes. When a reply was made stands in the
    reply store, and when a dataset was made in its manifest.
    """

    stage: str = Field(description="Command that made the row: sample, rft, ...")
    model: str | None = Field(description="Model name; None for a gold path.")
    endpoint: str | None = Field(
        description="Base URL, or 'transformers', 'vllm'; the file for replies made elsewhere."
    )
    prompt_id: str | None
    prompt_sha256: str | None
    sampling: str | None = Field(description="Sampling parameters as a JSON object.")
    seed: int | None
    sample: int | None = Field(description="Index of the sample among those of its problem.")
    reply_key: str | None = Field(description="Key in the reply store.")
    parents: tuple[str, ...] = Field(description="Ids of the rows that this one was made from.")
    package_version: str

    @classmethod
    def of_stage(cls, stage: str, *, package_version: str, parents: tuple[str, ...] = ()) -> "Provenance":
        """Of a text that no model wrote."""
        return cls(
            stage=stage,
            model=None,
            endpoint=None,
            prompt_id=None,
            prompt_sha256=None,
            sampling=None,
            seed=None,
            sample=None,
            reply_key=None,
            parents=parents,
            package_version=package_version,
        )
