"""What is known of a customer, declared once: for training, scoring and drift, and for people who fill in a form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MOST = 1e9  # no amount or count of a customer is larger
AGES = (
    "01.menor de 18 años", "02.entre 18 y 25 años", "03.entre 26 y 30 años", "04.entre 31 y 35 años",
    "05.entre 36 y 40 años", "06.entre 41 y 55 años", "07.entre 56 y 65 años", "08.mayor a 65 años",
)  # fmt: skip
CARDS = ("credit card", "debit card", "account money", "other")
PROVINCES = (
    "buenos aires", "capital federal", "catamarca", "chaco", "chubut", "corrientes", "córdoba", "entre ríos", "formosa",
    "jujuy", "la pampa", "la rioja", "mendoza", "misiones", "neuquén", "río negro", "salta", "san juan", "san luis",
    "santa cruz", "santa fe", "santiago del estero", "tierra del fuego", "tucumán",
)  # fmt: skip


@dataclass(frozen=True)
class Feature:
    """A column of ``features.sql``. ``default`` stands where nothing is known; what follows it is for people.

    A word may be another one than its ``choices``; a number lies between ``low`` and ``high``, and is ``whole`` where
    it counts something. One that is whole, and 0 or 1, says no or yes.
    """

    name: str
    default: float | str
    about: str
    label: str
    help: str
    low: float = 0.0
    high: float = MOST
    whole: bool = False
    choices: tuple[str, ...] = ()

    @property
    def is_category(self) -> bool:
        return isinstance(self.default, str)

    @property
    def is_flag(self) -> bool:
        return self.whole and (self.low, self.high) == (0.0, 1.0)

    def shown(self, value: float | str) -> str:
        """A value in plain words."""
        if isinstance(value, str):
            return value
        if self.is_flag and value in (0, 1):
            return "yes" if value else "no"
        return f"{value:,.0f}" if self.whole and value == round(value) else f"{value:,.2f}"


PAYMENTS, VISITS, BALANCE, MARKETPLACE, PERSON = "Payments", "Visits", "Account", "Marketplace", "Person"
BACK = "Months of 30 days, counted back from the day of the snapshot."
# fmt: off
FEATURES = (
    Feature("spent_7d", 0.0, PAYMENTS, "Spent in the last 7 days",
            "Sum of the payments, in the currency of the files.", low=-MOST),
    Feature("spent_30d", 0.0, PAYMENTS, "Spent in the last 30 days",
            "Sum of the payments, those of the last 7 days included.", low=-MOST),
    Feature("spent_90d", 0.0, PAYMENTS, "Spent in the last 90 days",
            "Sum of the payments, those of the last 30 days included.", low=-MOST),
    Feature("payments_7d", 0.0, PAYMENTS, "Payments in the last 7 days", "How many there were.", whole=True),
    Feature("payments_30d", 0.0, PAYMENTS, "Payments in the last 30 days",
            "How many there were, those of the last 7 days included.", whole=True),
    Feature("payments_90d", 0.0, PAYMENTS, "Payments in the last 90 days",
            "How many there were, those of the last 30 days included.", whole=True),
    Feature("total_discount_30d", 0.0, PAYMENTS, "Discounts in the last 30 days",
            "Sum of what was taken off payments.", low=-MOST),
    Feature("active_days_60d", 0.0, PAYMENTS, "Days with a payment, of the last 60",
            "Days, not payments: two on one day are one.", high=60.0, whole=True),
    Feature("days_since_activity", 90.0, PAYMENTS, "Days since the last payment",
            "Who paid yesterday has 1; nobody is looked at who paid nothing for 90 days.", high=90.0, whole=True),
    Feature("mau_mp_1", 0.0, VISITS, "Visits to the payments app, last month", BACK, whole=True),
    Feature("mau_mp_2", 0.0, VISITS, "Visits to the payments app, two months back", BACK, whole=True),
    Feature("mau_mp_3", 0.0, VISITS, "Visits to the payments app, three months back", BACK, whole=True),
    Feature("mau_ml_1", 0.0, VISITS, "Visits to the marketplace, last month", BACK, whole=True),
    Feature("mau_ml_2", 0.0, VISITS, "Visits to the marketplace, two months back", BACK, whole=True),
    Feature("mau_ml_3", 0.0, VISITS, "Visits to the marketplace, three months back", BACK, whole=True),
    Feature("plata_cuenta_1", 0.0, BALANCE, "Highest balance, last month", "Money in the account.", low=-MOST),
    Feature("plata_cuenta_2", 0.0, BALANCE, "Highest balance, two months back", "Money in the account.", low=-MOST),
    Feature("spent_ml", 0.0, MARKETPLACE, "Spent in the marketplace, six months", "Sum of the purchases.", low=-MOST),
    Feature("frequency_ml", 0.0, MARKETPLACE, "Days with a purchase in the marketplace",
            "In the same six months.", whole=True),
    Feature("recency_ml_days", 999.0, MARKETPLACE, "Days since the last purchase in the marketplace",
            "999 stands for never, or not known.", high=99_999.0, whole=True),
    Feature("has_inversion", 0.0, BALANCE, "Invests money of the account",
            "Whether the money in the account is invested.", high=1.0, whole=True),
    Feature("gender_is_female", 0.0, PERSON, "Is a woman",
            "As the files tell; no where they do not.", high=1.0, whole=True),
    Feature("gender", "unknown", PERSON, "Gender", "As the files tell.", choices=("unknown", "female", "male")),
    Feature("rango_edad", "unknown", PERSON, "Age", "The range of ages.", choices=("unknown", *AGES)),
    Feature("tarjetas", "unknown", PERSON, "Card", "How the customer pays.", choices=("unknown", *CARDS)),
    Feature("estado", "unknown", PERSON, "Province", "Where the customer lives.", choices=("unknown", *PROVINCES)),
)
# fmt: on
DECLARED: Mapping[str, Feature] = {feature.name: feature for feature in FEATURES}
NUMERIC = tuple(feature.name for feature in FEATURES if not feature.is_category)
CATEGORIES = tuple(feature.name for feature in FEATURES if feature.is_category)
# What of it decides results: words for people may change without a training.
DECIDING = tuple((feature.name, feature.default) for feature in FEATURES)
