"""The policies of tools, as SERVICES_FILE declares them."""

from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from tools.approval_policy import ApprovalMode, ArgumentRule, Effect, ToolPolicy


class RuleDeclaration(BaseModel):
    """`{ argument = "amount", operator = ">", value = 500, policy = "ask" }`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    argument: Annotated[str, Field(pattern=r"^[^.\s]+(\.[^.\s]+)*$")] = Field(
        description="Its name, or a path through objects: `order.amount`."
    )
    operator: Literal[">", ">=", "<", "<=", "==", "!="]
    value: StrictBool | StrictInt | StrictFloat | StrictStr
    policy: Literal["ask", "deny"]

    @model_validator(mode="after")
    def _can_be_evaluated(self) -> Self:
        self.rule()
        return self

    def rule(self) -> ArgumentRule:
        """The rule. Raises `ValueError` if it cannot be evaluated."""
        return ArgumentRule(self.argument, self.operator, self.value, ApprovalMode(self.policy))


class PolicyDeclaration(BaseModel):
    """`{ effect = "write", policy = "ask" }`: the whole policy of one tool."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    effect: Literal[Effect.READ, Effect.WRITE, Effect.EXTERNAL] = Field(
        description="What a call changes: nothing, the service's data, or more."
    )
    policy: ApprovalMode | None = Field(
        None, description="Default: `read` allow; `write` and `external` ask under Human identity, else deny."
    )
    rules: tuple[RuleDeclaration, ...] = Field((), description="A rule restricts the calls that it matches.")

    def value(self) -> ToolPolicy:
        """The policy."""
        return ToolPolicy(self.effect, self.policy, tuple(rule.rule() for rule in self.rules))
