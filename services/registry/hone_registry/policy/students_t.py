"""How far from an estimate the truth may lie when the spread itself is an estimate."""

from statistics import NormalDist

NORMAL = NormalDist()


def t_quantile(share: float, freedom: int) -> float:
    """Of Student's t. Abramowitz and Stegun, 26.7.5: within 0.01 from four degrees of freedom on."""
    z, n = NORMAL.inv_cdf(share), float(freedom)
    return (
        z
        + (z**3 + z) / (4 * n)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * n**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * n**3)
    )
