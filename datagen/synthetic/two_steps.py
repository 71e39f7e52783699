"""Families that take two calculations."""

from datagen.synthetic.family import Family

TWO_STEPS = (
    Family(
        name="three_days",
        steps=2,
        numbers="a=4..25 b=4..25 c=4..25",
        questions=(
            "{A} finds {a} {x} on Monday, {b} {x} on Tuesday and {c} {x} on Friday. "
            "How many {x} does {A} find in all?",
            "{A} sells {a} {x} on Monday and {b} {x} on Tuesday. On Friday {A} sells {c} {x}. "
            "How many {x} does {A} sell in all?",
            "On Monday {A} buys {a} {x}. On Tuesday {A} buys {b} {x} and on Friday {c} {x}. "
            "How many {x} does {A} buy in all?",
        ),
        plans=(
            ("On Monday and Tuesday there are [u=a+b] {x}.", "In all there are [t=u+c] {x}."),
            ("On Tuesday and Friday there are [u=b+c] {x}.", "In all there are [t=a+u] {x}."),
            ("On Monday and Friday there are [u=a+c] {x}.", "In all there are [t=u+b] {x}."),
            ("In all there are [t=a+b+c] {x}.",),
        ),
    ),
    Family(
        name="get_and_give",
        steps=2,
        numbers="a=10..30 b=8..25 c=4..20",
        questions=(
            "{A} has {a} {x}. {A} gets {b} more {x} and then gives {c} {x} to {B}. How many {x} are left for {A}?",
            "{A} had {a} {x}, bought {b} more {x} and then lost {c} {x}. How many {x} are left?",
            "There are {a} {x} in a {box}. {A} puts in {b} more {x} and {B} takes out {c} {x}. "
            "How many {x} are left in the {box}?",
        ),
        plans=(
            ("First there are [u=a+b] {x}.", "There are [t=u-c] {x} left."),
            ("Without {c} there are [u=a-c] {x}.", "There are [t=u+b] {x} left."),
            ("There are [u=b-c] more {x} than before.", "There are [t=a+u] {x} left."),
            ("There are [t=a+b-c] {x} left.",),
        ),
    ),
    Family(
        name="give_twice",
        steps=2,
        numbers="a=30..60 b=4..14 c=4..14",
        questions=(
            "{A} has {a} {x}. {A} gives {b} {x} to {B} and {c} {x} to {C}. How many {x} are left for {A}?",
            "{A} had {a} {x}. {B} took {b} {x} and {C} took {c} {x}. How many {x} are left?",
            "There were {a} {x} on the table. {A} took {b} {x}. Then {B} took {c} {x}. "
            "How many {x} are left on the table?",
        ),
        plans=(
            ("Without {b} there are [u=a-b] {x}.", "There are [t=u-c] {x} left."),
            ("Without {c} there are [u=a-c] {x}.", "There are [t=u-b] {x} left."),
            ("In all [u=b+c] {x} are gone.", "There are [t=a-u] {x} left."),
            ("There are [t=a-b-c] {x} left.",),
        ),
    ),
    Family(
        name="packed_and_more",
        steps=2,
        numbers="a=3..9 b=3..12 c=4..29 j=a-1",
        questions=(
            "{A} has {a} {boxes} with {b} {x} in each {box} and {c} more {x} on the table. "
            "How many {x} does {A} have in all?",
            "There are {b} {x} in each {box}. {A} has {a} {boxes} and gets {c} more {x} from {B}. "
            "How many {x} does {A} have in all?",
            "{A} puts {b} {x} into each of {a} {boxes}. Then {c} {x} are left on the table. "
            "How many {x} does {A} have in all?",
        ),
        plans=(
            ("The {boxes} hold [u=a*b] {x}.", "{A} has [t=u+c] {x} in all."),
            ("The {boxes} hold [u=b*a] {x}.", "{A} has [t=c+u] {x} in all."),
            (
                "One {box} and the other {x} make [u=b+c] {x}.",
                "The other {j} {boxes} hold [v=j*b] {x}.",
                "{A} has [t=u+v] {x} in all.",
            ),
        ),
    ),
    Family(
        name="packed_and_less",
        steps=2,
        numbers="a=3..9 b=5..14 c=2..12 j=a-1",
        questions=(
            "{A} has {a} {boxes} with {b} {x} in each {box}. {A} gives {c} {x} to {B}. How many {x} are left for {A}?",
            "There are {b} {x} in each {box}. {A} buys {a} {boxes} and then loses {c} {x}. How many {x} are left?",
            "{A} puts {b} {x} into each of {a} {boxes}. Then {B} takes out {c} {x}. "
            "How many {x} are left in the {boxes}?",
        ),
        plans=(
            ("The {boxes} hold [u=a*b] {x}.", "There are [t=u-c] {x} left."),
            ("The {boxes} hold [u=b*a] {x}.", "There are [t=u-c] {x} left."),
            (
                "Without {c} one {box} holds [u=b-c] {x}.",
                "The other {j} {boxes} hold [v=j*b] {x}.",
                "There are [t=u+v] {x} left.",
            ),
        ),
    ),
    Family(
        name="sets",
        steps=2,
        numbers="n=3..9 p=2..14 q=2..14",
        questions=(
            "One {x1} costs {p} dollars and one {y1} costs {q} dollars. {A} buys {n} {x} and just as many {y}. "
            "How many dollars does {A} pay in all?",
            "One {x1} costs {p} dollars and one {y1} costs {q} dollars. How many dollars do {n} {x} and just as many "
            "{y} cost in all?",
            "{A} buys one {x1} for {p} dollars and one {y1} for {q} dollars for each of {n} friends. "
            "How many dollars does {A} pay in all?",
        ),
        plans=(
            ("One {x1} and one {y1} cost [u=p+q] dollars.", "In all they cost [t=u*n] dollars."),
            ("The {x} cost [u=n*p] dollars.", "The {y} cost [v=n*q] dollars.", "In all they cost [t=u+v] dollars."),
            ("The {y} cost [u=n*q] dollars.", "The {x} cost [v=n*p] dollars.", "In all they cost [t=u+v] dollars."),
        ),
    ),
    Family(
        name="change",
        steps=2,
        numbers="a=3..7 p=3..12 m=40..99 j=a-1",
        questions=(
            "{A} has {m} dollars and buys {a} {x} for {p} dollars each. How many dollars are left?",
            "One {x1} costs {p} dollars. {A} has {m} dollars and buys {a} {x}. How many dollars are left?",
            "{A} buys {a} {x}. Each {x1} costs {p} dollars. {A} had {m} dollars before. How many dollars are left?",
        ),
        plans=(
            ("The {x} cost [u=a*p] dollars.", "There are [t=m-u] dollars left."),
            ("The {x} cost [u=p*a] dollars.", "There are [t=m-u] dollars left."),
            (
                "After one {x1} there are [u=m-p] dollars left.",
                "The other {j} {x} cost [v=j*p] dollars.",
                "There are [t=u-v] dollars left.",
            ),
        ),
    ),
    Family(
        name="pool_and_share",
        steps=2,
        numbers="n=2..8 i=2..9 j=2..9 a=n*i b=n*j",
        questions=(
            "{A} has {a} {x} and {B} has {b} {x}. They share all the {x} equally among {n} friends. "
            "How many {x} does each friend get?",
            "{A} found {a} {x} and {B} found {b} {x}. They put the same number of {x} into each of {n} {boxes}. "
            "How many {x} does each {box} hold?",
            "There are {a} {hue} {x} and {b} {tint} {x}. {n} friends share them equally. "
            "How many {x} does each friend get?",
        ),
        plans=(
            ("Together there are [u=a+b] {x}.", "Each gets [t=u/n] {x}."),
            ("Each gets [u=a/n] of the first {x}.", "Each gets [v=b/n] of the other {x}.", "Each gets [t=u+v] {x}."),
            ("Each gets [u=b/n] of the other {x}.", "Each gets [v=a/n] of the first {x}.", "Each gets [t=u+v] {x}."),
        ),
    ),
    Family(
        name="times_together",
        steps=2,
        numbers="a=4..20 k=2..6",
        questions=(
            "{A} has {a} {x}. {B} has {k} times as many {x} as {A}. How many {x} do they have together?",
            "{B} has {k} times as many {x} as {A}. {A} has {a} {x}. How many {x} do they have together?",
            "{A} found {a} {x} and {B} found {k} times as many {x} as {A}. How many {x} do they have together?",
        ),
        plans=(
            ("{B} has [u=a*k] {x}.", "Together they have [t=a+u] {x}."),
            ("{B} has [u=k*a] {x}.", "Together they have [t=u+a] {x}."),
            ("Together they have [n=k+1] times as many {x} as {A}.", "Together they have [t=a*n] {x}."),
        ),
    ),
    Family(
        name="more_together",
        steps=2,
        numbers="a=4..30 b=4..20",
        questions=(
            "{A} has {a} {x}. {B} has {b} more {x} than {A}. How many {x} do they have together?",
            "{B} has {b} more {x} than {A}. {A} has {a} {x}. How many {x} do they have together?",
            "{A} found {a} {x} and {B} found {b} more {x} than {A}. How many {x} do they have together?",
        ),
        plans=(
            ("{B} has [u=a+b] {x}.", "Together they have [t=a+u] {x}."),
            ("Two times {a} {x} is [u=a*2] {x}.", "Together they have [t=u+b] {x}."),
            ("Together they have [t=a+a+b] {x}.",),
        ),
    ),
    Family(
        name="half_and_more",
        steps=2,
        numbers="h=11..30 t=h*2 c=3..20",
        questions=(
            "{A} has {t} {x}. {A} gives half of them to {B} and then {c} {x} to {C}. How many {x} are left for {A}?",
            "There are {t} {x} on the table. {A} takes half of them. Then {B} takes {c} {x}. How many {x} are left?",
            "{A} had {t} {x}, sold half of them and then lost {c} {x}. How many {x} are left?",
        ),
        plans=(
            ("Half of {t} is [u=t/2].", "There are [v=u-c] {x} left."),
            ("Half of {t} is [u=t/2].", "In all [w=u+c] {x} are gone.", "There are [v=t-w] {x} left."),
            ("Half of {t} is [u=t/2].", "There are [v=t-u-c] {x} left."),
        ),
    ),
    Family(
        name="hours_of_work",
        steps=2,
        numbers="p=3..12 a=2..9 b=2..9",
        questions=(
            "{A} gets {p} dollars for each hour of work. {A} works {a} hours on Monday and {b} hours on Tuesday. "
            "How many dollars does {A} get in all?",
            "On Monday {A} works {a} hours and on Tuesday {b} hours. Each hour {A} gets {p} dollars. "
            "How many dollars does {A} get in all?",
            "{A} bakes {p} {f} each hour. How many {f} does {A} bake in all in {a} hours on Monday and {b} hours "
            "on Tuesday?",
        ),
        plans=(
            ("{A} works [n=a+b] hours.", "In all that makes [t=n*p]."),
            ("On Monday that makes [u=a*p].", "On Tuesday that makes [v=b*p].", "In all that makes [t=u+v]."),
            ("On Tuesday that makes [u=b*p].", "On Monday that makes [v=a*p].", "In all that makes [t=u+v]."),
        ),
    ),
)
