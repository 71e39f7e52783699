"""Families that take four calculations."""

from datagen.synthetic.family import Family

FOUR_STEPS = (
    Family(
        name="two_prices_and_change",
        steps=4,
        numbers="a=2..6 b=2..6 p=3..9 q=3..12 m=50..100",
        questions=(
            "{A} has {m} dollars. {A} buys {a} {x} for {p} dollars each and {b} {y} for {q} dollars each. "
            "How many dollars are left?",
            "One {x1} costs {p} dollars and one {y1} costs {q} dollars. {A} buys {a} {x} and {b} {y}. {A} had {m} "
            "dollars before. How many dollars are left?",
        ),
        plans=(
            (
                "The {x} cost [u=a*p] dollars.",
                "The {y} cost [v=b*q] dollars.",
                "In all they cost [w=u+v] dollars.",
                "There are [t=m-w] dollars left.",
            ),
            (
                "The {x} cost [u=a*p] dollars.",
                "After that there are [w=m-u] dollars left.",
                "The {y} cost [v=b*q] dollars.",
                "There are [t=w-v] dollars left.",
            ),
            ("The {x} cost [u=a*p] dollars.", "The {y} cost [v=b*q] dollars.", "There are [t=m-u-v] dollars left."),
        ),
    ),
    Family(
        name="three_friends",
        steps=4,
        numbers="a=4..20 b=3..15",
        questions=(
            "{A} has {a} {x}. {B} has {b} more {x} than {A}. {C} has 2 times as many {x} as {B}. "
            "How many {x} do the three friends have together?",
            "{A} found {a} {x} and {B} found {b} more {x} than {A}. {C} found 2 times as many {x} as {B}. "
            "How many {x} do the three friends have together?",
        ),
        plans=(
            (
                "{B} has [u=a+b] {x}.",
                "{C} has [v=u*2] {x}.",
                "{A} and {B} have [w=a+u] {x}.",
                "Together they have [t=w+v] {x}.",
            ),
            ("{B} has [u=a+b] {x}.", "{B} and {C} have [v=u*3] {x}.", "Together they have [t=a+v] {x}."),
            ("{B} has [u=a+b] {x}.", "{C} has [v=u*2] {x}.", "Together they have [t=a+u+v] {x}."),
        ),
    ),
    Family(
        name="two_sizes_and_share",
        steps=4,
        numbers="n=2..5 a=2..6 b=2..6 i=2..4 j=2..4 p=n*i q=n*j",
        questions=(
            "{A} has {a} {hue} {boxes} with {p} {x} in each {box} and {b} {tint} {boxes} with {q} {x} in each {box}. "
            "{A} shares all the {x} equally among {n} friends. How many {x} does each friend get?",
            "There are {p} {x} in each {hue} {box} and {q} {x} in each {tint} {box}. {n} friends share the {x} from "
            "{a} {hue} {boxes} and {b} {tint} {boxes} equally. How many {x} does each friend get?",
        ),
        plans=(
            (
                "The {hue} {boxes} hold [u=a*p] {x}.",
                "The {tint} {boxes} hold [v=b*q] {x}.",
                "Together there are [w=u+v] {x}.",
                "Each gets [t=w/n] {x}.",
            ),
            (
                "The {hue} {boxes} hold [u=a*p] {x}.",
                "Each gets [w=u/n] of them.",
                "The {tint} {boxes} hold [v=b*q] {x}.",
                "Each gets [z=v/n] of them.",
                "Each gets [t=w+z] {x}.",
            ),
            (
                "Each gets [i=p/n] {x} from one {hue} {box}.",
                "That makes [u=a*i] {x}.",
                "Each gets [j=q/n] {x} from one {tint} {box}.",
                "That makes [v=b*j] {x}.",
                "Each gets [t=u+v] {x}.",
            ),
        ),
    ),
    Family(
        name="bakery",
        steps=4,
        numbers="a=2..6 n=2..6 i=2..4 j=2..5 p=2..7 b=n*i c=n*j",
        questions=(
            "{A} bakes {a} trays with {b} {f} on each tray. {A} gives {c} {f} to {B} and puts the other {f} into "
            "bags. Each bag holds {n} {f} and costs {p} dollars. How many dollars do all the bags cost?",
            "{A} bakes {a} trays of {f}. Each tray holds {b} {f}. {B} takes {c} {f}. {A} sells the other {f} in bags "
            "with {n} {f} in each bag for {p} dollars a bag. How many dollars does {A} get in all?",
        ),
        plans=(
            (
                "The trays hold [u=a*b] {f}.",
                "Without {c} there are [v=u-c] {f}.",
                "They need [w=v/n] bags.",
                "The bags cost [t=w*p] dollars.",
            ),
            (
                "One tray makes [i=b/n] bags.",
                "All trays make [u=a*i] bags.",
                "{B} gets [j=c/n] bags.",
                "There are [w=u-j] bags left.",
                "The bags cost [t=w*p] dollars.",
            ),
            (
                "The trays hold [u=a*b] {f}.",
                "They need [v=u/n] bags.",
                "{B} gets [j=c/n] bags.",
                "There are [w=v-j] bags left.",
                "The bags cost [t=w*p] dollars.",
            ),
        ),
    ),
    Family(
        name="days_of_work",
        steps=4,
        numbers="d=2..5 a=2..6 p=3..9 b=5..29 c=5..29",
        questions=(
            "{A} works {a} hours each day for {d} days and gets {p} dollars for each hour. Then {A} pays {b} dollars "
            "for a {x1} and {c} dollars for a {y1}. How many dollars are left?",
            "{A} gets {p} dollars for each hour of work. {A} works {d} days and {a} hours each day. Then {A} gives "
            "{b} dollars to {B} and {c} dollars to {C}. How many dollars are left for {A}?",
        ),
        plans=(
            (
                "{A} works [n=a*d] hours.",
                "In all that makes [u=n*p] dollars.",
                "Without {b} there are [v=u-b] dollars.",
                "There are [t=v-c] dollars left.",
            ),
            (
                "Each day makes [u=a*p] dollars.",
                "In all that makes [v=u*d] dollars.",
                "In all [w=b+c] dollars are gone.",
                "There are [t=v-w] dollars left.",
            ),
            (
                "{A} works [n=a*d] hours.",
                "In all that makes [u=n*p] dollars.",
                "In all [w=b+c] dollars are gone.",
                "There are [t=u-w] dollars left.",
            ),
            (
                "Each day makes [u=a*p] dollars.",
                "In all that makes [v=u*d] dollars.",
                "There are [t=v-b-c] dollars left.",
            ),
        ),
    ),
    Family(
        name="teams",
        steps=4,
        numbers="n=3..6 i=2..7 j=2..7 a=n*i b=n*j p=2..7 d=3..19",
        questions=(
            "There are {a} girls and {b} boys. They make teams with {n} children in each team. Each team needs {p} "
            "{x} and {A} already has {d} {x}. How many more {x} does {A} need?",
            "{A} has {d} {x}. There are {a} girls and {b} boys in teams of {n} children and {A} wants to give {p} {x} "
            "to each team. How many more {x} does {A} need?",
        ),
        plans=(
            (
                "There are [u=a+b] children.",
                "They make [v=u/n] teams.",
                "The teams need [w=v*p] {x}.",
                "{A} needs [t=w-d] more {x}.",
            ),
            (
                "The girls make [i=a/n] teams.",
                "The boys make [j=b/n] teams.",
                "There are [v=i+j] teams.",
                "The teams need [w=v*p] {x}.",
                "{A} needs [t=w-d] more {x}.",
            ),
            (
                "The girls make [i=a/n] teams.",
                "They need [u=i*p] {x}.",
                "The boys make [j=b/n] teams.",
                "They need [v=j*p] {x}.",
                "{A} needs [t=u+v-d] more {x}.",
            ),
        ),
    ),
    Family(
        name="farm",
        steps=4,
        numbers="n=2..5 e=2..3 a=n*e j=2..5 b=2..4 d=2..7 c=n*j",
        questions=(
            "{A} has {a} hens. Each hen lays {b} eggs each day. After {d} days {A} gives {c} eggs to {B} and puts the "
            "other eggs into boxes. Each box holds {n} eggs. How many boxes does {A} need?",
            "Each day {A} gets {b} eggs from each of {a} hens. After {d} days {A} sells {c} eggs. How many boxes does "
            "{A} need for the other eggs if each box holds {n} eggs?",
        ),
        plans=(
            (
                "Each day makes [u=a*b] eggs.",
                "In all that makes [v=u*d] eggs.",
                "Without {c} there are [w=v-c] eggs.",
                "{A} needs [t=w/n] boxes.",
            ),
            (
                "Each hen lays [u=b*d] eggs.",
                "In all that makes [v=a*u] eggs.",
                "Without {c} there are [w=v-c] eggs.",
                "{A} needs [t=w/n] boxes.",
            ),
            (
                "Each day makes [u=a*b] eggs.",
                "In all that makes [v=u*d] eggs.",
                "They need [w=v/n] boxes.",
                "{A} needs [j=c/n] fewer boxes.",
                "{A} needs [t=w-j] boxes.",
            ),
        ),
    ),
    Family(
        name="two_half_prices",
        steps=4,
        numbers="h=2..9 p=h*2 a=2..8 g=2..5 b=g*2",
        questions=(
            "One {x1} costs {p} dollars and one {y1} costs half as much. {A} buys {a} {x} and {b} {y}. "
            "How many dollars does {A} pay in all?",
            "One {x1} costs {p} dollars. One {y1} costs half as much as one {x1}. How many dollars do {a} {x} and {b} "
            "{y} cost in all?",
        ),
        plans=(
            (
                "One {y1} costs [h=p/2] dollars.",
                "The {x} cost [u=a*p] dollars.",
                "The {y} cost [v=b*h] dollars.",
                "In all they cost [t=u+v] dollars.",
            ),
            (
                "The {y} cost as much as [g=b/2] {x}.",
                "That makes [n=a+g] {x}.",
                "In all they cost [t=n*p] dollars.",
            ),
            (
                "One {y1} costs [h=p/2] dollars.",
                "The {y} cost [v=b*h] dollars.",
                "The {x} cost [u=a*p] dollars.",
                "In all they cost [t=v+u] dollars.",
            ),
        ),
    ),
    Family(
        name="times_fewer_together",
        steps=4,
        numbers="a=5..15 k=2..5 c=3..15",
        questions=(
            "{A} has {a} {x}. {B} has {k} times as many {x} as {A}. {C} has {c} fewer {x} than {B}. "
            "How many {x} do the three friends have together?",
            "{B} found {k} times as many {x} as {A} and {C} found {c} fewer {x} than {B}. {A} found {a} {x}. "
            "How many {x} do the three friends have together?",
        ),
        plans=(
            (
                "{B} has [u=a*k] {x}.",
                "{C} has [v=u-c] {x}.",
                "{A} and {B} have [w=a+u] {x}.",
                "Together they have [t=w+v] {x}.",
            ),
            (
                "{B} has [u=a*k] {x}.",
                "Two times {u} {x} is [v=u*2] {x}.",
                "With {A} that makes [w=a+v] {x}.",
                "Together they have [t=w-c] {x}.",
            ),
            ("{B} has [u=a*k] {x}.", "{C} has [v=u-c] {x}.", "Together they have [t=a+u+v] {x}."),
        ),
    ),
    Family(
        name="long_trip",
        steps=4,
        numbers="p=3..12 q=3..12 a=2..5 b=2..5 m=40..100",
        questions=(
            "{A} is on a trip of {m} miles. {A} rides {p} miles each hour for {a} hours and then {q} miles each hour "
            "for {b} hours. How many miles are left?",
            "On the first day {A} rides {p} miles each hour for {a} hours. On the second day {A} rides {q} miles each "
            "hour for {b} hours. The trip is {m} miles long. How many miles are left?",
        ),
        plans=(
            (
                "First {A} rides [u=p*a] miles.",
                "Then {A} rides [v=q*b] miles.",
                "In all that makes [w=u+v] miles.",
                "There are [t=m-w] miles left.",
            ),
            (
                "First {A} rides [u=p*a] miles.",
                "After that there are [w=m-u] miles left.",
                "Then {A} rides [v=q*b] miles.",
                "There are [t=w-v] miles left.",
            ),
            ("First {A} rides [u=p*a] miles.", "Then {A} rides [v=q*b] miles.", "There are [t=m-u-v] miles left."),
        ),
    ),
    Family(
        name="shelves",
        steps=4,
        numbers="a=3..8 n=3..8 i=2..4 j=2..4 d=2..9 b=n*i c=n*j",
        questions=(
            "There are {a} shelves with {b} books on each shelf. {A} sells {c} books and puts the other books into "
            "boxes. Each box holds {n} books. {A} gives {d} of the boxes to {B}. How many boxes are left?",
            "{A} has {b} books on each of {a} shelves. {B} takes {c} books. {A} puts the other books into boxes with "
            "{n} books in each box and then sells {d} boxes. How many boxes are left?",
        ),
        plans=(
            (
                "The shelves hold [u=a*b] books.",
                "Without {c} there are [v=u-c] books.",
                "They need [w=v/n] boxes.",
                "There are [t=w-d] boxes left.",
            ),
            (
                "One shelf makes [i=b/n] boxes.",
                "All shelves make [u=a*i] boxes.",
                "The {c} books make [j=c/n] boxes.",
                "There are [t=u-j-d] boxes left.",
            ),
            (
                "The shelves hold [u=a*b] books.",
                "They need [v=u/n] boxes.",
                "The {c} books make [j=c/n] boxes.",
                "There are [w=v-j] boxes left.",
                "There are [t=w-d] boxes left.",
            ),
        ),
    ),
    Family(
        name="party",
        steps=4,
        numbers="a=2..6 b=2..6 p=3..9 q=3..9 d=5..29",
        questions=(
            "{A} needs {p} {x} for each girl and {q} {x} for each boy at a party. There are {a} girls and {b} boys. "
            "{A} already has {d} {x}. How many more {x} does {A} need?",
            "There are {a} girls and {b} boys at a party. Each girl gets {p} {x} and each boy gets {q} {x}. {A} has "
            "only {d} {x}. How many more {x} does {A} need?",
        ),
        plans=(
            (
                "The girls need [u=a*p] {x}.",
                "The boys need [v=b*q] {x}.",
                "In all they need [w=u+v] {x}.",
                "{A} needs [t=w-d] more {x}.",
            ),
            (
                "The girls need [u=a*p] {x}.",
                "Without {d} there are [w=u-d] {x}.",
                "The boys need [v=b*q] {x}.",
                "{A} needs [t=w+v] more {x}.",
            ),
            ("The girls need [u=a*p] {x}.", "The boys need [v=b*q] {x}.", "{A} needs [t=u+v-d] more {x}."),
        ),
    ),
)
