"""What all models share: strict requests, texts without NUL, identifiers, instants with a zone."""

from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

NO_NUL = r"^[^\x00]*$"
NOT_BLANK = r"^[^\x00]*[^\s\x00][^\x00]*$"

ShortText = Annotated[str, Field(max_length=512, pattern=NO_NUL)]
LongText = Annotated[str, Field(max_length=32_768, pattern=NO_NUL)]
Heading = Annotated[str, Field(min_length=1, max_length=512, pattern=NOT_BLANK)]
Written = Annotated[str, Field(min_length=1, max_length=32_768, pattern=NOT_BLANK)]
Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._@:+-]*$")]
IncidentId = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[!-~]+$", examples=["INC-20270104-00042"])]
Instant = Annotated[AwareDatetime, Field(examples=["2027-01-04T09:00:00Z"])]
Tags = Annotated[
    dict[
        Annotated[str, Field(min_length=1, max_length=128, pattern=NO_NUL)],
        Annotated[str, Field(max_length=1024, pattern=NO_NUL)],
    ],
    Field(max_length=100),
]
Labels = Annotated[list[Annotated[str, Field(max_length=256, pattern=NO_NUL)]], Field(max_length=100)]
Free = dict[str, Any]


class Request(BaseModel):
    """A body that a client sends: unknown members are refused, and types are not guessed."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Answer(BaseModel):
    """A body that we send."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """An error (RFC 9457). ``code`` is stable; other members are facts of the error."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="A URN that names the kind of problem.")
    title: str = Field(description="The status in words.")
    status: int = Field(ge=400, le=599)
    detail: str = Field(description="What is wrong, with which value, and what would be right.")
    code: str = Field(description="Stable, for programs.", examples=["invalid_transition"])
    errors: list["Fault"] | None = Field(default=None, description="Of wrong input: every field at fault.")
    allowed_actions: list[str] | None = Field(default=None, description="Of `invalid_transition`: what is allowed now.")


class Fault(Answer):
    """One thing wrong with one field."""

    field: str = Field(description="The path of the member or parameter.", examples=["resource.id"])
    message: str = Field(description="What is wrong and how to put it right.")
