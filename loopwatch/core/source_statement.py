"""Source text as it is told: without indentation, and without comments."""

import io
import tokenize


def statement(text: str) -> str:
    """Return the code of one line or more; what is nothing but a comment is returned as it is."""
    text = text.strip()
    if "#" not in text:
        return text
    lines = text.splitlines()
    for row, column in comments(text):
        lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join(lines).strip() or text


def comments(text: str) -> list[tuple[int, int]]:
    """Return row and column of each comment; `#` within a string begins none."""
    found = []
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                found.append(token.start)
            elif token.type == tokenize.ERRORTOKEN and token.string in "'\"":
                break  # within a string that began on another line: before Python 3.12
    except (tokenize.TokenError, SyntaxError):  # a part of a longer statement
        pass
    return found
