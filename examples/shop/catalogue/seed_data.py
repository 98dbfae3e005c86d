"""What a fresh shop sells."""

from decimal import Decimal
from typing import NamedTuple

from django.utils.translation import gettext_noop as _


class Shelf(NamedTuple):
    """A category."""

    slug: str
    name: str


class Article(NamedTuple):
    """A product; its picture has the slug's name."""

    shelf: str
    slug: str
    name: str
    price: Decimal
    stock: int
    tagline: str
    description: str
    material: str
    dimensions: str


SHELVES = [
    Shelf("brew", _("Brew")),
    Shelf("table", _("Table")),
    Shelf("light", _("Light")),
    Shelf("desk", _("Desk")),
]

ARTICLES = [
    Article(
        "brew",
        "morrow-kettle",
        "Morrow Kettle",
        Decimal("84.00"),
        18,
        _("A slow pour, and a quick boil"),
        _(
            "The long neck gives a thread of water you can place to the millimetre. The walnut "
            "handle stays cool, and the weight sits low, so the last cup pours as steadily as the"
            " first."
        ),
        _("Enamelled steel, oiled walnut"),
        "0.9 l · 27 × 19 cm",
    ),
    Article(
        "brew",
        "tidal-mug",
        "Tidal Mug",
        Decimal("24.00"),
        42,
        _("Dipped by hand, so no two tides agree"),
        _(
            "Thrown in a small pottery by the sea and dipped once in a blue ash glaze. The line "
            "where it stops is different on every mug. Holds a generous morning coffee."
        ),
        _("Stoneware, ash glaze"),
        "0.35 l · 9 × 10 cm",
    ),
    Article(
        "brew",
        "ember-dripper",
        "Ember Dripper",
        Decimal("58.50"),
        2,
        _("Copper that remembers every morning"),
        _(
            "A cone of spun copper over a glass server. It warms in seconds and keeps the heat in"
            " the coffee bed. Left unpolished, it darkens to the colour of embers."
        ),
        _("Copper, borosilicate glass"),
        "0.6 l · 15 × 22 cm",
    ),
    Article(
        "table",
        "dune-bowl",
        "Dune Bowl",
        Decimal("46.00"),
        15,
        _("Wide, low, and never empty for long"),
        _(
            "A serving bowl with the slope of a dune and a rim of bare clay. Big enough for a "
            "salad for six; good-looking enough to live on the table with three pears in it."
        ),
        _("Speckled stoneware"),
        _("Ø 32 cm · 11 cm high"),
    ),
    Article(
        "table",
        "harvest-board",
        "Harvest Board",
        Decimal("38.00"),
        24,
        _("One plank of oak, from crust to crumb"),
        _(
            "Cut from a single plank and finished with nothing but linseed oil. Turn it over for "
            "cheese. Wash it by hand, oil it twice a year, and leave it to your children."
        ),
        _("Solid oak, linseed oil"),
        "42 × 20 × 2.5 cm",
    ),
    Article(
        "table",
        "linen-napkins",
        "Linen Napkins",
        Decimal("32.00"),
        30,
        _("Four colours of one long summer"),
        _(
            "Washed linen that is soft from the first day and softer every year. A set of four, "
            "in rose, chalk, sage and cream, with a hand-stitched hem."
        ),
        _("Washed linen"),
        _("Set of 4 · 45 × 45 cm"),
    ),
    Article(
        "light",
        "moon-lamp",
        "Moon Lamp",
        Decimal("129.00"),
        9,
        _("A full moon, on any night you like"),
        _(
            "A globe of mouth-blown opal glass on a brass foot. The light is warm and even, and "
            "dims from reading to dreaming with a touch on the base."
        ),
        _("Opal glass, brushed brass"),
        _("Ø 24 cm · 41 cm high"),
    ),
    Article(
        "light",
        "beacon-candle",
        "Beacon Candle",
        Decimal("22.00"),
        60,
        _("Cedar, smoke, and fifty quiet evenings"),
        _(
            "Poured in small batches from rapeseed wax, with a cotton wick and a scent of cedar "
            "and wood smoke. When it is gone, the glass goes on as a tumbler."
        ),
        _("Rapeseed wax, recycled glass"),
        "50 h · 8 × 9 cm",
    ),
    Article(
        "light",
        "arc-lamp",
        "Arc Floor Lamp",
        Decimal("1240.00"),
        0,
        _("It leans in when you read"),
        _(
            "A single bow of blackened steel carries a copper shade over your favourite chair. "
            "Made to order by one metalworker, who takes the summer off."
        ),
        _("Blackened steel, spun copper"),
        _("198 cm high · 110 cm reach"),
    ),
    Article(
        "desk",
        "field-notebook",
        "Field Notebook",
        Decimal("16.50"),
        80,
        _("Opens flat, closes on anything"),
        _(
            "A hundred and sixty pages of thick cream paper, thread-sewn so that it lies flat on "
            "the first page and the last. The cloth takes rain, coffee and being sat on."
        ),
        _("Cloth boards, 100 g paper"),
        _("160 pages · 14 × 20 cm"),
    ),
    Article(
        "desk",
        "slate-clock",
        "Slate Clock",
        Decimal("68.00"),
        11,
        _("Tells the time, and says nothing else"),
        _(
            "No alarm, no display, no opinion. A silent sweep movement in a case the colour of "
            "wet slate, on two feet of ash. One battery lasts two years."
        ),
        _("Aluminium, ash, mineral glass"),
        _("Ø 18 cm · 6 cm deep"),
    ),
    Article(
        "desk",
        "terra-planter",
        "Terra Planter",
        Decimal("34.00"),
        20,
        _("A good home for something green"),
        _(
            "Terracotta from a family kiln, left bare so that the roots can breathe. It comes "
            "with its saucer, and with a rubber plant that has outgrown ours."
        ),
        _("Unglazed terracotta"),
        _("Ø 19 cm · 17 cm high"),
    ),
]


class Entry(NamedTuple):
    """A note of the demo's customer, about a product or about anything."""

    days_ago: int
    title: str
    text: str
    slug: str = ""


CUSTOMERS = [
    ("ida", "Ida", "Lindqvist"),
    ("jonas", "Jonas", "Weber"),
    ("leila", "Leila", "Haddad"),
    ("marta", "Marta", "Kowalska"),
    ("noor", "Noor", "Rahimi"),
    ("oscar", "Oscar", "Duarte"),
    ("tove", "Tove", "Berg"),
]

ENTRIES = [
    Entry(
        1,
        "A birthday present for Ida",
        "Two mugs, and the napkins in sage. Wrap them.",
        "tidal-mug",
    ),
    Entry(
        3,
        "Kettle: how it pours",
        "Fill it to the lower rivet of the handle. 94 °C, and forty seconds to bloom.",
        "morrow-kettle",
    ),
    Entry(5, "Reading corner", "Measured: 205 cm under the beam, so it fits.", "arc-lamp"),
    Entry(
        8,
        "Oil the board",
        "Linseed oil, both sides, twice a year. Next in spring.",
        "harvest-board",
    ),
    Entry(11, "Sunday lunch for six", "Pears, walnuts, blue cheese. The big bowl.", "dune-bowl"),
    Entry(16, "Next notebook", "This one is nearly full; a blue one this time.", "field-notebook"),
    Entry(21, "Rubber plant", "Water on Mondays only. It sulks when it is moved.", "terra-planter"),
    Entry(33, "Candles", "Three for the bathroom, none for the cat.", "beacon-candle"),
    Entry(40, "The workshop by the sea", "Open on Saturdays from ten. Take the bus."),
]
