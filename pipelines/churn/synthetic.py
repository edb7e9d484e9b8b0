"""The six files of the churn flow, generated: real extracts in shape, in flaws and in what can be learned from them.

Each user has an engagement, and weeks in which it is with us or not; payments, visits, balances and purchases follow.
Nothing of it trends: who leaves a week and who (re)appears balance from the first simulated week on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.core.errors import UsageError

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow

    Array = npt.NDArray[Any]

FILES = (
    "PAYMENTS.csv",
    "ACTIVE_USER.csv",
    "DEMOGRAFICOS.csv",
    "DINERO_CUENTA.csv",
    "MARKETPLACE_DATA.csv",
    "EVALUATE.csv",
)
DIALECTS = ("wallet", "bank")

MONTH = 30  # days
CHURN_DAYS = 60
MARKETPLACE_LAG = 31  # days that its extract is older than the others
MARKETPLACE_WEEKS = 26
FADING = (0.35, 0.55, 0.75, 0.9)  # of the usual activity, in the last week before a user leaves, the one before, ...
WEEKDAYS = (0.13, 0.13, 0.135, 0.14, 0.17, 0.165, 0.13)  # share of the payments, from Monday on
DAY_SECONDS = 86_400
BATCH_ROWS = 1 << 19

SEGMENTS = ("Instore", "Transport", "Utilities", "Money Transfer", "Cellphone Recharge")
SEGMENT_SHARES = (0.34, 0.16, 0.14, 0.16, 0.2)
SEGMENT_SPENT = (420.0, 45.0, 850.0, 1_400.0, 120.0)
CARDS = ("Credit Card", "Debit Card", "Account Money", "Other")
CARD_SHARES = (0.34, 0.31, 0.27, 0.08)
CARD_HAZARD = (-0.3, 0.0, 0.15, 0.5)
INVESTMENT: Mapping[str, tuple[str, ...]] = {  # the first one invests; empty is a status, too
    "wallet": ("Investing", "Eligible", "Warmup", "Pending", ""),
    "bank": ("investing", "eligible", "non_eligible", "disabled", "banned", ""),
}
GENDERS: Mapping[str, tuple[str, ...]] = {"wallet": ("F", "M", ""), "bank": ("female", "male", "", "Unknown")}
GENDER_SHARES: Mapping[str, tuple[float, ...]] = {"wallet": (0.47, 0.51, 0.02), "bank": (0.46, 0.49, 0.02, 0.03)}
AGE_EDGES = (18, 26, 31, 36, 41, 56, 66)
AGE_RANGES = (
    "01.Menor de 18 años",
    "02.Entre 18 y 25 años",
    "03.Entre 26 y 30 años",
    "04.Entre 31 y 35 años",
    "05.Entre 36 y 40 años",
    "06.Entre 41 y 55 años",
    "07.Entre 56 y 65 años",
    "08.Mayor a 65 años",
)
PLACES = (  # city, province
    ("Palermo, Ciudad Autónoma de Buenos Aires", "Capital Federal"),
    ("Caballito", "Capital Federal"),
    ("La Plata", "Buenos Aires"),
    ("Mar del Plata", "Buenos Aires"),
    ("Lomas de Zamora", "Buenos Aires"),
    ("San Justo, La Matanza", "Buenos Aires"),
    ("Bahía Blanca", "Buenos Aires"),
    ("Córdoba", "Córdoba"),
    ("Villa Carlos Paz, Punilla", "Córdoba"),
    ("Río Cuarto", "Córdoba"),
    ("Rosario", "Santa Fe"),
    ("Santa Fe", "Santa Fe"),
    ("Mendoza", "Mendoza"),
    ("San Rafael", "Mendoza"),
    ("San Miguel de Tucumán", "Tucumán"),
    ("Salta", "Salta"),
    ("Paraná", "Entre Ríos"),
    ("Concordia", "Entre Ríos"),
    ("Posadas", "Misiones"),
    ("Corrientes", "Corrientes"),
    ("Resistencia", "Chaco"),
    ("San Juan", "San Juan"),
    ("San Salvador de Jujuy", "Jujuy"),
    ("Neuquén", "Neuquén"),
    ("Comodoro Rivadavia", "Chubut"),
    ("San Carlos de Bariloche", "Río Negro"),
    ("Ushuaia", "Tierra del Fuego"),
)

SOUND, NO_BUYER, NO_SUCH_DAY, NO_DATE, FAR_DATE, NO_SPENT, HALF_SPENT = range(7)  # what is wrong with a payment
DAMAGED_SHARE = 0.0001
DAMAGED_DATES: Mapping[int, str] = {NO_SUCH_DAY: "2019-02-30", NO_DATE: "n/a", FAR_DATE: "2091-01-01"}
DAMAGED_SPENT: Mapping[int, str] = {NO_SPENT: "-", HALF_SPENT: "1e"}


@dataclass(frozen=True)
class People:
    """Users, one element each; simulated days count from 0, and ``today`` is the first one after ``last_day``."""

    ids: Array
    engagement: Array  # standard normal
    wealth: Array  # standard normal
    card: Array  # position in CARDS
    invests: Array  # bool
    shopping: Array  # how much they are drawn to the marketplace, around 1
    presence: Array  # users x simulated weeks: 0 is gone, 1 is there, between is about to leave
    pace: Array  # payments a week where presence is 1
    last_day: date
    today: int

    def __len__(self) -> int:
        return len(self.ids)

    def presence_in(self, first: int, end: int) -> Array:
        """The mean presence of each user on the simulated days ``first`` to before ``end``."""
        weeks = [day // 7 for day in range(first, end)]
        mean: Array = self.presence[:, weeks].mean(axis=1)
        return mean

    def date_of(self, day: int) -> date:
        return self.last_day + timedelta(days=day - self.today + 1)


@dataclass(frozen=True)
class Payments:
    """All simulated payments in the order of time, those after ``last_day`` too."""

    user: Array  # position among the people
    second: Array  # since the start of simulated day 0

    def between(self, first: int, end: int) -> Payments:
        """Those of the simulated days ``first`` to before ``end``."""
        import numpy as np

        start, stop = np.searchsorted(self.second, np.array([first, end], self.second.dtype) * DAY_SECONDS)
        return Payments(self.user[start:stop], self.second[start:stop])

    def per_user(self, users: int) -> Array:
        import numpy as np

        return np.bincount(self.user, minlength=users)


def generate(
    folder: Path,
    users: int = 43_000,
    seed: int = 2019,
    dialect: str = "wallet",
    payments_per_user: float = 30.0,
    last_day: date = date(2019, 5, 31),
    days: int = 182,
) -> dict[str, int]:
    """Make ``folder`` with the six files, whole or not at all; the same arguments make the same bytes.

    Args:
        folder: missing or empty.
        users: simulated ones; most of them pay, and are in most of the files.
        dialect: ``wallet`` or ``bank``, how the extract is written.
        payments_per_user: the mean over ``days``.
        last_day: of the payments; EVALUATE tells who pays in the 60 days after it.
        days: of payments, up to ``last_day``.

    Returns:
        Rows per file, without headers.

    Raises:
        UsageError: ``folder`` holds something, or an argument is out of range.
    """
    if dialect not in DIALECTS:
        raise UsageError(f"dialect is {dialect!r}, it must be one of {', '.join(DIALECTS)}.")
    if users < 1 or not 1 <= days <= 3_650 or not 0 < payments_per_user <= 10_000:
        raise UsageError("users must be at least 1, days 1 to 3,650, payments_per_user above 0 and at most 10,000.")
    folder = folder.resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there and no empty folder. Name another one, or remove it if it is yours.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    _forget_dead_writers(folder)
    new = folder.with_name(f"{folder.name}.new-{os.getpid()}")
    new.mkdir()
    try:
        rows = _write_files(new, users, seed, dialect, payments_per_user, last_day, days)
        new.replace(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return rows


def _forget_dead_writers(folder: Path) -> None:
    import psutil

    for left in folder.parent.iterdir():
        pid = left.name.removeprefix(f"{folder.name}.new-")
        if pid != left.name and pid.isdecimal() and (int(pid) == os.getpid() or not psutil.pid_exists(int(pid))):
            shutil.rmtree(left, ignore_errors=True)


def _write_files(
    folder: Path, users: int, seed: int, dialect: str, payments_per_user: float, last_day: date, days: int
) -> dict[str, int]:
    import numpy as np

    rngs = [np.random.default_rng([seed, part]) for part in range(len(FILES) + 2)]
    people = _people(rngs[-1], users, payments_per_user, last_day, days)
    payments = _payments(rngs[-2], people)
    known = payments.between(people.today - days, people.today)
    rows = (
        _write_payments(folder / FILES[0], rngs[0], people, known, dialect),
        _write_active_user(folder / FILES[1], rngs[1], people, payments, dialect),
        _write_demograficos(folder / FILES[2], rngs[2], people, dialect),
        _write_dinero_cuenta(folder / FILES[3], rngs[3], people, dialect),
        _write_marketplace(folder / FILES[4], rngs[4], people),
        _write_evaluate(folder / FILES[5], rngs[5], people, known, payments),
    )
    return dict(zip(FILES, rows, strict=True))


# What happens -----------------------------------------------------------------------------------------------------


def _people(rng: np.random.Generator, users: int, payments_per_user: float, last_day: date, days: int) -> People:
    import numpy as np

    # The oldest thing that a file tells is the marketplace's.
    today = max(days, MARKETPLACE_LAG + MARKETPLACE_WEEKS * 7)
    weeks = -(-(today + CHURN_DAYS) // 7)
    engagement, wealth = rng.standard_normal((2, users))
    card = rng.choice(len(CARDS), users, p=CARD_SHARES)
    invests = rng.random(users) < 1 / (1 + np.exp(1.3 - 0.5 * engagement - 0.6 * wealth))
    leaving = 0.04 * np.exp(-0.5 * engagement + np.take(CARD_HAZARD, card) - 0.5 * invests - 0.25 * wealth)
    presence = _presence(rng, leaving.clip(0.002, 0.3), weeks)
    people = People(
        ids=rng.permutation(10_000 + rng.integers(1, 40, users).cumsum()),
        engagement=engagement,
        wealth=wealth,
        card=card,
        invests=invests,
        shopping=np.exp(0.5 * engagement + 0.6 * rng.standard_normal(users)),
        presence=presence,
        pace=np.exp(engagement),
        last_day=last_day,
        today=today,
    )
    mean = (people.pace * people.presence_in(today - days, today)).mean() * days / 7
    people.pace[:] *= payments_per_user / (mean or 1)
    return people


def _presence(rng: np.random.Generator, leaving: Array, weeks: int) -> Array:
    """Users x weeks: they leave with the probability ``leaving`` a week, and some of those who left come back.

    The first week is drawn from what that ends in, so that nothing grows or shrinks.
    """
    import numpy as np

    back = 0.06
    beyond = len(FADING)  # weeks, to know in the last one who is about to leave
    there = np.empty((weeks + beyond, len(leaving)), bool)
    there[0] = rng.random(len(leaving)) < back / (back + leaving)
    for week in range(1, weeks + beyond):
        drawn = rng.random(len(leaving))
        there[week] = np.where(there[week - 1], drawn >= leaving, drawn < back)
    usual = np.array([0, *FADING, 1], np.float32)
    presence = np.empty((weeks, len(leaving)), np.float32)
    left = np.full(len(leaving), beyond + 1)
    for week in range(weeks + beyond - 1, -1, -1):
        left = np.where(there[week], np.minimum(left + 1, beyond + 1), 0)
        if week < weeks:
            presence[week] = usual[left]
    return presence.T


def _payments(rng: np.random.Generator, people: People) -> Payments:
    import numpy as np

    shares = np.roll(WEEKDAYS, -people.date_of(0).weekday())
    everyone = np.arange(len(people), dtype=np.int32)
    users, seconds = [], []
    for week, presence in enumerate(people.presence.T):
        burst = rng.gamma(0.35, 1 / 0.35, len(people))  # some weeks hold many payments, others none
        user = np.repeat(everyone, rng.poisson(people.pace * presence * burst))
        day = week * 7 + rng.choice(7, len(user), p=shares)
        second = day * DAY_SECONDS + (DAY_SECONDS * rng.triangular(0.1, 0.75, 1, len(user))).astype(np.int64)
        order = np.argsort(second)
        users.append(user[order])
        seconds.append(second[order].astype(np.int32))
    return Payments(np.concatenate(users), np.concatenate(seconds))


# What the files say of it -----------------------------------------------------------------------------------------


def _write_payments(path: Path, rng: np.random.Generator, people: People, payments: Payments, dialect: str) -> int:
    import numpy as np
    import pyarrow

    rows = len(payments.user)
    damage = _damage(rng, rows, at_least=int(len(people) >= 1_000))
    buyers = pyarrow.array(_ids(people, ".0" if dialect == "bank" else ""))
    favourite = rng.choice(len(SEGMENTS), len(people), p=SEGMENT_SHARES)
    generous = np.exp(0.4 * rng.standard_normal(len(people)) + 0.25 * people.wealth)
    with path.open("wb") as file:
        for start in range(0, max(rows, 1), BATCH_ROWS):
            part = slice(start, start + BATCH_ROWS)
            user, damaged = payments.user[part], damage[part]
            size = len(user)
            segment = np.where(
                rng.random(size) < 0.5, favourite[user], rng.choice(len(SEGMENTS), size, p=SEGMENT_SHARES)
            )
            spent = np.take(SEGMENT_SPENT, segment) * generous[user] * np.exp(0.7 * rng.standard_normal(size))
            spent = spent.clip(1).round(2)
            discount = (spent * rng.uniform(0.05, 0.3, size)).round(2)
            seller = 5_000 + (max(50, len(people) // 20) * rng.random(size) ** 3).astype(np.int64)
            columns = {
                "FECHA": _dates(people, payments.second[part], damaged, with_time=dialect == "bank"),
                "CUS_CUST_ID_SEL": _text(seller),
                "CUS_CUST_ID_BUY": buyers.take(pyarrow.array(user, mask=damaged == NO_BUYER)),
                "SPENT": _damaged_text(_text(spent), damaged, DAMAGED_SPENT),
                "TPV_SEGMENT_DETAIL": _words(SEGMENTS, segment),
                "DESCUENTO": _text(discount, missing=rng.random(size) > 0.15),
            }
            if dialect == "bank":
                columns = dict(sorted(columns.items()))
            file.write(_lines(columns, header=not start))
    return rows


def _damage(rng: np.random.Generator, rows: int, at_least: int) -> Array:
    """What is wrong with each payment: ``SOUND`` but for a handful, ``at_least`` one of each kind."""
    import numpy as np

    damage = np.full(rows, SOUND, np.int8)
    each = min(max(at_least, round(rows * DAMAGED_SHARE / HALF_SPENT)), rows // HALF_SPENT)
    damage[rng.choice(rows, each * HALF_SPENT, replace=False)] = np.repeat(np.arange(1, HALF_SPENT + 1), each)
    return damage


def _dates(people: People, second: Array, damaged: Array, with_time: bool) -> pyarrow.Array:
    import numpy as np
    import pyarrow

    when = np.datetime64(people.date_of(0), "s") + second
    text = pyarrow.array(when if with_time else when.astype("datetime64[D]")).cast(pyarrow.string())
    return _damaged_text(text, damaged, DAMAGED_DATES)


def _damaged_text(text: pyarrow.Array, damaged: Array, instead: Mapping[int, str]) -> pyarrow.Array:
    import pyarrow
    import pyarrow.compute as pc

    for kind, words in instead.items():
        text = pc.if_else(pyarrow.array(damaged == kind), words, text)
    return text


def _write_active_user(path: Path, rng: np.random.Generator, people: People, payments: Payments, dialect: str) -> int:
    import numpy as np

    who, again = _who(rng, people)
    columns = {"CUS_CUST_ID_BUY": _text(people.ids[who])}
    browsing = np.exp(0.5 * rng.standard_normal(len(people)))
    logins = {}
    for month in range(1, 7 if dialect == "wallet" else 4):
        first, end = people.today - month * MONTH, people.today - (month - 1) * MONTH
        paid = payments.between(first, end)
        presence = people.presence_in(first, end)
        wallet = paid.per_user(len(people)) + rng.poisson(browsing * (0.15 + presence * np.sqrt(people.pace)))
        market = rng.poisson(people.shopping * (1 + 2 * presence))
        for app, visits in (("MP", wallet), ("ML", market)):
            shown = visits[who]
            columns[f"MAU_{app}_{month}"] = _text(shown + (again & (shown > 0)), missing=_some(rng, who))
        if month == 1:
            logins = {"mp": _last_of(rng, wallet, MONTH), "ml": _last_of(rng, market, MONTH)}
            last_paid = np.full(len(people), -1)
            last_paid[paid.user] = paid.second // DAY_SECONDS - first  # in the order of time: the last one stays
            logins["mp"] = np.maximum(logins["mp"], last_paid)
    month_days = [str(people.date_of(people.today - MONTH + day)) for day in range(MONTH)]
    for app, login in logins.items():
        missing = _some(rng, who) | (login[who] < 0)
        columns[f"last_login_{app}_date_1"] = _words(month_days, login[who], missing)
    return _write(path, columns)


def _last_of(rng: np.random.Generator, events: Array, days: int) -> Array:
    """Which of so many days, from 0, is that of the last event of each user; -1 where there is none."""
    import numpy as np

    last = days * rng.random(len(events)) ** (1 / events.clip(1))
    return np.where(events > 0, last.astype(np.int64), -1)


def _write_demograficos(path: Path, rng: np.random.Generator, people: People, dialect: str) -> int:
    import numpy as np

    users = len(people)
    likely = 1 / np.arange(2, len(PLACES) + 2)
    place = rng.choice(len(PLACES), users, p=likely / likely.sum())
    age = (15 + 24 * rng.gamma(2.2, 0.45, users)).astype(np.int64).clip(15, 90)
    gender = rng.choice(len(GENDERS[dialect]), users, p=GENDER_SHARES[dialect])
    who, again = _who(rng, people)
    elsewhere = np.where(again, (place[who] + 1) % len(PLACES), place[who])
    cities = [f'"{city}"' if "," in city else city for city, _ in PLACES]
    provinces = [province for _, province in PLACES]
    columns = {
        "CITY": _words(cities, elsewhere, _some(rng, who)),
        "CUS_CUST_ID_BUY": _text(people.ids[who]),
        "GENDER": _padded_words(rng, GENDERS[dialect], gender[who], _some(rng, who)),
    }
    if dialect == "wallet":
        columns["AGE"] = _text(age[who] + again, missing=_some(rng, who))
        columns["CARD_TYPE"] = _words(CARDS, people.card[who], _some(rng, who))
    else:
        columns["RANGO_EDAD"] = _words(AGE_RANGES, np.searchsorted(AGE_EDGES, age[who], "right"), _some(rng, who))
        columns["TARJETAS"] = _words(CARDS, people.card[who], _some(rng, who))
    columns["ESTADO"] = _padded_words(rng, provinces, elsewhere, _some(rng, who), mixed_case=True)
    return _write(path, columns)


def _write_dinero_cuenta(path: Path, rng: np.random.Generator, people: People, dialect: str) -> int:
    import numpy as np

    words = INVESTMENT[dialect]
    status = np.where(people.invests, 0, rng.integers(1, len(words), len(people)))
    usual = 900 * np.exp(people.wealth + 0.4 * people.engagement + 0.5 * people.invests)
    who, again = _who(rng, people)
    columns = {"CUS_CUST_ID_BUY": _text(_ids(people, ".0")[who])}
    for month in range(1, 4 if dialect == "wallet" else 3):
        presence = people.presence_in(people.today - month * MONTH, people.today - (month - 1) * MONTH)
        balance = usual * (0.15 + 0.85 * presence) * np.exp(0.6 * rng.standard_normal(len(people)))
        balance[rng.random(len(people)) < 0.25 - 0.2 * presence] = 0
        shown = (balance[who] * (1 + 0.02 * again)).round(2)
        columns[f"PLATA_CUENTA_{month}"] = _text(shown, missing=_some(rng, who))
    columns["INVERSION"] = _words(words, status[who], _some(rng, who))
    return _write(path, columns)


def _write_marketplace(path: Path, rng: np.random.Generator, people: People) -> int:
    import numpy as np

    end = people.today - MARKETPLACE_LAG
    start = end - MARKETPLACE_WEEKS * 7
    frequency, recency = np.zeros((2, len(people)), np.int64)
    for first in range(start, end, 7):
        chance = 0.02 * people.shopping * (1 + people.presence[:, first // 7])
        bought = rng.binomial(7, chance.clip(0, 0.9))  # days of the seven
        recency = np.where(bought > 0, first + _last_of(rng, bought, 7), recency)
        frequency += bought
    spent = frequency * 650 * np.exp(0.3 * people.wealth + 0.5 * rng.standard_normal(len(people)))
    who, again = _who(rng, people)
    days = [str(people.date_of(day)) for day in range(end)]
    return _write(path, {
        "CUS_CUST_ID_BUY": _text(people.ids[who]),
        "SPENT_ML": _text((spent[who] * (1 + 0.02 * again)).round(2), missing=_some(rng, who)),
        "RECENCY_ML": _words(days, recency[who], _some(rng, who) | (frequency[who] == 0)),
        "FREQUENCY_ML": _text(frequency[who] + (again & (frequency[who] > 0)), missing=_some(rng, who)),
    })  # fmt: skip


def _write_evaluate(path: Path, rng: np.random.Generator, people: People, known: Payments, payments: Payments) -> int:
    import numpy as np

    paying = known.per_user(len(people)) > 0
    who = np.flatnonzero(paying & (rng.random(len(people)) < 0.9))
    churned = payments.between(people.today, people.today + CHURN_DAYS).per_user(len(people)) == 0
    return _write(path, {
        "CUS_CUST_ID_BUY": _text(people.ids[who]),
        "CHURN": _text(churned[who].astype(np.int64)),
    })  # fmt: skip


# How it is written ------------------------------------------------------------------------------------------------


def _who(rng: np.random.Generator, people: People) -> tuple[Array, Array]:
    """The user of each line of a file, and whether it is that user's second line: some have none, a few have two."""
    import numpy as np

    there = np.flatnonzero(rng.random(len(people)) >= rng.uniform(0.05, 0.1))
    place = rng.random(len(there))
    twice = rng.random(len(there)) < 0.005
    later = rng.uniform(place[twice], 1)
    order = np.argsort(np.concatenate([place, later]))
    again = np.arange(len(order)) >= len(there)
    return np.concatenate([there, there[twice]])[order], again[order]


def _some(rng: np.random.Generator, lines: Array) -> Array:
    """Which values of a column are missing."""
    missing: Array = rng.random(len(lines)) < rng.uniform(0.02, 0.1)
    return missing


def _ids(people: People, ending: str) -> Array:
    import numpy as np

    return np.array([f"{each}{ending}" for each in people.ids.tolist()], object)


def _text(values: Array, missing: Array | None = None) -> pyarrow.Array:
    import pyarrow

    return pyarrow.array(values, mask=missing).cast(pyarrow.string())


def _words(words: tuple[str, ...] | list[str], position: Array, missing: Array | None = None) -> pyarrow.Array:
    import pyarrow

    return pyarrow.array(words, pyarrow.string()).take(pyarrow.array(position, mask=missing))


def _padded_words(
    rng: np.random.Generator,
    words: tuple[str, ...] | list[str],
    position: Array,
    missing: Array,
    mixed_case: bool = False,
) -> pyarrow.Array:
    """As ``_words``, some with a space before or after, or in another case: nobody cleans what branches type."""
    variants = [*words, *(f" {each}" for each in words), *(f"{each} " for each in words)]
    shares = [0.94, 0.03, 0.03]
    if mixed_case:
        variants += [*(each.upper() for each in words), *(each.lower() for each in words)]
        shares = [0.8, 0.03, 0.03, 0.09, 0.05]
    return _words(variants, position + len(words) * rng.choice(len(shares), len(position), p=shares), missing)


def _write(path: Path, columns: dict[str, pyarrow.Array]) -> int:
    path.write_bytes(_lines(columns, header=True))
    return len(next(iter(columns.values())))


def _lines(columns: dict[str, pyarrow.Array], header: bool) -> bytes:
    """Columns of text as CSV; what needs quotes has them. (pyarrow.csv quotes every text, or none.)"""
    import pyarrow
    import pyarrow.compute as pc

    lines = pc.binary_join_element_wise(*columns.values(), ",", null_handling="replace", null_replacement="")
    if header:
        lines = pyarrow.concat_arrays([pyarrow.array([",".join(columns)]), lines])
    text = pc.binary_join(pyarrow.ListArray.from_arrays([0, len(lines)], lines), "\n")
    return bytes(text[0].as_buffer()) + b"\n"
