"""CPU work. It imports nothing, so that the process pool's worker starts quickly."""


def sum_of_squares(n: int) -> int:
    """Return 0² + 1² + ... + (n-1)², the slow way."""
    total = 0
    for i in range(n):
        total += i * i
    return total
