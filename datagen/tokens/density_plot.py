"""A drawing of densities over token ids on a logarithmic scale (Fig. 3 of the segmentation-loss paper), as SVG."""

import math
from collections.abc import Mapping
from html import escape

from datagen.tokens.imbalance import Density

WIDTH, HEIGHT = 760, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 50
DECADES = 6  # below the highest peak; what is lower lies on the axis
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito: told apart by all eyes
DASHES = ("none", "8 4", "2 3")  # once the colours are used up


def density_svg(densities: Mapping[str, Density], *, title: str) -> str:
    """One curve a data set; the names are text, whatever they hold.

    Args:
        densities: name of the data set -> its density, positive somewhere.
        title: above the drawing.
    """
    top = math.ceil(math.log10(max(max(of.density) for of in densities.values())))
    last = max(of.ids[-1] for of in densities.values())

    def x(token: float) -> float:
        return LEFT + token / last * (WIDTH - LEFT - RIGHT)

    def y(exponent: float) -> float:
        return TOP + min(top - exponent, DECADES) / DECADES * (HEIGHT - TOP - BOTTOM)

    parts = [_text(WIDTH / 2, 22, title, anchor="middle", size=15)]
    for exponent in range(top - DECADES, top + 1):
        parts.append(_line(LEFT, y(exponent), WIDTH - RIGHT, y(exponent)))
        parts.append(_text(LEFT - 8, y(exponent) + 4, f"1e{exponent}", anchor="end"))
    step = _tick(last)
    for tick in range(0, int(last) + 1, step):
        parts.append(_line(x(tick), HEIGHT - BOTTOM, x(tick), HEIGHT - BOTTOM + 5))
        parts.append(_text(x(tick), HEIGHT - BOTTOM + 19, f"{tick:,}", anchor="middle"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 10, "token id", anchor="middle"))
    for i, (name, of) in enumerate(densities.items()):
        colour, dash = COLOURS[i % len(COLOURS)], DASHES[i // len(COLOURS) % len(DASHES)]
        style = f'stroke="{colour}" stroke-width="1.6" stroke-dasharray="{dash}"'
        points = " ".join(
            f"{x(token):.1f},{y(math.log10(value) if value > 0 else -math.inf):.1f}"
            for token, value in zip(of.ids, of.density, strict=True)
        )
        parts.append(f'<polyline points="{points}" fill="none" {style}/>')
        at = TOP + 16 + 18 * i
        parts.append(f'<line x1="{WIDTH - 210}" y1="{at}" x2="{WIDTH - 185}" y2="{at}" {style}/>')
        parts.append(_text(WIDTH - 178, at + 4, name))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
        f'font-family="sans-serif" role="img">\n<title>{_escaped(title)}</title>\n'
        f'<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


def _tick(last: float) -> int:
    """A round distance of 4 to 10 ticks."""
    power = int(10 ** max(math.floor(math.log10(max(last, 1))) - 1, 0))
    return next(power * factor for factor in (1, 2, 5, 10, 20, 50) if last / (power * factor) <= 10)


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ccc"/>'


def _text(x: float, y: float, text: str, *, anchor: str = "start", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{_escaped(text)}</text>'


def _escaped(text: str) -> str:
    """Text that XML can hold: control characters and lone surrogates cannot even be escaped."""
    return escape("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text))
