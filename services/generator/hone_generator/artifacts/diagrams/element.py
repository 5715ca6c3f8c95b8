"""What the elements of every diagram have: the words that say so."""

from pydantic import BaseModel, ConfigDict


class Element(BaseModel):
    """``evidence`` quotes the requirements; what nobody said has none."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    evidence: str = ""


class Diagram(BaseModel):
    """Names are free text here; what is used need not be declared: that is for the checks to find."""

    model_config = ConfigDict(frozen=True, extra="forbid")
