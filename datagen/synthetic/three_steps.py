"""Families that take three calculations."""

from datagen.synthetic.family import Family

THREE_STEPS = (
    Family(
        name="two_prices",
        steps=3,
        numbers="b=2..6 d=2..5 a=b+d p=3..12 q=3..14",
        questions=(
            "{A} buys {a} {x} for {p} dollars each and {b} {y} for {q} dollars each. "
            "How many dollars does {A} pay in all?",
            "One {x1} costs {p} dollars and one {y1} costs {q} dollars. How many dollars do {a} {x} and {b} {y} cost "
            "in all?",
            "{A} sells {a} {x} and {b} {y}. Each {x1} costs {p} dollars and each {y1} costs {q} dollars. "
            "How many dollars does {A} get in all?",
        ),
        plans=(
            ("The {x} cost [u=a*p] dollars.", "The {y} cost [v=b*q] dollars.", "In all they cost [t=u+v] dollars."),
            ("The {y} cost [v=b*q] dollars.", "The {x} cost [u=a*p] dollars.", "In all they cost [t=v+u] dollars."),
            (
                "One {x1} and one {y1} cost [u=p+q] dollars.",
                "The {b} {y} with just as many {x} cost [v=u*b] dollars.",
                "There are [d=a-b] other {x}.",
                "They cost [w=d*p] dollars.",
                "In all they cost [t=v+w] dollars.",
            ),
        ),
    ),
    Family(
        name="two_sizes",
        steps=3,
        numbers="a=2..9 b=2..9 p=3..9 d=2..6 q=p+d",
        questions=(
            "{A} has {a} {hue} {boxes} with {p} {x} in each {box} and {b} {tint} {boxes} with {q} {x} in each {box}. "
            "How many {x} does {A} have in all?",
            "There are {p} {x} in each {hue} {box} and {q} {x} in each {tint} {box}. {A} has {a} {hue} {boxes} and "
            "{b} {tint} {boxes}. How many {x} does {A} have in all?",
        ),
        plans=(
            (
                "The {hue} {boxes} hold [u=a*p] {x}.",
                "The {tint} {boxes} hold [v=b*q] {x}.",
                "{A} has [t=u+v] {x} in all.",
            ),
            (
                "The {tint} {boxes} hold [v=b*q] {x}.",
                "The {hue} {boxes} hold [u=a*p] {x}.",
                "{A} has [t=v+u] {x} in all.",
            ),
            (
                "There are [n=a+b] {boxes}.",
                "With {p} in each they hold [u=n*p] {x}.",
                "Each {tint} {box} holds [d=q-p] more {x}.",
                "That makes [v=b*d] more {x}.",
                "{A} has [t=u+v] {x} in all.",
            ),
        ),
    ),
    Family(
        name="work_and_spend",
        steps=3,
        numbers="p=4..12 a=2..8 b=2..8 c=5..25",
        questions=(
            "{A} gets {p} dollars for each hour of work. {A} works {a} hours on Monday and {b} hours on Tuesday and "
            "then pays {c} dollars for a {x1}. How many dollars are left?",
            "On Monday {A} works {a} hours and on Tuesday {b} hours. Each hour {A} gets {p} dollars. "
            "Then {A} gives {c} dollars to {B}. How many dollars are left for {A}?",
        ),
        plans=(
            ("{A} works [n=a+b] hours.", "In all that makes [u=n*p] dollars.", "There are [t=u-c] dollars left."),
            (
                "On Monday that makes [u=a*p] dollars.",
                "On Tuesday that makes [v=b*p] dollars.",
                "In all that makes [w=u+v] dollars.",
                "There are [t=w-c] dollars left.",
            ),
            (
                "On Monday that makes [u=a*p] dollars.",
                "On Tuesday that makes [v=b*p] dollars.",
                "There are [t=u+v-c] dollars left.",
            ),
        ),
    ),
    Family(
        name="sets_and_change",
        steps=3,
        numbers="n=2..6 p=2..12 q=2..12 m=50..100",
        questions=(
            "{A} has {m} dollars. One {x1} costs {p} dollars and one {y1} costs {q} dollars. {A} buys {n} {x} and "
            "just as many {y}. How many dollars are left?",
            "{A} buys {n} {x} for {p} dollars each and just as many {y} for {q} dollars each. {A} had {m} dollars "
            "before. How many dollars are left?",
        ),
        plans=(
            (
                "One {x1} and one {y1} cost [u=p+q] dollars.",
                "In all they cost [v=u*n] dollars.",
                "There are [t=m-v] dollars left.",
            ),
            (
                "The {x} cost [u=n*p] dollars.",
                "The {y} cost [v=n*q] dollars.",
                "In all they cost [w=u+v] dollars.",
                "There are [t=m-w] dollars left.",
            ),
            ("The {x} cost [u=n*p] dollars.", "The {y} cost [v=n*q] dollars.", "There are [t=m-u-v] dollars left."),
        ),
    ),
    Family(
        name="times_then_fewer",
        steps=3,
        numbers="a=5..20 k=2..5 c=3..15",
        questions=(
            "{A} has {a} {x}. {B} has {k} times as many {x} as {A}. {C} has {c} fewer {x} than {B}. "
            "How many {x} do {A} and {C} have together?",
            "{A} found {a} {x}, {B} found {k} times as many {x} as {A} and {C} found {c} fewer {x} than {B}. "
            "How many {x} do {A} and {C} have together?",
        ),
        plans=(
            ("{B} has [u=a*k] {x}.", "{C} has [v=u-c] {x}.", "Together they have [t=a+v] {x}."),
            (
                "{A} and {B} together have [n=k+1] times as many {x} as {A}.",
                "Together that makes [u=a*n] {x}.",
                "Together {A} and {C} have [t=u-c] {x}.",
            ),
            ("{B} has [u=a*k] {x}.", "Together {A} and {C} have [t=a+u-c] {x}."),
        ),
    ),
    Family(
        name="packed_given_twice",
        steps=3,
        numbers="a=3..9 b=4..12 c=3..19 d=3..19",
        questions=(
            "{A} has {a} {boxes} with {b} {x} in each {box}. {A} gives {c} {x} to {B} and {d} {x} to {C}. "
            "How many {x} are left for {A}?",
            "There are {b} {x} in each {box}. {A} buys {a} {boxes}, sells {c} {x} and then loses {d} {x}. "
            "How many {x} are left?",
        ),
        plans=(
            ("The {boxes} hold [u=a*b] {x}.", "Without {c} there are [v=u-c] {x}.", "There are [t=v-d] {x} left."),
            ("The {boxes} hold [u=a*b] {x}.", "In all [v=c+d] {x} are gone.", "There are [t=u-v] {x} left."),
            ("The {boxes} hold [u=a*b] {x}.", "Without {d} there are [v=u-d] {x}.", "There are [t=v-c] {x} left."),
            ("The {boxes} hold [u=a*b] {x}.", "There are [t=u-c-d] {x} left."),
        ),
    ),
    Family(
        name="loss_and_share",
        steps=3,
        numbers="n=2..6 a=2..6 i=2..6 j=2..6 b=n*i c=n*j",
        questions=(
            "{A} has {a} {boxes} with {b} {x} in each {box}. {A} loses {c} {x} and shares the other {x} equally among "
            "{n} friends. How many {x} does each friend get?",
            "There are {b} {x} in each {box}. {A} buys {a} {boxes} and sells {c} {x}. Then {n} friends share the "
            "other {x} equally. How many {x} does each friend get?",
        ),
        plans=(
            ("The {boxes} hold [u=a*b] {x}.", "Without {c} there are [v=u-c] {x}.", "Each gets [t=v/n] {x}."),
            (
                "Each could get [i=b/n] {x} from one {box}.",
                "From all {boxes} each could get [u=a*i] {x}.",
                "Each gets [j=c/n] fewer {x}.",
                "Each gets [t=u-j] {x}.",
            ),
            (
                "The {boxes} hold [u=a*b] {x}.",
                "Each could get [v=u/n] {x}.",
                "Each gets [j=c/n] fewer {x}.",
                "Each gets [t=v-j] {x}.",
            ),
        ),
    ),
    Family(
        name="saving",
        steps=3,
        numbers="a=3..12 w=3..9 b=5..20 m=50..100",
        questions=(
            "{A} wants to buy a {x1} that costs {m} dollars. {A} saves {a} dollars each week for {w} weeks and gets "
            "{b} dollars from {B}. How many more dollars does {A} need?",
            "{A} saves {a} dollars each week. After {w} weeks {B} gives {A} {b} more dollars. {A} wants {m} dollars. "
            "How many more dollars does {A} need?",
        ),
        plans=(
            ("{A} saves [u=a*w] dollars.", "In all {A} has [v=u+b] dollars.", "{A} needs [t=m-v] more dollars."),
            (
                "Without {b} there are [u=m-b] dollars.",
                "{A} saves [v=a*w] dollars.",
                "{A} needs [t=u-v] more dollars.",
            ),
            ("{A} saves [u=a*w] dollars.", "{A} needs [t=m-u-b] more dollars."),
        ),
    ),
    Family(
        name="reading",
        steps=3,
        numbers="t=40..100 a=3..9 b=3..9 d=3..7",
        questions=(
            "A book has {t} pages. {A} reads {a} pages each morning and {b} pages each evening for {d} days. "
            "How many pages are left?",
            "Each day {A} reads {a} pages in the morning and {b} pages in the evening. The book has {t} pages. "
            "How many pages are left after {d} days?",
        ),
        plans=(
            ("Each day makes [u=a+b] pages.", "In all that makes [v=u*d] pages.", "There are [r=t-v] pages left."),
            (
                "The mornings make [u=a*d] pages.",
                "The evenings make [v=b*d] pages.",
                "In all that makes [w=u+v] pages.",
                "There are [r=t-w] pages left.",
            ),
            (
                "The mornings make [u=a*d] pages.",
                "The evenings make [v=b*d] pages.",
                "There are [r=t-u-v] pages left.",
            ),
        ),
    ),
    Family(
        name="garden",
        steps=3,
        numbers="a=2..8 b=3..12 c=3..12 d=3..19",
        questions=(
            "{A} plants {a} rows of flowers. Each row has {b} {hue} flowers and {c} {tint} flowers. {A} gives {d} of "
            "the flowers to {B}. How many flowers are left?",
            "There are {a} rows in a garden with {b} {hue} flowers and {c} {tint} flowers in each row. {A} takes {d} "
            "flowers. How many flowers are left?",
        ),
        plans=(
            ("Each row has [u=b+c] flowers.", "The rows have [v=u*a] flowers.", "There are [t=v-d] flowers left."),
            (
                "There are [u=a*b] {hue} flowers.",
                "There are [v=a*c] {tint} flowers.",
                "In all there are [w=u+v] flowers.",
                "There are [t=w-d] flowers left.",
            ),
            (
                "There are [u=a*b] {hue} flowers.",
                "There are [v=a*c] {tint} flowers.",
                "There are [t=u+v-d] flowers left.",
            ),
        ),
    ),
    Family(
        name="half_price",
        steps=3,
        numbers="h=2..12 p=h*2 n=2..16",
        questions=(
            "One {x1} costs {p} dollars and one {y1} costs half as much. {A} buys {n} {x} and just as many {y}. "
            "How many dollars does {A} pay in all?",
            "{A} buys {n} {x} for {p} dollars each and just as many {y} for half as much each. "
            "How many dollars does {A} pay in all?",
        ),
        plans=(
            (
                "One {y1} costs [h=p/2] dollars.",
                "One {x1} and one {y1} cost [u=p+h] dollars.",
                "In all they cost [t=u*n] dollars.",
            ),
            ("The {x} cost [u=n*p] dollars.", "The {y} cost [v=u/2] dollars.", "In all they cost [t=u+v] dollars."),
            (
                "One {y1} costs [h=p/2] dollars.",
                "The {y} cost [u=n*h] dollars.",
                "The {x} cost [v=n*p] dollars.",
                "In all they cost [t=u+v] dollars.",
            ),
        ),
    ),
    Family(
        name="times_of_two",
        steps=3,
        numbers="a=3..15 k=2..5 j=2..5 g=k+1",
        questions=(
            "{A} has {a} {x}. {B} has {k} times as many {x} as {A}. {C} has {j} times as many {x} as {A}. "
            "How many {x} do the three friends have together?",
            "{A} found {a} {x}. {B} found {k} times as many {x} as {A} and {C} found {j} times as many {x} as {A}. "
            "How many {x} do the three friends have together?",
        ),
        plans=(
            (
                "{B} and {C} together have [n=k+j] times as many {x} as {A}.",
                "That makes [u=a*n] {x}.",
                "Together they have [t=a+u] {x}.",
            ),
            (
                "{A} and {B} together have [g=k+1] times as many {x} as {A}.",
                "All three have [n=g+j] times as many {x} as {A}.",
                "Together they have [t=a*n] {x}.",
            ),
            ("{B} has [u=a*k] {x}.", "{C} has [v=a*j] {x}.", "Together they have [t=a+u+v] {x}."),
        ),
    ),
)
