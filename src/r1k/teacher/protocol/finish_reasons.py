"""The names that providers give to the end of an answer."""

from typing import Literal

FinishKind = Literal["complete", "truncated", "refused", "too_long", "rejected", "interrupted", "tool_call", "unknown"]

CONTENT_FILTER = "content_filter"
"""OpenAI's finish reason of a filtered answer; also that of a prompt that the provider refuses with an error."""
CONTEXT_LENGTH = "context_length"
"""Of a request that the provider refuses because prompt and `max_tokens` exceed the model's context."""
REJECTED = "rejected"
"""Of a request that the provider refuses for a reason that is not known to be of the prompt."""
NO_REASON = "none"
"""Of an answer without a finish reason."""

OVERLOADED = ("insufficient_system_resource", "overloaded")
"""Finish reasons of a request that the server dropped because of its load."""

_NAMES: dict[FinishKind, str] = {
    "complete": "stop eos eos_token end_turn end_of_turn stop_sequence stop_token end end_of_text complete completed "
    "done finish finished eot eot_id natural",
    "truncated": "length max_tokens max_output_tokens max_new_tokens max_completion_tokens max_length model_length "
    "output_length token_limit model_context_window_exceeded context_window_exceeded context_length_exceeded",
    "refused": "content_filter content_filtered contentfilter filtered safety refusal refused sensitive recitation "
    "blocklist blocked prohibited_content spii moderation content_policy content_policy_violation content_moderation "
    "risk_content guardrail guardrail_intervened guardrails censored error_toxic",
    "too_long": CONTEXT_LENGTH,
    "rejected": REJECTED,
    "interrupted": "insufficient_system_resource error abort aborted cancel cancelled canceled network_error timeout "
    "internal_error server_error model_error engine_error overloaded",
    "tool_call": "tool_calls tool_call tool_use function_call malformed_function_call unexpected_tool_call",
}
_KINDS: dict[str, FinishKind] = {name: kind for kind, names in _NAMES.items() for name in names.split()}


def finish_kind(reason: str) -> FinishKind:
    """Return what a finish reason means; `unknown` for a name that is not listed, and for an answer without one.

    Case, hyphens, and a prefix such as `FINISH_REASON_` or `FinishReason.` make no difference.
    """
    name = reason.strip().rpartition(".")[2].lower().replace("-", "_").replace(" ", "_")
    return _KINDS.get(name.removeprefix("finish_reason_"), "unknown")
