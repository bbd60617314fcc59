"""metrics/headline.json, as it is read of a finished run."""

from pydantic import BaseModel, ConfigDict, FiniteFloat

HEADLINE = "metrics/headline.json"
WRITER = "compare"  # the stage that writes it


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True)


class Headline(_Strict):
    """What is read of metrics/headline.json; another version of the project may have written it otherwise."""

    class Model(_Strict):
        accuracy: FiniteFloat
        macro_f1: FiniteFloat

    class Gap(_Strict):
        accuracy: FiniteFloat
        low: FiniteFloat | None = None
        high: FiniteFloat | None = None

    class Leak(_Strict):
        near_duplicates: FiniteFloat

    class WithoutNetwork(_Strict):
        nearest_thumbnail: FiniteFloat

    candidate: Model
    control: Model
    gap: Gap
    leak: Leak
    without_network: WithoutNetwork
