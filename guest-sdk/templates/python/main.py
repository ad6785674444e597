"""The tool `{{name}}`."""


def main(name: str) -> str:
    """Greets somebody by name.

    Args:
        name: Whom to greet.
    """
    return f"Hello, {name}!"
