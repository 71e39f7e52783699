"""Names and nouns that the built-in word problems draw from; few, so that a tiny model meets each often."""

from random import Random

NAMES = ("Anna", "Ben", "Clara", "David", "Emma", "Frank", "Grace", "Henry", "Ivy", "Jack", "Kate", "Leo")

# (singular, plural). None starts with a vowel, so that "a" is right before each; every number shown is at least 2, so
# that the plural is right after each.
THINGS = (
    ("ball", "balls"),
    ("book", "books"),
    ("button", "buttons"),
    ("candle", "candles"),
    ("card", "cards"),
    ("coin", "coins"),
    ("cup", "cups"),
    ("flower", "flowers"),
    ("lemon", "lemons"),
    ("marble", "marbles"),
    ("peach", "peaches"),
    ("pear", "pears"),
    ("pen", "pens"),
    ("ribbon", "ribbons"),
    ("shell", "shells"),
    ("stamp", "stamps"),
    ("sticker", "stickers"),
    ("toy", "toys"),
)
FOODS = (("cookie", "cookies"), ("muffin", "muffins"), ("pie", "pies"), ("roll", "rolls"))
CONTAINERS = (("bag", "bags"), ("basket", "baskets"), ("box", "boxes"), ("jar", "jars"))
COLORS = ("red", "blue", "green", "white", "yellow")


def draw_words(rng: Random) -> dict[str, str]:
    """One value for each word slot of the templates.

    `A`, `B`, `C`: three different names. `x`, `y`: plurals of two different things, `x1`, `y1` their singulars.
    `f`, `f1`: something baked. `boxes`, `box`: a container. `hue`, `tint`: two different colors.
    """
    a, b, c = rng.sample(NAMES, 3)
    (x1, x), (y1, y) = rng.sample(THINGS, 2)
    f1, f = rng.choice(FOODS)
    container, containers = rng.choice(CONTAINERS)
    hue, tint = rng.sample(COLORS, 2)
    slots = {"A": a, "B": b, "C": c, "x": x, "x1": x1, "y": y, "y1": y1, "f": f, "f1": f1}
    return slots | {"box": container, "boxes": containers, "hue": hue, "tint": tint}
