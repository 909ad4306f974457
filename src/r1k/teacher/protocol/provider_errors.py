"""What a provider's error means: this prompt is refused, every request would be, or the next attempt may succeed.

Providers agree on neither status nor code: a filtered prompt is HTTP 400 at OpenAI, Azure, DeepSeek and Alibaba, 403 at
OpenRouter, 451 at StepFun, and an `error` object within HTTP 200 or within a stream at some gateways. The names come
from the providers' documentation and from public bug reports.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from r1k.teacher.protocol.finish_reasons import CONTENT_FILTER, CONTEXT_LENGTH, REJECTED
from r1k.teacher.protocol.surrogates import valid_unicode

ErrorScope = Literal["prompt", "run", "transient"]
ErrorCause = Literal[
    "content", "context", "unknown", "key", "credit", "permission", "address", "parameter", "overload", "server"
]

FINISH_REASONS: dict[ErrorCause, str] = {
    "content": CONTENT_FILTER,
    "context": CONTEXT_LENGTH,
    "unknown": REJECTED,
}
"""Finish reason of the journal entry of a refused prompt."""
MAX_MESSAGE = 500
"""Characters of a provider's message that are kept."""

_CODE_KEYS = ("code", "type", "status", "error_type", "error_code", "status_code", "reason", "blockReason")
_MESSAGE_KEYS = ("message", "msg", "detail", "error", "error_msg", "status_msg", "error_message", "errors", "title")
_ECHO_KEYS = ("flagged_input", "input", "prompt", "content")
"""Keys whose values may repeat the prompt, which must not be searched."""

_FILTER_KEYS = ("flagged_input", "reasons", "contentFilter", "blockReason")
"""Keys that only the error of a filter has: OpenRouter's, Zhipu's and Google's."""

_CODES: dict[ErrorCause, str] = {
    "credit": "insufficient_quota insufficient_balance insufficient_credits billing_hard_limit_reached "
    "billing_not_active arrearage payment_required exceeded_current_quota_error 1113 1008",
    "key": "invalid_api_key authentication_error invalid_authentication account_deactivated api_key_invalid "
    "invalid_authentication_error unauthenticated 1004",
    "context": "context_length_exceeded string_above_max_length context_window_exceeded contextwindowexceedederror "
    "exceed_context_size_error input_too_long prompt_too_long request_too_large tokens_limit_reached "
    "max_context_length_exceeded 1261 1039",
    "content": "content_filter contentfilter content_policy_violation contentpolicyviolationerror content_policy "
    "responsibleaipolicyviolation invalid_prompt data_inspection_failed datainspectionfailed moderation_blocked "
    "moderation content_moderation moderation_error safety prohibited_content blocklist image_safety "
    "sensitivecontentdetected inputtextsensitivecontentdetected inputtextriskdetection censorship_blocked "
    "content_blocked content_risk prompt_blocked guardrail_intervened 1301 1026 1027",
    "address": "model_not_found model_not_exist invalid_model unknown_model modelnotfound model_not_supported "
    "deploymentnotfound",
    "parameter": "unknown_parameter unsupported_parameter unsupported_value invalid_parameter invalid_value "
    "invalid_type missing_required_parameter extra_forbidden integer_above_max_value integer_below_min_value "
    "decimal_above_max_value decimal_below_min_value unrecognized_parameter",
    "overload": "rate_limit_exceeded rate_limit_error overloaded_error engine_overloaded_error too_many_requests "
    "resource_exhausted 1302 1305",
}
_KNOWN_CODES: dict[str, ErrorCause] = {code: cause for cause, codes in _CODES.items() for code in codes.split()}

_PARAMETERS = r"max_(?:completion_|output_|new_)?tokens|temperature|top_p|stream(?:_options)?|response_format|seed"
_PATTERNS: dict[ErrorCause, tuple[str, ...]] = {
    "credit": (
        r"insufficient (?:account )?(?:balance|credits?|funds|quota)",
        r"credit balance is too low",
        r"(?:no|not enough|out of) credits?\b",
        r"in arrears|overdue[- ]payment",
        r"余额不足|欠费",
    ),
    "key": (
        r"(?:invalid|incorrect|expired|missing|no) (?:api|access|auth\w*|bearer)[ -]?(?:key|token)|api key not valid",
        r"(?:account|organization|access)\b.{0,40}\b(?:deactivated|suspended|terminated|disabled|banned)",
    ),
    "overload": (r"rate[- ]?limit|per (?:second|minute|min|day)\b|throttl|please wait|overloaded|too many requests",),
    "context": (
        r"context[ _](?:length|window|size|limit)",
        r"(?:prompt|input|request|messages?|string|content|conversation)\b.{0,60}\btoo (?:long|large)",
        r"too many (?:input |prompt )?tokens|prompt exceeds max",
        r"(?:longer|larger|more|greater) than the (?:maximum|model)",
        r"(?:input|prompt|tokens?)\b.{0,80}\bexceed\w*\b.{0,60}\b(?:max\w*|limit|length|tokens?)\b",
        r"exceed\w*\b.{0,60}\b(?:token limit|max(?:imum)?[ _](?:model|sequence|input|prompt|token|allowed))",
        r"range of input length|max_new_tokens`? must be <=|request (?:entity )?too large",
        r"must have (?:less|fewer) than \d+ tokens|reduce (?:the length|your prompt)",
        r"上下文长度|输入.{0,10}过长|超出.{0,12}长度",
    ),
    "content": (
        r"content exists risk|considered high[- ]risk|high[- ]risk (?:content|input|prompt)",
        r"content[ _-]*(?:management|polic|filter|moderation|safety|security|review|inspection|restriction)",
        r"responsible ?ai|moderation|guardrail|inappropriate|jailbreak|usage polic",
        r"\bflagged\b|\bcensor|\bharmful\b|\bprohibited\b|block ?reason",
        r"safety (?:system|filter|polic|guideline|reason|setting|check|concern)|(?:for|due to) safety",
        r"sensitive (?:content|words?|information|topic)|unsafe (?:content|input|prompt)",
        r"violat\w+\b.{0,60}\b(?:polic|terms|guideline|rules)|polic\w+ violation",
        r"\b(?:content|prompt|input|request|output)\b.{0,60}\b(?:blocked|filtered)|\bnsfw\b|\btoxic|self-harm",
        r"repetitive patterns?\b|(?:different|modify your|rephrase your) prompt",
        r"敏感|违规|违反|审核|不安全|风险",
    ),
    "address": (
        r"model\b.{0,80}\b(?:not exist|not found|unknown|not available|not supported|unsupported|decommissioned)",
        r"(?:unknown|invalid|unsupported|no such|not a valid) model|not a valid model",
    ),
    "parameter": (
        r"(?:unknown|unrecognized|unrecognised|unsupported|unexpected|invalid|extra|additional|missing)\b.{0,20}"
        r"\b(?:arguments?|parameters?|fields?|keys?|propert\w+)\b",
        r"(?:inputs?|fields?|properties) (?:are |is )?not (?:permitted|allowed)",
        rf"\b(?:{_PARAMETERS})\b.{{0,80}}(?:invalid|must|should|too (?:large|high)|range|not support|unsupported)",
        rf"\b(?:{_PARAMETERS})\b.{{0,80}}(?:at most|greater|less|exceed|deprecated)",
        rf"(?:invalid|unsupported|not support|range of|too large)\b.{{0,40}}\b(?:{_PARAMETERS})\b",
    ),
}
_MESSAGES = {cause: re.compile("|".join(each), re.IGNORECASE | re.DOTALL) for cause, each in _PATTERNS.items()}
_TOO_LARGE_FOR_RATE = re.compile(r"request too large", re.IGNORECASE)


@dataclass(frozen=True)
class ProviderError:
    """What an error means."""

    scope: ErrorScope
    """Whether it is of this prompt, of every request of the run, or may pass."""
    cause: ErrorCause
    message: str
    """The provider's message."""
    status: int | None = None
    parameter: str | None = None
    """The request's parameter that the error names."""

    @property
    def finish_reason(self) -> str:
        """The finish reason under which the refusal of a prompt is journalled."""
        return FINISH_REASONS[self.cause]


def classify_error(status: int | None, body: object) -> ProviderError:
    """Return what an error means, from its HTTP status and its body.

    `body` is parsed JSON, or text. `status` is None, or 200, for an error within a successful response or its stream:
    the error's own code then stands for it, if it is a status.
    """
    codes = {code.lower() for code in _codes(body)}
    if status is None or status < 300:
        status = next((int(code) for code in sorted(codes) if re.fullmatch(r"[45]\d\d", code)), None)
    cause = _cause(status, codes, _searched_text(body))
    if cause == "parameter" and _names_prompt(body):
        cause = "unknown"
    message = valid_unicode(_message(body) or "no message")[:MAX_MESSAGE]
    return ProviderError(_scope(cause), cause, message, status, _parameter(body, message))


def _scope(cause: ErrorCause) -> ErrorScope:
    if cause in FINISH_REASONS:
        return "prompt"
    return "transient" if cause in ("overload", "server") else "run"


def _cause(status: int | None, codes: set[str], text: str) -> ErrorCause:
    by_code = {_KNOWN_CODES[code] for code in codes if code in _KNOWN_CODES}
    match status:
        case 401:
            return "key"
        case 402:
            return "credit"
        case 404 | 301 | 302 | 303 | 307 | 308:
            return "address"
        case 429:
            if "credit" in by_code or _MESSAGES["credit"].search(text):
                return "credit"
            return "context" if _TOO_LARGE_FOR_RATE.search(text) else "overload"
        case 413:
            return "context"
        case 408 | 409 | 425:
            return "server"
    cause = _known_cause(by_code, text, is_server_error=status is not None and status >= 500)
    if cause is not None:
        return cause
    if status == 503:
        return "overload"
    if status is None or status >= 500:
        return "server"
    return "permission" if status == 403 else "unknown"


def _known_cause(by_code: set[ErrorCause], text: str, is_server_error: bool) -> ErrorCause | None:
    """Return the cause that an error's codes name, or else its words; None if neither is known."""
    for cause in _MESSAGES:
        if cause in by_code:
            return cause
    for cause, pattern in _MESSAGES.items():
        if pattern.search(text) and not (is_server_error and cause in ("address", "parameter")):
            return cause
    return None


def _fields(value: object, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the scalars of a body with their keys, at any depth; JSON within a text (`metadata.raw`) is opened."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name not in _ECHO_KEYS or isinstance(each, dict):
                yield from _fields(each, str(name))
    elif isinstance(value, list):
        for each in value:
            yield from _fields(each, key)
    elif isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            yield from _fields(json.loads(value), key)
        except ValueError:
            yield key, value
    else:
        yield key, value


def _codes(body: object) -> Iterator[str]:
    for key, value in _fields(body):
        if key in _CODE_KEYS and isinstance(value, str | int) and not isinstance(value, bool):
            yield str(value)
    if any(_has_key(body, key) for key in _FILTER_KEYS):
        yield CONTENT_FILTER


def _has_key(value: object, name: str) -> bool:
    if isinstance(value, dict):
        return name in value or any(_has_key(each, name) for each in value.values())
    return isinstance(value, list) and any(_has_key(each, name) for each in value)


def _searched_text(body: object) -> str:
    """Return the texts of a body; an HTML page is of a gateway, not of the provider."""
    if isinstance(body, str) and body.lstrip().startswith("<"):
        return ""
    return "\n".join(value for _, value in _fields(body) if isinstance(value, str))


def _message(body: object) -> str:
    """Return the provider's message, with that of the provider behind a gateway."""
    messages = [value for key, value in _fields(body) if isinstance(value, str) and (key in _MESSAGE_KEYS or not key)]
    raw = [value for key, value in _fields(body) if isinstance(value, str) and key == "raw"]
    found = " ".join(dict.fromkeys(text.strip() for text in messages + raw if text.strip()))
    return found or (json.dumps(body, ensure_ascii=False) if body else "")


def _names_prompt(body: object) -> bool:
    """Return whether the parameter that an error names holds the prompt."""
    named = (value for key, value in _fields(body) if key == "param" and isinstance(value, str))
    return any(re.match(r"messages|prompt|input|content", name) for name in named)


def _parameter(body: object, message: str) -> str | None:
    named = next((value for key, value in _fields(body) if key == "param" and isinstance(value, str)), None)
    if named is not None and re.fullmatch(_PARAMETERS, named):
        return named
    found = re.search(rf"\b(?:{_PARAMETERS})\b", message)
    return found[0] if found else None
