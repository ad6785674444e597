import re
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass
class Stay:
    guest: str
    arrival: str
    nights: int
    price: float


def main() -> list[Stay]:
    """Reads bookings, as a tool of every day does."""
    text = "Ada 2026-03-01 3 nights 120.50; Grace 2026-03-04 1 night 99.00; Mary 2026-03-05 7 nights 80.25"
    found = re.findall(r"(\w+) (\d{4}-\d\d-\d\d) (\d+) nights? ([\d.]+)", text)
    stays = []
    for guest, arrival, nights, price in found:
        leaves = datetime.fromisoformat(arrival) + timedelta(days=int(nights))
        print(f"{guest} leaves on {leaves:%d %B}")
        stays.append(Stay(guest, arrival, int(nights), float(price)))
    return sorted(stays, key=lambda stay: stay.price * stay.nights)
