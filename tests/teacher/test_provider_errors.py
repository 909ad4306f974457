"""Errors in the manner of many providers: which are of the prompt, which of every request, and which pass."""

import json

import pytest

from r1k.teacher.protocol.provider_errors import classify_error
from r1k.teacher.protocol.remedies import remedy
from r1k.teacher.protocol.responses import read_error


def openai(message, code=None, kind="invalid_request_error", param=None):
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


AZURE = {
    "error": {
        "message": "The response was filtered. Please modify your prompt and retry.",
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": {
            "code": "ResponsibleAIPolicyViolation",
            "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
        },
    }
}
BEHIND_GATEWAY = {
    "error": {
        "message": "Provider returned error",
        "code": 400,
        "metadata": {"raw": json.dumps(openai("Content Exists Risk")), "provider_name": "DeepSeek"},
    }
}

CONTENT = [
    (400, openai("Content Exists Risk", "invalid_request_error")),
    (400, AZURE),
    (400, openai("Your request was rejected as a result of our safety system.", "content_policy_violation")),
    (
        400,
        openai("Invalid prompt: your prompt was flagged as potentially violating our usage policy.", "invalid_prompt"),
    ),
    (403, {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["violence"]}}}),
    (403, {"error": {"code": 403, "message": "Forbidden", "metadata": {"flagged_input": "How do I bu..."}}}),
    (400, BEHIND_GATEWAY),
    (400, {"code": "data_inspection_failed", "message": "Input data may contain inappropriate content."}),
    (400, {"error": {"code": "1301", "message": "系统检测到输入或生成内容可能包含不安全或敏感内容"}}),
    (400, {"contentFilter": [{"level": 1, "role": "user"}], "error": {"code": "x", "message": "no"}}),
    (400, openai("The request was rejected because it was considered high risk", kind="content_filter")),
    (451, openai("The content you provided or machine outputted is blocked.", kind="censorship_blocked")),
    (400, {"error": {"code": "InputTextSensitiveContentDetected", "message": "may contain sensitive information"}}),
    (400, [{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "blocked due to safety reasons"}}]),
    (403, openai("Request blocked")),
    (422, {"message": "Your prompt violates our terms of service", "object": "error"}),
    (400, openai("We've encountered an issue with repetitive patterns in your prompt.")),
    (500, openai("litellm.ContentPolicyViolationError: content management policy")),
    (None, {"choices": None, "base_resp": {"status_code": 1026, "status_msg": "input new_sensitive"}}),
    (None, {"choices": [], "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}),
]
CONTEXT = [
    (400, openai("This model's maximum context length is 65536 tokens.", "context_length_exceeded", param="messages")),
    (400, openai("Invalid 'messages[0].content': string too long.", "string_above_max_length", param="messages")),
    (
        400,
        {
            "object": "error",
            "type": "BadRequestError",
            "code": 400,
            "message": "'max_tokens' is too large: 32768. "
            "This model's maximum context length is 32768 tokens and your request has 120 input tokens",
        },
    ),
    (400, {"object": "error", "message": "The decoder prompt (length 70000) is longer than the maximum model length"}),
    (
        400,
        {"type": "error", "error": {"type": "invalid_request_error", "message": "prompt is too long: 213462 tokens"}},
    ),
    (422, {"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096", "error_type": "v"}),
    (400, {"code": "InvalidParameter", "message": "Range of input length should be [1, 30720]"}),
    (
        400,
        {"error": {"code": 400, "type": "exceed_context_size_error", "message": "exceeds the available context size"}},
    ),
    (
        400,
        [{"error": {"code": 400, "message": "The input token count (1200000) exceeds the maximum number of tokens"}}],
    ),
    (413, openai("Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 9000")),
    (
        429,
        openai(
            "Request too large for gpt-4 on tokens per min (TPM): Limit 10000, Requested 12000", "rate_limit_exceeded"
        ),
    ),
    (413, "<html><h1>413 Request Entity Too Large</h1></html>"),
]
RUN = [
    (401, openai("Incorrect API key provided: content policy", "invalid_api_key"), "key"),
    (400, [{"error": {"code": 400, "message": "API key not valid. Please pass a valid API key."}}], "key"),
    (403, openai("Your account was deactivated for violating our usage policies"), "key"),
    (402, openai("Insufficient Balance"), "credit"),
    (429, openai("You exceeded your current quota, please check your plan", "insufficient_quota"), "credit"),
    (400, openai("Your credit balance is too low to access the API"), "credit"),
    (
        400,
        {"code": "Arrearage", "message": "Access denied, please make sure your account is in good standing."},
        "credit",
    ),
    (403, openai("Country, region, or territory not supported", "unsupported_country_region_territory"), "permission"),
    (403, "<html>Attention Required! content security by a gateway: you have been blocked</html>", "permission"),
    (404, openai("The model `x` does not exist", "model_not_found"), "address"),
    (302, "<html>Moved</html>", "address"),
    (404, openai("No endpoints found matching your data policy"), "address"),
    (400, openai("Model Not Exist"), "address"),
    (400, openai("x is not a valid model ID"), "address"),
    (400, openai("Unknown parameter: 'foo'.", "unknown_parameter", param="foo"), "parameter"),
    (400, openai("Unrecognized request argument supplied: foo"), "parameter"),
    (
        422,
        {"detail": [{"type": "extra_forbidden", "loc": ["body", "foo"], "msg": "Extra inputs are not permitted"}]},
        "parameter",
    ),
    (400, openai("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"), "parameter"),
    (
        400,
        openai(
            "max_tokens is too large: 100000. This model supports at most 16384 completion tokens",
            "invalid_value",
            param="max_tokens",
        ),
        "parameter",
    ),
    (
        400,
        openai("'temperature' does not support 0 with this model.", "unsupported_value", param="temperature"),
        "parameter",
    ),
]
TRANSIENT = [
    (429, openai("Rate limit reached for requests", "rate_limit_exceeded")),
    (400, {"__type": "ThrottlingException", "message": "Too many tokens, please wait before trying again."}),
    (500, openai("The number of tokens per minute exceeds the limit of 60000")),
    (None, {"error": {"type": "rate_limit_error", "message": "input tokens exceed the limit"}}),
    (429, [{"error": {"code": 429, "message": "You exceeded your current quota", "status": "RESOURCE_EXHAUSTED"}}]),
    (500, openai("The server had an error while processing your request")),
    (503, openai("The model is currently overloaded and not available")),
    (502, "<html>Bad gateway: blocked by content security</html>"),
    (504, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"),
    (529, {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}),
    (408, ""),
    (None, {"error": {"code": 429, "message": "Worker local total request limit reached (33/32)"}}),
    (None, {"error": {"message": "upstream"}}),
    (None, {"error": "shard lost"}),
]


@pytest.mark.parametrize(("status", "body"), CONTENT)
def test_a_filtered_prompt_is_a_refusal_of_this_prompt(status, body):
    error = classify_error(status, body)
    assert (error.scope, error.cause, error.finish_reason) == ("prompt", "content", "content_filter")
    assert error.message != "no message"


@pytest.mark.parametrize(("status", "body"), CONTEXT)
def test_a_prompt_that_is_too_long_is_a_refusal_of_this_prompt(status, body):
    error = classify_error(status, body)
    assert (error.scope, error.cause, error.finish_reason) == ("prompt", "context", "context_length")


@pytest.mark.parametrize(("status", "body", "cause"), RUN)
def test_an_error_of_every_request_ends_the_run(status, body, cause):
    error = classify_error(status, body)
    assert (error.scope, error.cause) == ("run", cause)


@pytest.mark.parametrize(("status", "body"), TRANSIENT)
def test_a_passing_error_is_retried(status, body):
    assert classify_error(status, body).scope == "transient"


@pytest.mark.parametrize("status", [400, 406, 422, 451])
def test_an_unknown_error_of_a_client_may_be_of_this_prompt(status):
    error = classify_error(status, openai("computer says no"))
    assert (error.scope, error.finish_reason, error.message) == ("prompt", "rejected", "computer says no")


def test_an_invalid_value_within_the_prompt_is_of_this_prompt():
    error = classify_error(400, openai("Invalid value in 'messages[0].content'", "invalid_value", param="messages[0]"))
    assert (error.scope, error.finish_reason) == ("prompt", "rejected")
    assert classify_error(400, openai("Invalid token <|endoftext|> in prompt")).scope == "prompt"


def test_the_prompt_that_an_error_repeats_is_not_searched():
    body = {"detail": [{"type": "extra_forbidden", "msg": "Extra inputs are not permitted", "input": "context length"}]}
    assert classify_error(422, body).cause == "parameter"


def test_the_message_of_the_provider_behind_a_gateway_is_kept():
    assert classify_error(400, BEHIND_GATEWAY).message == "Provider returned error Content Exists Risk"
    assert read_error(400, '{"error": "too bad"}').message == "too bad"
    assert read_error(400, "too bad").message == "too bad"
    assert read_error(400, "").message == "no message"
    assert len(read_error(400, "x" * 9999).message) == 500
    assert read_error(400, '{"error": {"message": "no \\ud83d"}}').message == "no \ufffd"


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (400, openai("max_tokens must be at most 8192"), "lower teacher.max_tokens"),
        (400, openai("unsupported parameter: stream_options"), "set teacher.client.stream to false"),
        (400, openai("temperature is not supported"), "correct teacher.temperature"),
        (400, openai("Model Not Exist"), "correct teacher.base_url or teacher.model"),
        (
            400,
            openai("Unknown parameter", "unknown_parameter"),
            "correct teacher.model, teacher.max_tokens or teacher.temperature",
        ),
    ],
)
def test_the_remedy_is_that_of_the_cause(status, body, expected):
    assert remedy(classify_error(status, body), "teacher", "m", "KEY") == expected
