"""What to do about an error that ends a run."""

from r1k.teacher.protocol.provider_errors import ProviderError


def remedy(error: ProviderError, section: str, model: str, key_variable: str) -> str:
    """Return what to correct after an error; `section` is that of the config, `key_variable` that of the API key."""
    match error.cause:
        case "key":
            return f"put a valid key in the environment variable {key_variable}"
        case "credit":
            return f"the account of the key in {key_variable} has no credit left: add credit"
        case "permission":
            return f"the key in {key_variable} may not use {model!r}: use another key or model"
        case "address":
            return f"correct {section}.base_url or {section}.model"
        case "context":
            return f"lower {section}.max_tokens, or use a model with a longer context"
    match error.parameter:
        case "stream" | "stream_options":
            return f"set {section}.client.stream to false"
        case "temperature":
            return f"correct {section}.temperature"
        case str(name) if "tokens" in name:
            return f"lower {section}.max_tokens"
    return f"correct {section}.model, {section}.max_tokens or {section}.temperature"
