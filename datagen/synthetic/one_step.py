"""Families that one calculation solves; the other plans split a number or go a longer way round."""

from datagen.synthetic.family import Family

ONE_STEP = (
    Family(
        name="gift",
        steps=1,
        numbers="a=6..30 b=6..20",
        questions=(
            "{A} has {a} {x}. {B} gives {A} {b} more {x}. How many {x} does {A} have now?",
            "{A} had {a} {x} and then got {b} more {x} from {B}. How many {x} does {A} have now?",
            "{B} gives {b} {x} to {A}. {A} already had {a} {x} before. How many {x} does {A} have now?",
        ),
        plans=(
            ("{A} has [t=a+b] {x} now.",),
            ("Adding {b10} first makes [u=a+b10] {x}.", "{A} has [t=u+b1] {x} now."),
            ("The tens make [u=a10+b10].", "The ones make [v=a1+b1].", "{A} has [t=u+v] {x} now."),
        ),
    ),
    Family(
        name="together",
        steps=1,
        numbers="a=5..30 b=5..30",
        questions=(
            "{A} has {a} {x} and {B} has {b} {x}. How many {x} do they have together?",
            "{A} found {a} {x}. {B} found {b} {x}. How many {x} do they have together?",
            "{A} and {B} put their {x} on the table. {A} had {a} {x} and {B} had {b} {x}. "
            "How many {x} do they have together?",
        ),
        plans=(
            ("Together they have [t=a+b] {x}.",),
            ("Together they have [t=b+a] {x}.",),
            ("The tens make [u=a10+b10].", "The ones make [v=a1+b1].", "Together they have [t=u+v] {x}."),
        ),
    ),
    Family(
        name="give_away",
        steps=1,
        numbers="a=20..50 b=6..19",
        questions=(
            "{A} has {a} {x}. {A} gives {b} {x} to {B}. How many {x} are left for {A}?",
            "{A} had {a} {x} but lost {b} {x}. How many {x} are left?",
            "There were {a} {x} on the table. {A} took {b} {x}. How many {x} are left on the table?",
        ),
        plans=(
            ("There are [t=a-b] {x} left.",),
            ("Without {b10} there are [u=a-b10] {x}.", "There are [t=u-b1] {x} left."),
            ("Without {b1} there are [u=a-b1] {x}.", "There are [t=u-b10] {x} left."),
        ),
    ),
    Family(
        name="missing",
        steps=1,
        numbers="a=20..50 b=6..19",
        questions=(
            "{A} wants {a} {x} but has only {b} {x}. How many more {x} does {A} need?",
            "{A} needs {a} {x} for a party. {A} already has {b} {x}. How many more {x} does {A} need?",
            "{A} has {b} {x}. How many more {x} does {A} need to have {a} {x}?",
        ),
        plans=(
            ("{A} needs [t=a-b] more {x}.",),
            ("Without {b10} there are [u=a-b10] {x}.", "{A} needs [t=u-b1] more {x}."),
            ("Without {b1} there are [u=a-b1] {x}.", "{A} needs [t=u-b10] more {x}."),
        ),
    ),
    Family(
        name="packed",
        steps=1,
        numbers="a=2..9 b=12..19",
        questions=(
            "{A} has {a} {boxes} with {b} {x} in each {box}. How many {x} does {A} have in all?",
            "There are {b} {x} in each {box}. {A} has {a} {boxes}. How many {x} does {A} have in all?",
            "{A} puts {b} {x} into each of {a} {boxes}. How many {x} does {A} have in all?",
        ),
        plans=(
            ("{A} has [t=a*b] {x} in all.",),
            ("{A} has [t=b*a] {x} in all.",),
            ("The tens make [u=a*b10].", "The ones make [v=a*b1].", "{A} has [t=u+v] {x} in all."),
        ),
    ),
    Family(
        name="price",
        steps=1,
        numbers="h=2..7 a=h*2 p=3..15",
        questions=(
            "One {x1} costs {p} dollars. How many dollars do {a} {x} cost?",
            "{A} buys {a} {x} for {p} dollars each. How many dollars does {A} pay in all?",
            "{A} sells {a} {x}. Each {x1} costs {p} dollars. How many dollars does {A} get in all?",
        ),
        plans=(
            ("The {x} cost [t=a*p] dollars.",),
            ("The {x} cost [t=p*a] dollars.",),
            ("There are [h=a/2] pairs of {x}.", "Each pair costs [u=p*2] dollars.", "The {x} cost [t=h*u] dollars."),
        ),
    ),
    Family(
        name="share",
        steps=1,
        numbers="m=2..5 n=m*2 q=3..20 t=n*q",
        questions=(
            "{A} shares {t} {x} equally among {n} friends. How many {x} does each friend get?",
            "{A} has {t} {x} for {n} friends. Each friend gets the same number of {x}. "
            "How many {x} does each friend get?",
            "There are {n} friends. They share {t} {x} equally. How many {x} does each friend get?",
        ),
        plans=(
            ("Each friend gets [q=t/n] {x}.",),
            ("Half of {t} is [u=t/2].", "Half of {n} is [m=n/2].", "Each friend gets [q=u/m] {x}."),
            ("Half of {n} is [m=n/2].", "Two friends share [u=t/m] {x}.", "Each friend gets [q=u/2] {x}."),
        ),
    ),
    Family(
        name="fill",
        steps=1,
        numbers="h=2..7 n=3..15 q=h*2 t=n*q",
        questions=(
            "{A} puts {t} {x} into {boxes}. Each {box} holds {n} {x}. How many {boxes} does {A} need?",
            "Each {box} holds {n} {x}. How many {boxes} does {A} need for {t} {x}?",
            "{A} has {t} {x} and wants to put {n} {x} into each {box}. How many {boxes} does {A} need?",
        ),
        plans=(
            ("{A} needs [q=t/n] {boxes}.",),
            ("Half of {t} is [u=t/2].", "They need [v=u/n] {boxes}.", "{A} needs [q=v*2] {boxes}."),
            ("Two {boxes} hold [u=n*2] {x}.", "There are [v=t/u] pairs of {boxes}.", "{A} needs [q=v*2] {boxes}."),
        ),
    ),
    Family(
        name="times",
        steps=1,
        numbers="a=4..30 k=3..6 j=k-1",
        questions=(
            "{A} has {a} {x}. {B} has {k} times as many {x} as {A}. How many {x} does {B} have?",
            "{B} has {k} times as many {x} as {A}. {A} has {a} {x}. How many {x} does {B} have?",
            "{A} found {a} {x} and {B} found {k} times as many {x} as {A}. How many {x} does {B} have?",
        ),
        plans=(
            ("{B} has [t=a*k] {x}.",),
            ("{B} has [t=k*a] {x}.",),
            ("{j} times as many is [u=a*j] {x}.", "{B} has [t=u+a] {x}."),
        ),
    ),
    Family(
        name="half",
        steps=1,
        numbers="h=11..50 t=h*2",
        questions=(
            "{A} has {t} {x}. Half of the {x} are {hue}. How many {x} are {hue}?",
            "Half of the {x} in the {box} are {hue}. There are {t} {x} in the {box}. How many {x} are {hue}?",
            "There are {t} {x} in a {box}. Half of the {x} are {hue} and half are {tint}. How many {x} are {hue}?",
        ),
        plans=(
            ("There are [h=t/2] {hue} {x}.",),
            ("Half of {t10} is [u=t10/2].", "Half of {t1} is [v=t1/2].", "There are [h=u+v] {hue} {x}."),
        ),
    ),
    Family(
        name="compare",
        steps=1,
        numbers="a=22..50 b=6..21",
        questions=(
            "{A} has {a} {x} and {B} has {b} {x}. How many more {x} does {A} have than {B}?",
            "{B} found {b} {x}. {A} found {a} {x}. How many more {x} does {A} have than {B}?",
            "{A} has {a} {x}. {B} has only {b} {x}. How many more {x} does {A} have than {B}?",
        ),
        plans=(
            ("{A} has [t=a-b] more {x} than {B}.",),
            ("Without {b10} there are [u=a-b10] {x}.", "{A} has [t=u-b1] more {x} than {B}."),
            ("The tens make [u=a10-b10].", "The ones make [v=a1-b1].", "{A} has [t=u+v] more {x} than {B}."),
        ),
    ),
    Family(
        name="age",
        steps=1,
        numbers="a=6..30 b=6..20",
        questions=(
            "{A} is {a} years old. How old will {A} be in {b} years?",
            "{A} is {a} years old now. How old will {A} be after {b} more years?",
            "Today {A} is {a} years old. How old will {A} be {b} years from now?",
        ),
        plans=(
            ("{A} will be [t=a+b] years old.",),
            ("After {b10} years {A} will be [u=a+b10] years old.", "Then {A} will be [t=u+b1] years old."),
            ("The tens make [u=a10+b10].", "The ones make [v=a1+b1].", "{A} will be [t=u+v] years old."),
        ),
    ),
)
